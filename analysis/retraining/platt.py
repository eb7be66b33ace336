"""Logistic fits of labels on a model's logits, for the calibration's slope and intercept; `ecg_tune.training.platt` scales by one."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from ecg_tune.metrics import Array
from ecg_tune.training.platt import logits, platt_parameters, platt_scaled

__all__ = ["logistic_line", "logistic_shift", "logits", "platt_parameters", "platt_scaled"]
FARTHEST = 50.0  # a shift of the logits beyond which every probability is 0 or 1


def logistic_line(scores: Array, targets: Array) -> tuple[float, float]:
    """Fit `expit(slope * score + intercept)` by maximum likelihood, without a penalty, and return slope and intercept.

    The maximum must exist: scores that differ, and targets that no threshold separates.

    Args:
        scores: (n_records,).
        targets: (n_records,) in [0, 1]. scikit-learn takes 0 or 1 only, so a target of 0.9 is 0.9 of a record with label 1 and
            0.1 of one with label 0.

    Example:
        >>> import numpy as np
        >>> slope, intercept = logistic_line(np.array([-2.0, 0.0, 0.0, 2.0]), np.array([0.1, 0.5, 0.5, 0.9]))
        >>> round(slope, 3), abs(round(intercept, 3))
        (1.099, 0.0)
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
