"""Where checkpoints and prepared data lie: below a folder, or below a prefix of an S3 bucket.

Both do the same: list, write whole, read, remove. A file appears under its name when all of it is there, by a rename in a
folder and by the end of the upload in a bucket; who is killed before leaves the old one or none. Names are relative, with
slashes, and a name may hold its file's digest. Whatever does not work is an `OSError`; a missing file a `FileNotFoundError`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from ecg_tune.errors import ConfigError

DIGEST = "{digest}"
"""Stands, in the name of a file that is written, for the first 16 hex digits of its SHA-256."""
CHUNK = 8 * 1024**2

Write = Callable[[BinaryIO], object]


class LocalStorage:
    """Files below a folder; for a cluster's checkpoints one that all its nodes reach under the same path."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __str__(self) -> str:
        return str(self.root)

    def child(self, name: str) -> LocalStorage:
        """Return the place of what lies below `name`."""
        return LocalStorage(self.root / name)

    def names(self, folder: str) -> list[str]:
        """Return the names of the files and folders in a folder, sorted; none where there is no such folder."""
        path = self.root / folder
        return sorted(entry.name for entry in path.iterdir() if not entry.name.startswith(".")) if path.is_dir() else []

    def write(self, name: str, write: Write) -> str:
        """Write a file whole, to the disk itself, and return its name."""
        first = self.root / name
        first.parent.mkdir(parents=True, exist_ok=True)
        scratch = first.with_name(f".{first.name}.{os.getpid()}.part")
        try:
            with scratch.open("w+b") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())  # a rename may outlive a power cut that its content did not
                name = name.replace(DIGEST, digest(file))
            scratch.replace(self.root / name)
        finally:
            scratch.unlink(missing_ok=True)
        return name

    @contextmanager
    def open(self, name: str = "") -> Iterator[BinaryIO]:
        """Give a file to read; without a name the place itself is one."""
        with (self.root / name).open("rb") as file:
            yield file

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that is in it, if it is there."""
        path = self.root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


class S3Storage:
    """Objects below `s3://BUCKET/PREFIX?endpoint_override=…&scheme=…&region=…`.

    Keys come from the AWS_* environment, ~/.aws or the machine's role, never from the URI.
    """

    def __init__(self, uri: str) -> None:
        self.base, _, self.query = uri.partition("?")

    def __str__(self) -> str:
        return self.base + ("?" + self.query if self.query else "")

    def child(self, name: str) -> S3Storage:
        """Return the place of what lies below `name`."""
        return S3Storage(f"{self.base.rstrip('/')}/{name}" + ("?" + self.query if self.query else ""))

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects and folders in a folder, sorted; none where there is no such folder."""
        fs, path = self._at(folder)
        return sorted(info.base_name for info in fs.get_file_info(_selector(path)))

    def write(self, name: str, write: Write) -> str:
        """Write an object whole and return its name."""
        with TemporaryFile() as file:
            write(file)
            name = name.replace(DIGEST, digest(file))
            fs, path = self._at(name)
            stream = fs.open_output_stream(path)
            try:
                shutil.copyfileobj(file, stream, CHUNK)
                stream.close()
            except BaseException:
                with suppress(OSError):  # an upload can't be given up, only ended: what was sent is taken away again
                    stream.close()
                    fs.delete_file(path)
                raise
        return name

    @contextmanager
    def open(self, name: str = "") -> Iterator[BinaryIO]:
        """Give an object to read, fetched whole; without a name the place itself is one."""
        fs, path = self._at(name)
        with TemporaryFile() as file:
            with fs.open_input_stream(path) as stream:
                shutil.copyfileobj(stream, file, CHUNK)
            file.seek(0)
            yield file

    def remove(self, name: str) -> None:
        """Remove an object, or a folder with all that is in it, if it is there."""
        fs, path = self._at(name)
        with suppress(FileNotFoundError):
            if fs.get_file_info(path).is_file:
                fs.delete_file(path)
            else:
                fs.delete_dir(path)

    def _at(self, name: str) -> tuple[Any, str]:
        fs, root = _connected(str(self))
        return fs, f"{root}/{name}".rstrip("/")


Storage = LocalStorage | S3Storage


def open_storage(where: str) -> Storage:
    """Return the place that a user names: a folder or an s3:// URI. Nothing is looked at yet.

    Raises:
        ConfigError: Another scheme, no bucket, or keys in the URI.
    """
    parts = urlsplit(where)
    if "://" not in where:
        return LocalStorage(Path(where).expanduser().absolute())
    if parts.scheme != "s3" or not parts.netloc:
        raise ConfigError(f"{where} is no place that can be used: give a folder that all nodes reach, or s3://BUCKET/PREFIX")
    if "@" in parts.netloc:
        raise ConfigError(
            f"the URI s3://…@{parts.netloc.rpartition('@')[2]} holds keys, which would be kept in the study: leave them out and set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws/credentials, on every node"
        )
    return S3Storage(where)


def digest(file: BinaryIO) -> str:
    """Return the first 16 hex digits of a whole file's SHA-256, and go back to its beginning."""
    file.seek(0)
    found = hashlib.file_digest(file, "sha256").hexdigest()[:16]  # type: ignore[arg-type]
    file.seek(0)
    return found


@cache
def _connected(uri: str) -> tuple[Any, str]:
    """Return pyarrow's file system and the path that a URI names in it; once a process."""
    from pyarrow import fs  # only buckets need pyarrow; a worker without one may lack it

    try:
        found, path = fs.FileSystem.from_uri(uri)
    except ValueError as error:  # pyarrow's own for an unknown option
        raise ConfigError(f"{uri} can't be used: {error}") from error
    return found, path


def _selector(path: str) -> Any:
    from pyarrow import fs  # as above

    return fs.FileSelector(path, allow_not_found=True)
