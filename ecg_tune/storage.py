"""Store files in a local folder or below a prefix of an S3 bucket, with the same methods and the same promises.

`LocalStorage` and `S3Storage` promise:

- `write` is all or nothing. A file appears under its name once it is complete: by a rename in a folder, at the end of the
  upload in a bucket. A process that is killed before leaves the previous file, or none; the next write takes away what it left.
- Names are relative to the storage and use slashes. A name may contain `DIGEST`, which `write` replaces by the file's digest.
- `names` lists one folder, sorted; a folder that doesn't exist is empty. `remove` accepts a name that doesn't exist.
- A name that leads out of the storage, upwards or by a link, raises `UsageError`.
- A missing file raises `FileNotFoundError`; everything else that fails raises another `OSError`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from ecg_tune.errors import ConfigError, DataError, UsageError
from ecg_tune.scratch import ScratchFile, remove_left

DIGEST = "{digest}"
"""In the name of a file to write: replaced by the first 16 hex digits of the content's SHA-256."""
CHUNK_BYTES = 8 * 1024**2

Write = Callable[[BinaryIO], object]
"""Writes a file's content into an open binary file."""


class LocalStorage:
    """Files below a local folder. A cluster's checkpoints need a folder that all nodes mount at the same path."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __str__(self) -> str:
        return str(self.root)

    def child(self, name: str) -> LocalStorage:
        """Open the folder `name` of this storage as a storage of its own."""
        return LocalStorage(self._inside(name))

    def names(self, folder: str) -> list[str]:
        """List the files and folders in a folder, sorted by name; hidden ones are left out."""
        path = self._inside(folder)
        return sorted(entry.name for entry in path.iterdir() if not entry.name.startswith(".")) if path.is_dir() else []

    def write(self, name: str, write: Write) -> str:
        """Write a file through a scratch file and a rename, flushed to the disk; its folder is created when it is missing.

        Args:
            name: The file's name, which may contain `DIGEST`.
            write: Writes the content into an open file.

        Returns:
            The name, with the digest filled in.
        """
        target = self._inside(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            remove_left(target.parent, rf"\.{re.escape(target.name)}\.\d+\.part")
            scratch.unlink(missing_ok=True)  # a link to elsewhere, say
            with _said_of(target), ScratchFile(scratch) as file:
                with file.own_error():
                    write(file)
                file.flush()
                os.fsync(file.fileno())  # after a power cut, the rename may be on the disk and the content not
                name = name.replace(DIGEST, digest(file))
                scratch.replace(self.root / name)  # before the file is closed, which gives its lock back
        finally:
            scratch.unlink(missing_ok=True)
        return name

    @contextmanager
    def open(self, name: str = "") -> Iterator[BinaryIO]:
        """Open a file for reading. Without a name, open the storage's root, for a storage that is a single file."""
        path = self._inside(name)
        if path.exists() and not path.is_file() and not path.is_dir():  # reading a pipe waits for its writer, a device may never end
            raise OSError(errno.EINVAL, "it is no file", str(path))
        with path.open("rb") as file:
            yield file

    def remove(self, name: str) -> None:
        """Delete a file, or a folder with all its content. A name that doesn't exist is fine."""
        path = self._inside(name)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def _inside(self, name: str) -> Path:
        """Find the path of a name, and refuse one that leads out of the storage, be it by a link.

        Raises:
            UsageError: It does.
        """
        path = self.root / _plain(name)
        if name and not path.resolve().is_relative_to(self.root.resolve()):
            raise UsageError(f"{path} leads out of {self.root} by a link: remove the link, and name the place itself where it is asked for")
        return path


@contextmanager
def _said_of(target: Path) -> Iterator[None]:
    """Add a file's name to an error of the system that has none."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) if error.errno and not error.filename else error from error


class S3Storage:
    """Objects below a prefix of an S3 bucket.

    Access keys come from the AWS_* environment variables, ~/.aws or the machine's role, never from the URI.

    Args:
        uri: `s3://BUCKET/PREFIX`, with pyarrow's options as a query: `?endpoint_override=…&scheme=…&region=…`.
    """

    def __init__(self, uri: str) -> None:
        self.base, _, self.query = uri.partition("?")

    def __str__(self) -> str:
        return self.base + ("?" + self.query if self.query else "")

    def child(self, name: str) -> S3Storage:
        """Open the folder `name` of this storage as a storage of its own."""
        return S3Storage(f"{self.base.rstrip('/')}/{_plain(name)}" + ("?" + self.query if self.query else ""))

    def names(self, folder: str) -> list[str]:
        """List the objects and folders in a folder, sorted by name."""
        fs, path = self._at(folder)
        return sorted(info.base_name for info in fs.get_file_info(_selector(path)))

    def write(self, name: str, write: Write) -> str:
        """Upload an object, and take back an upload that fails half-way. Arguments and result as `LocalStorage.write`."""
        with TemporaryFile() as file:
            write(file)
            name = name.replace(DIGEST, digest(file))
            fs, path = self._at(name)
            stream = fs.open_output_stream(path)
            try:
                shutil.copyfileobj(file, stream, CHUNK_BYTES)
                stream.close()
            except BaseException:
                with suppress(OSError):  # an upload can't be cancelled, only ended: the incomplete object is deleted
                    stream.close()
                    fs.delete_file(path)
                raise
        return name

    @contextmanager
    def open(self, name: str = "") -> Iterator[BinaryIO]:
        """Download an object and open it for reading. Without a name, open the object at the storage's own URI."""
        fs, path = self._at(name)
        with TemporaryFile() as file:
            with fs.open_input_stream(path) as stream:
                shutil.copyfileobj(stream, file, CHUNK_BYTES)
            file.seek(0)
            yield file

    def remove(self, name: str) -> None:
        """Delete an object, or a folder with all its content. A name that doesn't exist is fine."""
        fs, path = self._at(name)
        with suppress(FileNotFoundError):
            if fs.get_file_info(path).is_file:
                fs.delete_file(path)
            else:
                fs.delete_dir(path)

    def _at(self, name: str) -> tuple[Any, str]:
        fs, root = _connect(str(self))
        return fs, f"{root}/{_plain(name)}".rstrip("/")


Storage = LocalStorage | S3Storage


def open_storage(location: str) -> Storage:
    """Choose the storage for a folder or an s3:// URI. The folder or bucket is not accessed yet, and need not exist.

    Args:
        location: A path (`~` is expanded, relative paths are made absolute) or `s3://BUCKET/PREFIX`.

    Raises:
        ConfigError: Another scheme, no bucket, or access keys in the URI.
    """
    if "://" not in location:
        return LocalStorage(Path(location).expanduser().absolute())
    try:
        uri = urlsplit(location)
    except ValueError as error:
        raise ConfigError(f"{location} is no address ({error}): give a folder that all nodes reach, or s3://BUCKET/PREFIX") from error
    if uri.scheme != "s3" or not uri.netloc or ".." in uri.path.split("/"):
        raise ConfigError(f"{location} is neither a folder nor an S3 bucket: give a folder that all nodes reach, or s3://BUCKET/PREFIX")
    if "@" in uri.netloc:
        raise ConfigError(
            f"the URI s3://…@{uri.netloc.rpartition('@')[2]} holds keys, which would be kept in the study: leave them out and set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws/credentials, on every node"
        )
    return S3Storage(location)


def _plain(name: str) -> str:
    """Return a name if it goes down from a storage's root only.

    Raises:
        UsageError: It is absolute, or goes up.
    """
    if name.startswith("/") or ".." in name.split("/") or "\0" in name:
        raise UsageError(f"{name!r} names no file inside of a storage: its study or data were changed by hand, or come from elsewhere")
    return name


def check_room(target: Path, needed_bytes: int, *, remedy: str = "make room, or name another disk") -> None:
    """Refuse to write more than the disk of a file or folder, which need not exist yet, has room for.

    Raises:
        DataError: Says what is needed, what is free and the remedy.
    """
    there = next(path for path in (target.absolute(), *target.absolute().parents) if path.exists())
    if (free := shutil.disk_usage(there).free) < needed_bytes:
        raise DataError(f"{target} needs {_size(needed_bytes)}, but {_size(free)} are free: {remedy}")


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.0f} MB"


def digest(file: BinaryIO) -> str:
    """Hash an open file from its start, then rewind it; the first 16 hex digits of the SHA-256."""
    file.seek(0)
    hex_digits = hashlib.file_digest(file, "sha256").hexdigest()[:16]  # type: ignore[arg-type]
    file.seek(0)
    return hex_digits


@cache
def _connect(uri: str) -> tuple[Any, str]:
    """Open pyarrow's file system for a URI, once a process; returns it with the URI's path in it."""
    from pyarrow import fs  # only buckets need pyarrow; a worker without one may lack it

    try:
        file_system, path = fs.FileSystem.from_uri(uri)
    except ValueError as error:  # pyarrow raises it for an unknown option
        raise ConfigError(f"{uri} can't be used: {error}") from error
    return file_system, path


def _selector(path: str) -> Any:
    from pyarrow import fs  # as in `_connect`

    return fs.FileSelector(path, allow_not_found=True)
