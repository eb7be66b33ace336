"""Name records so that they are known again when they are prepared with other leads, rate, labels or splits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tune.data.array_files import NUMBERS, TEXTS

RECORDS_FILE = "records.npz"
RECORD_KINDS = dict.fromkeys(("ecg_id", "patient_id", "sex", "age"), NUMBERS) | {
    "device": NUMBERS + TEXTS, "site": NUMBERS + TEXTS, "fold": NUMBERS + TEXTS, "flags": NUMBERS,
}  # fmt: skip
"""Field of a split's records → kinds of its dtypes."""
KEY_DIGITS = 12
"""Hex digits of a key: among a million records two share one by chance in 1 of 500 cases."""


def record_keys(records: Mapping[str, NDArray[Any]], digests: Sequence[bytes] | None = None) -> list[str]:
    """Compute one key a record: of its number, patient, sex and age in its source, or of its samples where sex and age are not known.

    Args:
        records: `Split.records`.
        digests: Of the records' samples, see `ecg_tune.data.overlap.record_digests`; None where they are sealed.

    Returns:
        `KEY_DIGITS` hex digits each.
    """
    keys = []
    for row, (number, patient, sex, age) in enumerate(
        zip(*(records[name] for name in ("ecg_id", "patient_id", "sex", "age")), strict=True)
    ):
        known = sex >= 0 or not np.isnan(age)
        name = f"{number} {patient} {sex} {age:g}".encode()
        content = name if known or digests is None else digests[row]
        keys.append(hashlib.sha256(content).hexdigest()[:KEY_DIGITS])
    return keys


def joined(keys: list[str]) -> str:
    """Write keys as one text, sorted: so they lie in a manifest and in a ledger."""
    return "".join(sorted(keys))


def parted(text: str) -> frozenset[str]:
    """Take the keys out of such a text."""
    return frozenset(text[start : start + KEY_DIGITS] for start in range(0, len(text), KEY_DIGITS))
