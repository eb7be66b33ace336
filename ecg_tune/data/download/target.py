"""The folder that a download fills: whether it may, whether there is room, which of its files are right, and how one is written."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ecg_tune.data.download.listing import PublishedFile
from ecg_tune.data.ptbxl.checksums import CHECKSUMS, parse_checksums
from ecg_tune.errors import DataError
from ecg_tune.storage import LocalStorage

SCRATCH = re.compile(r"\..+\.\d+\.part")
"""Name of a file that `LocalStorage.write` has not finished; a killed download leaves some."""
BLOCK_BYTES = 4096


@contextmanager
def held_target(out: Path, listed: Mapping[str, str], *, base_url: str) -> Iterator[None]:
    """Create the folder, or check that it holds a download of the same files, and keep other downloads out of it meanwhile.

    Args:
        out: The folder.
        listed: File → SHA-256, as the server lists them.
        base_url: The server's folder, for messages.

    Raises:
        DataError: It is a file, holds something else, or another download writes to it.
    """
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file: name a new folder")
    out.mkdir(parents=True, exist_ok=True)
    folder = os.open(out, os.O_RDONLY)
    try:
        _lock(out, folder)
        _check_content(out, listed, base_url)
        for path in [path for path in out.rglob(".*.part") if SCRATCH.fullmatch(path.name)]:
            path.unlink()
        yield
    finally:
        os.close(folder)


def _lock(out: Path, folder: int) -> None:
    """Lock an open folder until it is closed; the system does so when the process dies."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DataError(f"another download writes to {out}: wait for it, or name another folder") from error
    except OSError:
        return  # some shared file systems have no locks; two downloads then fetch files twice, and still write only right ones


def _check_content(out: Path, listed: Mapping[str, str], base_url: str) -> None:
    """Refuse a folder that holds anything but an earlier download of these files."""
    if all(SCRATCH.fullmatch(path.name) for path in out.iterdir()):
        return
    sums = out / CHECKSUMS
    if not sums.is_file():
        raise DataError(f"{out} is not empty, and no download of PTB-XL (it has no {CHECKSUMS}): name a new folder")
    try:
        same = parse_checksums(sums.read_bytes(), where=str(sums)) == listed
    except DataError:
        same = False
    if not same:
        raise DataError(f"{sums} is not the one of {base_url}, so {out} holds another version or other files: name a new folder")


def is_right(out: Path, file: PublishedFile) -> bool:
    """Look whether a file is there with the listed SHA-256. One that is not listed can't be verified, and is not right."""
    path = out / file.name
    if file.sha256 is None or not path.is_file():
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256


def save(out: Path, name: str, content: bytes) -> None:
    """Write a file's verified content; it appears under its name when it is complete.

    Raises:
        DataError: The disk is full, or the folder can't be written.
    """
    try:
        LocalStorage(out).write(name, lambda target: target.write(content))
    except OSError as error:
        raise DataError(f"{out / name} can't be written ({error.strerror}): make room or name another folder") from error


def check_space(out: Path, sizes: Iterable[int]) -> None:
    """Refuse to start when files of these sizes in bytes don't fit on the folder's disk.

    Raises:
        DataError: There is too little room; says how much is needed.
    """
    needed = sum(-(-size // BLOCK_BYTES) * BLOCK_BYTES for size in sizes)
    free = shutil.disk_usage(out).free
    if needed > free:
        raise DataError(
            f"{out} has {free / 1e6:,.1f} MB free, but {needed / 1e6:,.1f} MB are to come: make room, or name a folder on another disk"
        )
