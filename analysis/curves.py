"""ROC and precision-recall curves of one class, and their mean over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecg_tune.metrics import Array

GRID_POINTS = 401


def roc_points(truth: NDArray[np.bool_], scores: Array) -> tuple[Array, Array]:
    """Return the false and true positive rates at every distinct score, falling, from (0, 0) to (1, 1)."""
    hits, alarms = _cumulative(truth, scores)
    return np.append(0.0, alarms / (~truth).sum()), np.append(0.0, hits / truth.sum())


def pr_points(truth: NDArray[np.bool_], scores: Array) -> tuple[Array, Array]:
    """Return recall and precision at every distinct score that adds a hit.

    A step from one recall to the next has the precision of its right end, as average precision sums it; draw with
    steps between `recall[i]` and `recall[i + 1]` at `precision[i]`.
    """
    hits, alarms = _cumulative(truth, scores)
    rising = np.diff(hits, prepend=0.0) > 0
    recall, precision = (hits / truth.sum())[rising], (hits / (hits + alarms))[rising]
    return np.append(0.0, recall), np.append(precision, precision[-1])


def mean_curve(kind: str, truth: NDArray[np.bool_], seeds: Sequence[Array]) -> tuple[Array, Array]:
    """Return the curve of one seed as it is, that of several as the mean height at equal abscissae (Fawcett, 2006).

    Args:
        kind: "roc" or "pr".
        truth: (n_records,), with both kinds of record.
        seeds: (n_records,) scores, one array a seed.
    """
    curves = [(roc_points if kind == "roc" else pr_points)(truth, scores) for scores in seeds]
    if len(curves) == 1:
        return curves[0]
    grid = np.linspace(0, 1, GRID_POINTS)
    heights = [_roc_height(x, y, grid) if kind == "roc" else _step_height(x, y, grid) for x, y in curves]
    mean = np.mean(heights, axis=0)
    return (np.append(0.0, grid), np.append(0.0, mean)) if kind == "roc" else (grid, mean)


def _cumulative(truth: NDArray[np.bool_], scores: Array) -> tuple[Array, Array]:
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits = np.cumsum(truth[order])[last_of_tie].astype(np.float64)
    alarms = np.cumsum(~truth[order])[last_of_tie].astype(np.float64)
    return hits, alarms


def _roc_height(x: Array, y: Array, grid: Array) -> Array:
    """Return the curve's greatest height at each abscissa, ties joined by straight lines."""
    right = np.searchsorted(x, grid, side="right") - 1
    following = np.minimum(right + 1, len(x) - 1)
    run = x[following] - x[right]
    share = np.divide(grid - x[right], run, out=np.zeros_like(grid), where=run > 0)
    return np.asarray(y[right] + share * (y[following] - y[right]), dtype=np.float64)


def _step_height(x: Array, y: Array, grid: Array) -> Array:
    return np.asarray(y[np.clip(np.searchsorted(x, grid, side="right") - 1, 0, len(y) - 1)], dtype=np.float64)
