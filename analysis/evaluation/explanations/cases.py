"""Choose the predictions to explain: the surest correct ones, the surest false alarm, the clearest miss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg_tune.metrics import Array

FOUND, ALARM, MISSED = "found", "false alarm", "missed"


@dataclass(frozen=True)
class Case:
    """One prediction to explain: one record and one class.

    Attributes:
        kind: "found" (correct), "false alarm" or "missed" (wrong).
        row: The record's row in the test split.
        k: The index of the class.
        probability, threshold: In 0..1; the prediction is positive at probability >= threshold.
    """

    kind: str
    row: int
    k: int
    probability: float
    threshold: float


def pick_cases(labels: NDArray[np.generic], probabilities: Array, thresholds: Array) -> list[Case]:
    """Choose up to four predictions: the surest finding of each of two classes, the surest false alarm, the clearest miss.

    The surest prediction is the one farthest from its threshold. Kinds that do not occur are left out.

    Args:
        labels, probabilities: (n_records, n_classes).
        thresholds: (n_classes,).
    """
    truth = np.asarray(labels).astype(bool)
    margin = probabilities - thresholds
    positive = margin >= 0
    cases = _surest(FOUND, truth & positive, margin, probabilities, thresholds)
    rest = truth & positive
    if cases:  # the second finding is of another class and record
        rest[:, cases[0].k] = False
        rest[cases[0].row] = False
    cases += _surest(FOUND, rest, margin, probabilities, thresholds)
    cases += _surest(ALARM, ~truth & positive, margin, probabilities, thresholds)
    return cases + _surest(MISSED, truth & ~positive, -margin, probabilities, thresholds)


def _surest(kind: str, where: NDArray[np.bool_], margin: Array, probabilities: Array, thresholds: Sequence[float] | Array) -> list[Case]:
    if not where.any():
        return []
    row, k = (int(i) for i in np.unravel_index(np.argmax(np.where(where, margin, -np.inf)), where.shape))
    return [Case(kind, row, k, float(probabilities[row, k]), float(thresholds[k]))]
