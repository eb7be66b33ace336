"""Platt scaling: fit a straight line through the logits on validation, so that a probability of 0.3 comes true in 30 % of the records.

Platt (1999), with his smoothed targets, which keep the line finite when a model separates the classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from ecg_tune.metrics import Array

CLIP = 1e-7  # as the predictor's own logits
FARTHEST = 50.0  # a shift of the logits beyond which every probability is 0 or 1


def logits(probabilities: Array) -> Array:
    """Turn probabilities into logits, finite: 0 and 1 are first moved to `CLIP` and 1 - `CLIP`."""
    return np.asarray(logit(np.clip(probabilities, CLIP, 1 - CLIP)), dtype=np.float64)


def logistic_line(scores: Array, targets: Array) -> tuple[float, float]:
    """Fit `expit(slope * score + intercept)` by maximum likelihood, without a penalty, and return slope and intercept.

    The maximum must exist: scores that differ, and targets that no threshold separates.

    Args:
        scores: (n_records,).
        targets: (n_records,) in [0, 1]. scikit-learn takes 0 or 1 only, so a target of 0.9 is 0.9 of a record with label 1 and
            0.1 of one with label 0.
    """
    labels = np.repeat([1, 0], len(scores))
    shares = np.concatenate([targets, 1 - targets])
    regression = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    regression.fit(np.tile(scores, 2)[:, None], labels, sample_weight=shares)
    return float(regression.coef_[0, 0]), float(regression.intercept_[0])


def logistic_shift(scores: Array, targets: Array) -> float:
    """Find the intercept of highest likelihood at slope 1: the mean of `expit(score + intercept)` is then that of the targets.

    scikit-learn has no logistic regression with an offset, so the root of this one equation is found.

    Args:
        scores: (n_records,).
        targets: (n_records,) in [0, 1], neither all 0 nor all 1.
    """
    return float(brentq(lambda shift: float(np.sum(targets - expit(scores + shift))), -FARTHEST, FARTHEST, xtol=1e-13))


def platt_parameters(labels: NDArray[np.generic], probabilities: Array) -> Array:
    """Fit slope and intercept for each class, (n_classes, 2). Call it on validation records only.

    A class with one kind of record keeps its probabilities (1, 0); one with a single probability is only shifted.

    Args:
        labels: (n_records, n_classes) of 0/1.
        probabilities: (n_records, n_classes) in [0, 1].
    """
    parameters = np.tile([1.0, 0.0], (labels.shape[1], 1))
    for k, scores in enumerate(logits(probabilities).T):
        positive = np.asarray(labels[:, k]).astype(bool)
        n_positive, n_negative = int(positive.sum()), int((~positive).sum())
        if n_positive == 0 or n_negative == 0:
            continue
        targets = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
        if np.ptp(scores) < 1e-9:
            parameters[k, 1] = logistic_shift(scores, targets)
        else:
            parameters[k] = logistic_line(scores, targets)
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
    return np.asarray(expit(parameters[:, 0] * logits(probabilities) + parameters[:, 1]), dtype=np.float64)
