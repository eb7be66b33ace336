"""Hidden files and folders in which a thing is written whole before it gets its name, and what killed processes left of them.

Who writes one holds a lock on it. So the next one to write the same thing tells what was left from what is being written, also by
another machine that shares the folder. Where the file system has no locks, nothing is taken for left.
"""

from __future__ import annotations

import fcntl
import io
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def scratch_folder(parent: Path, stem: str = "") -> Iterator[Path]:
    """Make a hidden folder, and remove it after the block with the parents that were made for it and hold nothing else.

    Args:
        parent: Folder to make it in; it is made when it is missing.
        stem: Says what is written, so that only what was left of the same thing is removed.
    """
    made = [folder for folder in (parent, *parent.parents) if not folder.exists()]
    try:
        parent.mkdir(parents=True, exist_ok=True)
        remove_left(parent, rf"\.{re.escape(stem)}[0-9a-f]{{8}}\.partial")
        path, handle = _new_folder(parent, stem)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            os.close(handle)
    finally:
        for folder in made:
            with suppress(OSError):  # it holds what was written
                folder.rmdir()


def _new_folder(parent: Path, stem: str) -> tuple[Path, int]:
    """Make a folder and lock it; one that another process took for left in between is made again."""
    while True:
        path = parent / f".{stem}{secrets.token_hex(4)}.partial"
        path.mkdir()
        with suppress(FileNotFoundError):
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            if _hold(handle, path):
                return path, handle
            os.close(handle)


def _hold(handle: int, path: Path) -> bool:
    """Lock an open file or folder, as far as the file system can, and return whether it still has its name."""
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX)
    return path.exists() and os.path.samestat(os.fstat(handle), path.stat())


def remove_left(folder: Path, pattern: str) -> None:
    """Remove the files and folders of a name that no process holds; links are no scratch of ours.

    Args:
        pattern: Regular expression of the whole name.
    """
    for entry in [entry for entry in os.scandir(folder) if re.fullmatch(pattern, entry.name)]:
        kind = os.O_RDONLY | os.O_DIRECTORY if entry.is_dir(follow_symlinks=False) else os.O_RDWR  # NFS locks what is open for writing
        with suppress(OSError):  # a link, gone by now, of somebody else, held, or a file system without locks
            handle = os.open(entry.path, kind | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if stat.S_ISDIR(os.fstat(handle).st_mode):
                    shutil.rmtree(entry.path)
                elif stat.S_ISREG(os.fstat(handle).st_mode):
                    os.unlink(entry.path)
            finally:
                os.close(handle)


class _Raw(io.FileIO):
    """A file that keeps why it could not be written."""

    error: OSError | None = None

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self.error = error
            raise


class ScratchFile(io.BufferedRandom):
    """A new file to be written; what goes wrong is told as the system said it, which torch and numpy would hide."""

    def __init__(self, path: Path) -> None:
        self._unbuffered = _Raw(path, "x+")
        while not _hold(self._unbuffered.fileno(), path):
            self._unbuffered.close()
            self._unbuffered = _Raw(path, "x+")
        super().__init__(self._unbuffered)

    @contextmanager
    def own_error(self) -> Iterator[None]:
        """Raise the file's own error in place of what a library made of it."""
        try:
            yield
        except Exception as error:
            raise self._unbuffered.error or error from error
