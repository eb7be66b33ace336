"""One search at a time holds a study; the operating system frees it when the process dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecg_tune.errors import StudyError

LOCK = ".search.lock"


def search_runs(folder: Path) -> bool:
    """Return whether a search holds the study right now; a killed one holds nothing."""
    path = folder / LOCK
    if not path.exists():
        return False
    with path.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def hold_study(folder: Path) -> Iterator[None]:
    """Keep other searches off the study while the block runs. The operating system frees it when the process dies.

    Raises:
        StudyError: Another search holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StudyError(f"another search is running on {folder}: wait for it, or stop it first") from error
        yield
