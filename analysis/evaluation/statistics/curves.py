"""ROC and precision-recall curves of one class, their mean over seeds, and the band of that mean over resamples of patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecg_tune.metrics import Array

GRID_POINTS = 401
BAND_POINTS = 101


def roc_points(truth: NDArray[np.bool_], scores: Array) -> tuple[Array, Array]:
    """Compute false and true positive rates at every distinct score, from the highest score down, (0, 0) to (1, 1)."""
    return _roc(*_cumulative(truth, scores)[:, :, 0])


def pr_points(truth: NDArray[np.bool_], scores: Array) -> tuple[Array, Array]:
    """Compute recall and precision at every distinct score that adds a true positive.

    A step from one recall to the next has the precision of its right end, as average precision sums it; draw with
    steps between `recall[i]` and `recall[i + 1]` at `precision[i]`.
    """
    return _pr(*_cumulative(truth, scores)[:, :, 0])


def mean_curve(kind: str, truth: NDArray[np.bool_], seeds: Sequence[Array]) -> tuple[Array, Array]:
    """Average the seeds' curves: the mean height at equal abscissae (Fawcett, 2006); one seed's curve stays as it is.

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


def curve_band(kind: str, truth: NDArray[np.bool_], seeds: Sequence[Array], weights: Array) -> tuple[Array, Array, Array]:
    """Compute the band of the mean curve: abscissae and, at each, the 2.5 and 97.5 percentiles of its height over resamples.

    Each abscissa on its own: the whole curve leaves the band more often than 5 % of the time (Macskassy & Provost, 2004). A
    resample without both kinds of record has no curve and is left out.

    Args:
        kind: "roc" or "pr".
        truth: (n_records,), with both kinds of record.
        seeds: (n_records,) scores, one array a seed.
        weights: (n_records, n_resamples) of `analysis.evaluation.statistics.bootstrap.patient_weights`.
    """
    points, height = (_roc, _roc_height) if kind == "roc" else (_pr, _step_height)
    usable = weights[:, (weights[truth].sum(axis=0) > 0) & (weights[~truth].sum(axis=0) > 0)]
    grid = np.linspace(0, 1, BAND_POINTS)
    if not usable.size:
        return grid, np.full(len(grid), np.nan), np.full(len(grid), np.nan)
    counts = [_cumulative(truth, scores, usable) for scores in seeds]
    heights = [np.mean([height(*points(*each[:, :, r]), grid) for each in counts], axis=0) for r in range(usable.shape[1])]
    low, high = np.percentile(heights, [2.5, 97.5], axis=0)
    return grid, low, high


def _roc(hits: Array, alarms: Array) -> tuple[Array, Array]:
    return np.append(0.0, alarms / alarms[-1]), np.append(0.0, hits / hits[-1])


def _pr(hits: Array, alarms: Array) -> tuple[Array, Array]:
    rising = np.diff(hits, prepend=0.0) > 0
    recall, precision = hits[rising] / hits[-1], hits[rising] / (hits + alarms)[rising]
    return np.append(0.0, recall), np.append(precision, precision[-1])


def _cumulative(truth: NDArray[np.bool_], scores: Array, weights: Array | None = None) -> Array:
    """Count true and false positives down to every distinct score, (2, n_scores, n_resamples); one resample without weights.

    Own code, not scikit-learn's `roc_curve`: it counts in all resamples at once.
    """
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    each = np.ones((len(scores), 1)) if weights is None else weights[order]
    kinds = [np.where(kind[order, None], each, 0.0) for kind in (truth, ~truth)]
    return np.stack([np.cumsum(kind, axis=0)[last_of_tie] for kind in kinds])


def _roc_height(x: Array, y: Array, grid: Array) -> Array:
    """Read off the curve's greatest height at each abscissa, ties joined by straight lines."""
    right = np.searchsorted(x, grid, side="right") - 1
    following = np.minimum(right + 1, len(x) - 1)
    run = x[following] - x[right]
    share = np.divide(grid - x[right], run, out=np.zeros_like(grid), where=run > 0)
    return np.asarray(y[right] + share * (y[following] - y[right]), dtype=np.float64)


def _step_height(x: Array, y: Array, grid: Array) -> Array:
    return np.asarray(y[np.clip(np.searchsorted(x, grid, side="right") - 1, 0, len(y) - 1)], dtype=np.float64)
