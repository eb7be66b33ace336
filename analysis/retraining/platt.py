"""Platt scaling: a straight line through the logits, fitted on validation records, that makes probabilities mean what they say.

Platt (1999), with his smoothed targets, which keep the line finite when a model separates the classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from ecg_tune.metrics import Array

CLIP = 1e-7  # as the predictor's own logits


def logits(probabilities: Array) -> Array:
    """Return the logits of probabilities, finite: those of 0 and 1 are taken at `CLIP`."""
    return np.asarray(logit(np.clip(probabilities, CLIP, 1 - CLIP)), dtype=np.float64)


def logistic_fit(design: Array, targets: Array, *, offset: Array | float = 0.0) -> Array:
    """Return the coefficients of highest likelihood of `expit(offset + design @ coefficients)`, (n_coefficients,).

    Newton's method with halved steps. The maximum must exist: no separation, no column that the others explain.

    Args:
        design: (n_records, n_coefficients).
        targets: (n_records,) in [0, 1].
        offset: (n_records,), a part of the logit that is not fitted.
    """
    coefficients = np.zeros(design.shape[1])

    def loss(at: Array) -> float:
        score = offset + design @ at
        return float(np.sum(np.logaddexp(0.0, score) - targets * score))

    for _ in range(100):
        chance = expit(offset + design @ coefficients)
        slope = design.T @ (targets - chance)
        step = np.linalg.solve((design * (chance * (1 - chance))[:, None]).T @ design, slope)
        before, size = loss(coefficients), 1.0
        while loss(coefficients + size * step) > before and size > 1e-6:
            size /= 2
        coefficients = coefficients + size * step
        if np.abs(size * step).max() < 1e-9:
            break
    return coefficients


def platt_parameters(labels: NDArray[np.generic], probabilities: Array) -> Array:
    """Return slope and intercept of each class, (n_classes, 2). Call it on validation records only.

    A class with one kind of record keeps its probabilities (1, 0); one with a single probability is only shifted.

    Args:
        labels: (n_records, n_classes) of 0/1.
        probabilities: (n_records, n_classes) in [0, 1].
    """
    found = np.tile([1.0, 0.0], (labels.shape[1], 1))
    for k, score in enumerate(logits(probabilities).T):
        positive = np.asarray(labels[:, k]).astype(bool)
        n_positive, n_negative = int(positive.sum()), int((~positive).sum())
        if n_positive == 0 or n_negative == 0:
            continue
        targets = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
        ones = np.ones((len(score), 1))
        if np.ptp(score) < 1e-9:
            found[k, 1] = logistic_fit(ones, targets, offset=score)[0]
        else:
            found[k] = logistic_fit(np.column_stack([score, ones]), targets)
    return found


def platt_scaled(probabilities: Array, parameters: Array) -> Array:
    """Return the scaled probabilities, (n_records, n_classes).

    Args:
        probabilities: (n_records, n_classes) in [0, 1].
        parameters: (n_classes, 2) of `platt_parameters`.
    """
    return np.asarray(expit(parameters[:, 0] * logits(probabilities) + parameters[:, 1]), dtype=np.float64)
