"""Refuse data of which a record is in two splits: numbers on validation and test would be too good."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from ecg_tune.data.prepared.dataset import SPLIT_NAMES, Split
from ecg_tune.errors import DataError


def record_digests(split: Split) -> list[bytes]:
    """Hash each record's samples; its image where the data are images alone."""
    if split.images is not None and not split.signals_uv.size:
        return [hashlib.sha256(image.data).digest() for chunk in split.images.chunks() for image in chunk]
    return [hashlib.sha256(np.ascontiguousarray(signal).tobytes()).digest() for signal in split.signals_uv]


def equal_records(splits: Mapping[str, Split]) -> tuple[int, int]:
    """Count the records whose samples another record has, too; those of constant signals, which say nothing, are left out.

    Returns:
        Records that repeat one of the same split, and records that repeat one of another split.
    """
    seen: dict[bytes, str] = {}
    within = across = 0
    for name in SPLIT_NAMES:
        moving = np.ptp(splits[name].signals_uv, axis=1).any(axis=1) if len(splits[name]) else np.empty(0, bool)
        for digest, moves in zip(record_digests(splits[name]), moving, strict=True):
            if moves and digest in seen:
                within, across = within + (seen[digest] == name), across + (seen[digest] != name)
            elif moves:
                seen[digest] = name
    return within, across


def check_overlap(splits: Mapping[str, Split]) -> None:
    """Compare all records of the splits by their samples, or by their images where these are all there is.

    Raises:
        DataError: Equal records are in two splits; says how many.
    """
    seen: dict[bytes, str] = {}
    for name in SPLIT_NAMES:
        own = set(record_digests(splits[name]))
        if twice := [seen[digest] for digest in own if digest in seen]:
            raise DataError(f"{len(twice)} {name} records are also in {twice[0]}: a record may be in one split only")
        seen |= dict.fromkeys(own, name)
