"""Send files home through a job's printed output: a compressed tar in base64 between two marks, with its digest.

Who sends it is not trusted with this machine: what arrives are plain files in plain folders below the target, or nothing.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ecg_tune.errors import UsageError, WorkFailedError

BEGIN_MARK, END_MARK = "@archive begins", "@archive ends"
LINE_BYTES = 1_425
"""Bytes of the tar per printed line. Ray passes on ten lines at a time."""

MOST_FILES, MOST_BYTES = 200_000, 2**30
"""Files and folders of an archive, and bytes of them, that are taken in any case."""
LARGEST_RATIO = 100
"""How many times its own size a larger archive may grow; what trainings leave grows tenfold at most."""
LONGEST_NAME, DEEPEST = 1000, 20
LARGEST_READ = 2**20
"""Bytes that are read at once. Headers say how long a name is, and are read as a whole."""
DAMAGE = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, OverflowError, RecursionError)
EXTRACTION: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {"set_attrs": False}
"""How a member is written. Python 3.11.0 to 3.11.3 (Debian 12) has no filters: there owner, mode and time are not those of the archive."""


def write_archive(entries: Mapping[str, Path], out: IO[str]) -> None:
    """Pack files and folders and print them as text between the two marks.

    Args:
        entries: Name in the archive → file or folder to pack. What is neither, e.g. a pipe, is left out.
        out: Where the text goes, e.g. `sys.stdout`.

    Raises:
        UsageError: A folder holds a link back to itself, or goes too deep.
    """
    digest, size = hashlib.sha256(), 0
    out.write(f"{BEGIN_MARK}\n")
    with tempfile.TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=3, dereference=True) as tar:  # links arrive as what they lead to
            for name, path in entries.items():
                tar.add(path, arcname=name, filter=_file_or_folder)
        packed.seek(0)
        while chunk := packed.read(LINE_BYTES):
            digest.update(chunk)
            size += len(chunk)
            out.write(base64.b64encode(chunk).decode() + "\n")
    out.write(f"{END_MARK} {digest.hexdigest()} {size}\n")
    out.flush()


def _file_or_folder(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if member.name.count("/") >= DEEPEST:
        raise UsageError(f"{member.name} is more than {DEEPEST} folders deep: remove links that lead back")
    return member if member.isreg() or member.isdir() else None


class ArchiveReader:
    """Collects the archive in a job's output, which arrives in pieces, and passes on all other text.

    Args:
        on_text: Called with every line outside the archive, its newline included.
        on_progress: Called with the number of archive bytes received so far.
    """

    def __init__(self, on_text: Callable[[str], object], on_progress: Callable[[int], object] = lambda size: None) -> None:
        self.on_text, self.on_progress = on_text, on_progress
        self.packed = tempfile.TemporaryFile()  # noqa: SIM115, it lives as long as the reader
        self.digest, self.size, self.unfinished_line = hashlib.sha256(), 0, ""
        self.inside, self.complete = False, False

    def feed(self, text: str) -> None:
        """Read the next piece of output; it may end in the middle of a line."""
        *lines, self.unfinished_line = (self.unfinished_line + text).split("\n")
        for line in lines:
            self._read_line(line)
        self.on_progress(self.size)

    def unpack(self, target: Path, *, names: Collection[str] = ()) -> None:
        """Write the received files into a folder, which is created when it is missing. A refused archive writes nothing.

        Args:
            names: The files and folders that were asked for; none takes all.

        Raises:
            WorkFailedError: The archive did not arrive, or is incomplete.
            UsageError: It is damaged, too large, or holds something that does not belong below `target`.
        """
        if not self.complete:
            raise WorkFailedError(f"the files did not arrive complete ({self.size / 1e6:.1f} MB received): run the command again")
        most_bytes = max(MOST_BYTES, LARGEST_RATIO * self.size)
        with self._opened() as tar:
            check_members(tar, names=names, most_bytes=most_bytes)
        target.mkdir(parents=True, exist_ok=True)
        with self._opened() as tar:
            for member in tar:
                tar.extract(member, target, **EXTRACTION)

    @contextmanager
    def _opened(self) -> Iterator[tarfile.TarFile]:
        """Open what has arrived, from its beginning."""
        self.packed.seek(0)
        try:
            with _BoundedReads(fileobj=self.packed, mode="rb") as unpacked, tarfile.open(fileobj=unpacked, mode="r:") as tar:
                yield tar
        except UsageError:
            raise
        except DAMAGE as error:
            raise UsageError(f"the files that arrived are damaged ({type(error).__name__}: {error}): nothing is kept of them") from error

    def _read_line(self, line: str) -> None:
        if line == BEGIN_MARK:
            self.inside = True
        elif line.startswith(END_MARK):
            self.inside, self.complete = False, line.split()[2:] == [self.digest.hexdigest(), str(self.size)]
        elif self.inside:
            try:
                chunk = base64.b64decode(line)
            except binascii.Error:  # somebody else printed it in between
                self.on_text(line + "\n")
                return
            self.packed.write(chunk)
            self.digest.update(chunk)
            self.size += len(chunk)
        else:
            self.on_text(line + "\n")


def check_members(tar: tarfile.TarFile, *, names: Collection[str] = (), most_bytes: int = MOST_BYTES) -> None:
    """Refuse an archive that holds anything but plain files and folders of plain names, or too much.

    Args:
        names: The files and folders that were asked for; none takes all.
        most_bytes: Of all files together.

    Raises:
        UsageError: Names what does not belong there.
    """
    files: set[str] = set()
    folders: set[str] = set()
    total = 0
    for member in tar:
        above = {member.name[:end] for end, char in enumerate(member.name) if char == "/"}
        reason = _misfit(member, names)
        if member.name in files or above & files or (member.isreg() and member.name in folders):
            reason = "a name that is taken twice"
        if reason:
            raise UsageError(f"the files that arrived hold {member.name[:200]!r}, {reason}: nothing is kept of them")
        (files if member.isreg() else folders).add(member.name)
        folders |= above
        total += member.size
        if len(files) + len(folders) > MOST_FILES or total > most_bytes:
            raise UsageError(f"the files that arrived are more than {MOST_FILES} or {most_bytes / 1e9:.1f} GB: nothing is kept of them")
    _check_end(tar)


def _check_end(tar: tarfile.TarFile) -> None:
    """Refuse an archive that does not end with zeros: `tarfile` takes a damaged header for its end.

    Raises:
        ReadError: It ends otherwise. A wrong checksum of what was packed shows here, too.
    """
    assert tar.fileobj is not None, "it is open"
    tar.fileobj.seek(tar.offset)
    rest = tar.fileobj.read(LARGEST_READ)
    if not rest or rest.strip(b"\0") or tar.fileobj.read(1):
        raise tarfile.ReadError("it is cut, or changed in its middle")


def _misfit(member: tarfile.TarInfo, names: Collection[str]) -> str:
    """Return why a member is refused, or ""."""
    parts = member.name.split("/")
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE) or member.sparse is not None:
        return "which is neither a plain file nor a folder"
    if len(member.name) > LONGEST_NAME or len(parts) > DEEPEST or not member.name.isprintable():
        return "a name that is too long or can't be printed"
    if member.size < 0 or max(len(part.encode()) for part in parts) > 255:
        return "which no file system takes"
    if any(part in ("", ".", "..") for part in parts) or "\\" in member.name:
        return "which leads out of the folder"
    if names and parts[0] not in names:
        return "which was not asked for"
    return ""


class _BoundedReads(gzip.GzipFile):
    """Unpacks without ever reading much at once, whatever length a header claims."""

    def read(self, size: int | None = -1) -> bytes:
        """Read at most `LARGEST_READ` bytes.

        Raises:
            ReadError: More was asked for.
        """
        if size is None or not 0 <= size <= LARGEST_READ:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return super().read(size)
