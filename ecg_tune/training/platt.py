"""Platt scaling: fit a straight line through the logits on validation, so that a probability of 0.3 comes true in 30 % of the records.

Platt (1999), with his smoothed targets, which keep the line finite when a model separates the classes. By hand, since a worker that
trains has torch and numpy only; a test compares it with scikit-learn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecg_tune.metrics import Array, tunable

CLIP = 1e-7  # as the predictor's own logits


def logits(probabilities: Array) -> Array:
    """Turn probabilities into logits, finite: 0 and 1 are first moved to `CLIP` and 1 - `CLIP`."""
    clipped = np.clip(np.asarray(probabilities, dtype=np.float64), CLIP, 1 - CLIP)
    return np.asarray(np.log(clipped) - np.log1p(-clipped), dtype=np.float64)


def platt_parameters(labels: NDArray[np.generic], probabilities: Array) -> Array:
    """Fit slope and intercept for each class, (n_classes, 2). Call it on validation records only.

    A class with fewer than `LEAST_POSITIVES` records that have it, or that lack it, keeps its probabilities (1, 0): so few tell no line,
    not even whether it rises. One with a single probability is only shifted.

    Args:
        labels: (n_records, n_classes) of 0/1.
        probabilities: (n_records, n_classes) in [0, 1].
    """
    parameters = np.tile([1.0, 0.0], (labels.shape[1], 1))
    has_class = np.asarray(labels).astype(bool)
    for k in sorted({*tunable(has_class)} & {*tunable(~has_class)}):
        scores, positive = logits(probabilities[:, k]), has_class[:, k]
        n_positive, n_negative = int(positive.sum()), int((~positive).sum())
        targets = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
        if np.ptp(scores) < 1e-9:
            parameters[k, 1] = float(logits(targets.mean()) - scores.mean())
        else:
            parameters[k] = _line(scores, targets)
    return parameters


def platt_scaled(probabilities: Array, parameters: Array) -> Array:
    """Scale probabilities with the lines that were fitted on validation, (n_records, n_classes).

    Args:
        probabilities: (n_records, n_classes) in [0, 1].
        parameters: (n_classes, 2) of `platt_parameters`.

    Example:
        >>> import numpy as np
        >>> platt_scaled(np.array([[0.5], [0.9]]), np.array([[1.0, -1.0]])).round(3).tolist()
        [[0.269], [0.768]]
    """
    return _sigmoid(parameters[:, 0] * logits(probabilities) + parameters[:, 1])


def _sigmoid(scores: Array) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0.0, -scores)), dtype=np.float64)


def _line(scores: Array, targets: Array) -> Array:
    """Fit `sigmoid(slope * score + intercept)` by maximum likelihood: Newton's method with halved steps (Lin, Lin & Weng, 2007).

    Args:
        scores: (n_records,), not all equal.
        targets: (n_records,) in (0, 1).

    Returns:
        Slope and intercept.
    """
    centre, spread = scores.mean(), scores.std()
    design = np.column_stack([(scores - centre) / spread, np.ones_like(scores)])
    line = np.array([0.0, float(logits(targets.mean()))])
    for _ in range(100):
        chance = _sigmoid(design @ line)
        information = (design * (chance * (1 - chance))[:, None]).T @ design + 1e-12 * np.eye(2)
        step = np.linalg.solve(information, design.T @ (targets - chance))
        while _loss(design @ (line + step), targets) > _loss(design @ line, targets) and np.abs(step).max() > 1e-12:
            step = step / 2
        line = line + step
        if np.abs(step).max() < 1e-11:
            break
    slope = line[0] / spread
    return np.array([slope, line[1] - slope * centre])


def _loss(scores: Array, targets: Array) -> float:
    return float(np.sum(np.logaddexp(0.0, scores) - targets * scores))
