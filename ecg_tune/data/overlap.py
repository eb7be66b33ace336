"""Refuse data of which a record is in two splits: numbers on validation and test would be too good."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from ecg_tune.data.prepared.dataset import SPLIT_NAMES, Split
from ecg_tune.errors import DataError


def record_digests(split: Split) -> list[bytes]:
    """Hash each record's samples."""
    return [hashlib.sha256(np.ascontiguousarray(signal).tobytes()).digest() for signal in split.signals_uv]


def check_overlap(splits: Mapping[str, Split]) -> None:
    """Compare all records of the splits by their samples.

    Raises:
        DataError: Equal records are in two splits; says how many.
    """
    seen: dict[bytes, str] = {}
    for name in SPLIT_NAMES:
        own = set(record_digests(splits[name]))
        if twice := [seen[digest] for digest in own if digest in seen]:
            raise DataError(f"{len(twice)} {name} records are also in {twice[0]}: a record may be in one split only")
        seen |= dict.fromkeys(own, name)
