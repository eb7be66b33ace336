"""Which answers are explained: the surest right ones, the surest false alarm, the clearest miss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg_tune.metrics import Array

FOUND, ALARM, MISSED = "found", "false alarm", "missed"


@dataclass(frozen=True)
class Case:
    """One answer to explain.

    Attributes:
        kind: "found" (right), "false alarm" or "missed" (wrong).
        row: The record's place in the test part.
        k: The class' place.
    """

    kind: str
    row: int
    k: int
    probability: float
    threshold: float


def pick_cases(labels: NDArray[np.generic], probabilities: Array, thresholds: Array) -> list[Case]:
    """Return up to four answers: the surest finding of two classes, the surest false alarm, the clearest miss.

    Sure is far from the threshold. Kinds that don't occur are left out.

    Args:
        labels, probabilities: (n_records, n_classes).
        thresholds: (n_classes,).
    """
    truth = np.asarray(labels).astype(bool)
    margin = probabilities - thresholds
    message = margin >= 0
    found = _surest(FOUND, truth & message, margin, probabilities, thresholds)
    rest = truth & message
    if found:
        rest[:, found[0].k] = False
        rest[found[0].row] = False
    found += _surest(FOUND, rest, margin, probabilities, thresholds)
    found += _surest(ALARM, ~truth & message, margin, probabilities, thresholds)
    return found + _surest(MISSED, truth & ~message, -margin, probabilities, thresholds)


def _surest(kind: str, where: NDArray[np.bool_], margin: Array, probabilities: Array, thresholds: Sequence[float] | Array) -> list[Case]:
    if not where.any():
        return []
    row, k = (int(i) for i in np.unravel_index(np.argmax(np.where(where, margin, -np.inf)), where.shape))
    return [Case(kind, row, k, float(probabilities[row, k]), float(thresholds[k]))]
