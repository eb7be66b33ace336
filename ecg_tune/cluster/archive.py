"""A folder as text, so that it travels in what a job prints: a compressed tar in base64 between two marks, with its digest."""

from __future__ import annotations

import base64
import hashlib
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from ecg_tune.errors import WorkFailedError

BEGINS, ENDS = "@parcel begins", "@parcel ends"
LINE = 1_425
"""Bytes of a line; Ray passes on ten lines at a time."""


def write_parcel(entries: Mapping[str, Path], out: IO[str]) -> None:
    """Print files and folders.

    Args:
        entries: Name in the parcel → what to take.
    """
    digest, size = hashlib.sha256(), 0
    out.write(f"{BEGINS}\n")
    with tempfile.TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=3) as tar:
            for name, path in entries.items():
                tar.add(path, arcname=name)
        packed.seek(0)
        while part := packed.read(LINE):
            digest.update(part)
            size += len(part)
            out.write(base64.b64encode(part).decode() + "\n")
    out.write(f"{ENDS} {digest.hexdigest()} {size}\n")
    out.flush()


class ParcelReader:
    """Takes a job's text piece by piece, keeps the parcel in it, passes on the rest.

    Args:
        say: Gets the text around the parcel.
        progress: Gets the bytes so far.
    """

    def __init__(self, say: Callable[[str], object], progress: Callable[[int], object] = lambda size: None) -> None:
        self.say, self.progress = say, progress
        self.packed = tempfile.TemporaryFile()  # noqa: SIM115, it lives as long as the reader
        self.digest, self.size, self.rest = hashlib.sha256(), 0, ""
        self.inside, self.whole = False, False

    def feed(self, text: str) -> None:
        """Take the next piece, which may end within a line."""
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            self._line(line)
        self.progress(self.size)

    def unpack(self, target: Path) -> None:
        """Write the parcel's files into a folder.

        Raises:
            WorkFailedError: It did not arrive, or not whole.
        """
        if not self.whole:
            raise WorkFailedError(f"nothing whole arrived ({self.size / 1e6:.1f} MB of an unknown number): try again")
        target.mkdir(parents=True, exist_ok=True)
        self.packed.seek(0)
        with tarfile.open(fileobj=self.packed, mode="r:gz") as tar:
            tar.extractall(target, filter="data")  # nothing outside of the folder, no devices, no links that lead out

    def _line(self, line: str) -> None:
        if line == BEGINS:
            self.inside = True
        elif line.startswith(ENDS):
            self.inside, self.whole = False, line.split()[2:] == [self.digest.hexdigest(), str(self.size)]
        elif self.inside:
            part = base64.b64decode(line)
            self.packed.write(part)
            self.digest.update(part)
            self.size += len(part)
        else:
            self.say(line + "\n")
