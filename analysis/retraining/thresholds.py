"""Thresholds that reach a wanted sensitivity."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ecg_tune.config import check_range
from ecg_tune.metrics import UNTUNED, Array, tunable

SENSITIVITY_TARGET = 0.9


def sensitivity_thresholds(labels: NDArray[np.generic], probabilities: Array, *, target: float = SENSITIVITY_TARGET) -> Array:
    """Find the highest threshold of each class that still reaches the wanted sensitivity on these records, (n_classes,).

    A prediction is positive at probability >= threshold. As `ecg_tune.metrics.f1_thresholds`: midpoints between observed
    probabilities, `UNTUNED` for a class with too few positives, and only for validation records. On other records the sensitivity may
    fall short of the target.

    Args:
        labels: (n_records, n_classes) of 0/1.
        probabilities: (n_records, n_classes) in [0, 1].
        target: Above 0, at most 1.
    """
    check_range("sensitivity target", target, 0.01, 1.0)
    thresholds = np.full(labels.shape[1], UNTUNED)
    for k in tunable(labels):
        hits = np.sort(probabilities[np.asarray(labels[:, k]).astype(bool), k])[::-1]
        last = hits[math.ceil(target * hits.size - 1e-9) - 1]  # 0.9 x 10 is 9 positives, not the 10 of rounding up
        lower = probabilities[probabilities[:, k] < last, k]
        thresholds[k] = (last + (lower.max() if lower.size else 0.0)) / 2
    return thresholds
