"""Send files home through a job's printed output: a compressed tar in base64 between two marks, with its digest."""

from __future__ import annotations

import base64
import hashlib
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from ecg_tune.errors import WorkFailedError

BEGIN_MARK, END_MARK = "@archive begins", "@archive ends"
LINE_BYTES = 1_425
"""Bytes of the tar per printed line. Ray passes on ten lines at a time."""


def write_archive(entries: Mapping[str, Path], out: IO[str]) -> None:
    """Pack files and folders and print them as text between the two marks.

    Args:
        entries: Name in the archive → file or folder to pack.
        out: Where the text goes, e.g. `sys.stdout`.
    """
    digest, size = hashlib.sha256(), 0
    out.write(f"{BEGIN_MARK}\n")
    with tempfile.TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=3) as tar:
            for name, path in entries.items():
                tar.add(path, arcname=name)
        packed.seek(0)
        while chunk := packed.read(LINE_BYTES):
            digest.update(chunk)
            size += len(chunk)
            out.write(base64.b64encode(chunk).decode() + "\n")
    out.write(f"{END_MARK} {digest.hexdigest()} {size}\n")
    out.flush()


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

    def unpack(self, target: Path) -> None:
        """Write the received files into a folder, which is created when it is missing.

        Raises:
            WorkFailedError: The archive did not arrive, or is incomplete.
        """
        if not self.complete:
            raise WorkFailedError(f"the files did not arrive complete ({self.size / 1e6:.1f} MB received): run the command again")
        target.mkdir(parents=True, exist_ok=True)
        self.packed.seek(0)
        with tarfile.open(fileobj=self.packed, mode="r:gz") as tar:
            tar.extractall(target, filter="data")  # nothing outside of the folder, no devices, no links that lead out

    def _read_line(self, line: str) -> None:
        if line == BEGIN_MARK:
            self.inside = True
        elif line.startswith(END_MARK):
            self.inside, self.complete = False, line.split()[2:] == [self.digest.hexdigest(), str(self.size)]
        elif self.inside:
            chunk = base64.b64decode(line)
            self.packed.write(chunk)
            self.digest.update(chunk)
            self.size += len(chunk)
        else:
            self.on_text(line + "\n")
