"""How large a text file may be that comes from elsewhere. A sparse file takes no room on the disk, and all memory when it is read."""

from __future__ import annotations

import os
from pathlib import Path

from ecg_tune.errors import DataError

LARGEST_TABLE, LARGEST_HEADER = 2_000_000_000, 10_000_000
"""Bytes. PTB-XL's table has 6 MB, its checksums have 5."""


def check_size(path: Path, *, most: int = LARGEST_TABLE) -> None:
    """Refuse a file that is larger than any of its kind, before it is read. One that is missing is left to who reads it.

    Raises:
        DataError: Names the file, its size and the bound.
    """
    size = os.stat(path).st_size if path.exists() else 0
    if size > most:
        raise DataError(
            f"{path} has {size / 1e6:,.0f} MB, and a file of its kind at most {most / 1e6:,.0f}: it is damaged, or another file"
        )
