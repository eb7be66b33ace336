"""Flag noise, missing samples and other oddities of a record, as bits of one number.

Flagged records are kept; the flags serve counts and subgroups.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

FLAGS = {
    "nan_sample": 1 << 0,
    "constant_lead": 1 << 1,
    "over_10_mv": 1 << 2,
    "age_over_89": 1 << 3,
    "baseline_drift": 1 << 4,
    "static_noise": 1 << 5,
    "burst_noise": 1 << 6,
    "electrodes_problems": 1 << 7,
    "extra_beats": 1 << 8,
    "pacemaker": 1 << 9,
}
MISSING_UV = -32768  # what WFDB's format 16 writes where there is no sample
LARGEST_UV = 10_000
CHUNK = 512


def signal_flags(signals_uv: NDArray[np.int16]) -> NDArray[np.int64]:
    """Flag records by their samples: a missing sample, a constant lead, an amplitude over 10 mV.

    Args:
        signals_uv: (n_records, n_samples, n_leads) int16 microvolts; leads that were not prepared are not examined.

    Returns:
        (n_records,) int64.
    """
    flags = np.zeros(len(signals_uv), dtype=np.int64)
    for start in range(0, len(signals_uv), CHUNK):
        chunk = signals_uv[start : start + CHUNK]
        low, high = chunk.min(axis=1), chunk.max(axis=1)  # (records, leads)
        missing = low == MISSING_UV
        large = (high > LARGEST_UV) | ((low < -LARGEST_UV) & ~missing)
        for name, leads in (("nan_sample", missing), ("constant_lead", low == high), ("over_10_mv", large)):
            flags[start : start + CHUNK] |= FLAGS[name] * leads.any(axis=1)
    return flags


def table_flags(age: NDArray[np.float64], notes: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.int64]:
    """Flag records by their table row: age over 89, and remarks on noise, electrodes, extra beats or a pacemaker.

    Args:
        age: (n_records,) years, 300 for over 89.
        notes: Name in `FLAGS` → (n_records,) whether the record has such a remark.

    Returns:
        (n_records,) int64.
    """
    flags = FLAGS["age_over_89"] * (age > 89).astype(np.int64)
    for name, noted in notes.items():
        flags |= FLAGS[name] * noted
    return flags


def has_flag(flags: NDArray[np.int64], name: str) -> NDArray[np.bool_]:
    """Select the records that carry one flag; (n_records,) bool."""
    return np.asarray(flags & FLAGS[name] != 0)


def count_flags(flags: NDArray[np.int64]) -> dict[str, int]:
    """Count the records with each flag."""
    return {name: int(has_flag(flags, name).sum()) for name in FLAGS}
