"""The mark of simulated records, which everything that is made from them keeps."""

from __future__ import annotations

import os
from collections.abc import Container
from pathlib import Path

SYNTHETIC_MARK = "SYNTHETIC.txt"


def is_synthetic(folder: Path, listed: Container[str] = ()) -> bool:
    """Look for the mark in a folder and in those that it lies in; one that is gone, but listed with the checksums, counts too.

    Args:
        listed: The files in `SHA256SUMS.txt`.
    """
    inside = folder.resolve()
    return SYNTHETIC_MARK in listed or any(os.path.lexists(place / SYNTHETIC_MARK) for place in (inside, *inside.parents))
