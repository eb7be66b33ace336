"""How large a file may be that is read as a whole. A sparse one takes no room on the disk, and all memory when it is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from ecg_tune.errors import DataError

LARGEST_TABLE, LARGEST_MANIFEST, LARGEST_HEADER = 2_000_000_000, 200_000_000, 10_000_000
"""Bytes. PTB-XL's table has 6 MB, its checksums have 5, a manifest a few kB."""

PART_BYTES = 1 << 20


def check_size(path: Path, *, most: int = LARGEST_TABLE) -> None:
    """Refuse a file that is larger than any of its kind, before it is read. One that is missing is left to who reads it.

    Raises:
        DataError: Names the file, its size and the bound.
    """
    size = os.stat(path).st_size if path.exists() else 0
    if size > most:
        raise _too_large(path, f"{size / 1e6:,.0f}", most)


def read_whole(file: BinaryIO, name: Path | str, *, most: int = LARGEST_MANIFEST) -> bytes:
    """Read an open file, which may lie in a bucket, but no more of it than a file of its kind has.

    Args:
        file: At its beginning.
        name: What the message calls it.
        most: Bytes.

    Raises:
        DataError: Names the file and the bound.
    """
    content = bytearray()
    while part := file.read(PART_BYTES):  # a larger read takes all its memory at once
        content += part
        if len(content) > most:
            raise _too_large(name, f"more than {most / 1e6:,.0f}", most)
    return bytes(content)


def _too_large(name: Path | str, size: str, most: int) -> DataError:
    return DataError(f"{name} has {size} MB, and a file of its kind at most {most / 1e6:,.0f}: it is damaged, or another file")
