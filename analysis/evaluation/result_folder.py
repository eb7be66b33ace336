"""The folder of an evaluation changes as a whole: nobody finds the tables of one evaluation beside the predictions of another.

Everything is written into a scratch folder, then moved to its place, the predictions last. `SHA256SUMS.txt` lists the files, so
that the next evaluation into the same folder knows which to take away; what somebody else put or changed there stays.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from analysis.evaluation.tables import PREDICTIONS
from ecg_tune.data.ptbxl.checksums import CHECKSUMS, read_checksums
from ecg_tune.errors import DataError
from ecg_tune.scratch import scratch_folder


@contextmanager
def whole_results(out: Path) -> Iterator[Path]:
    """Give a scratch folder to write an evaluation into; when the block ends, put its files into `out` in the place of the last one's.

    Of two evaluations into one folder, the one that ends later stays.
    """
    with scratch_folder(out) as scratch:
        yield scratch
        handle = os.open(out, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            _put_in_place(scratch, out)
        finally:
            os.close(handle)


def changed_files(folder: Path) -> list[str]:
    """List the files that differ from the folder's `SHA256SUMS.txt` or are gone; none in a folder of an older version, without that file.

    Raises:
        DataError: The file can't be read.
    """
    return [name for name, digest in _listed(folder).items() if _digest(folder / name) != digest]


def _put_in_place(scratch: Path, out: Path) -> None:
    """Take the last evaluation away, its predictions first, and move the new files in, the predictions last."""
    names = sorted(path.relative_to(scratch).as_posix() for path in scratch.rglob("*") if path.is_file())
    names.sort(key=lambda name: name == PREDICTIONS)
    (scratch / CHECKSUMS).write_text("".join(f"{_digest(scratch / name)}  {name}\n" for name in names), encoding="utf-8")
    for name in (PREDICTIONS, *(_own_files(out) - set(names))):
        (out / name).unlink(missing_ok=True)
    for name in (CHECKSUMS, *names):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (scratch / name).replace(out / name)


def _own_files(out: Path) -> set[str]:
    """Name the last evaluation's files that nobody has changed since."""
    try:
        return {name for name, digest in _listed(out).items() if _digest(out / name) == digest}
    except DataError:
        return set()


def _listed(folder: Path) -> dict[str, str]:
    """Read {file: SHA-256}. The folder may come from elsewhere: names that lead out of it are left out."""
    inside = folder.resolve()
    return {name: digest for name, digest in read_checksums(folder / CHECKSUMS).items() if (inside / name).resolve().is_relative_to(inside)}


def _digest(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
