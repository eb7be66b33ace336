"""AUC-ROC and average precision of one class by scikit-learn, NaN where they are undefined.

For single values only. Over thousands of resamples `analysis.evaluation.statistics.bootstrap.weighted_ranks` computes them all at
once; in training `ecg_tune.metrics` does without scikit-learn, which a worker need not have.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score


def auc_roc(labels: NDArray[np.generic], probabilities: NDArray[np.generic]) -> float:
    """Measure how often a positive record is ranked above a negative one, ties counted half; NaN with one kind of record.

    Args:
        labels: (n_records,) of 0/1.
        probabilities: (n_records,), finite.
    """
    positive = np.asarray(labels).astype(bool)
    if not positive.any() or positive.all():
        return float("nan")
    return float(roc_auc_score(positive, probabilities))


def average_precision(labels: NDArray[np.generic], probabilities: NDArray[np.generic]) -> float:
    """Sum up the precision at every step of the recall; NaN without a positive record. Shapes as `auc_roc`.

    Not the trapezoidal area, which is optimistic (Davis & Goadrich, 2006).
    """
    positive = np.asarray(labels).astype(bool)
    if not positive.any():
        return float("nan")
    return float(average_precision_score(positive, probabilities))
