"""Multi-label classification metrics. NumPy in, floats out; checked against scikit-learn.

Shapes: `labels` is (n_records, n_classes) of 0/1, `probabilities` the same shape in [0, 1], `thresholds` (n_classes,).
A metric that is undefined (AUC of a class without positives, precision without predicted positives) is NaN for ranks and
0.0 for counts-based ratios, as scikit-learn's `zero_division=0`; macro means skip NaN classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def auc_roc(labels: NDArray[np.generic], scores: NDArray[np.generic]) -> float:
    """Return the area under the ROC curve of one class, ties counted half (Hanley & McNeil, 1982).

    Args:
        labels: (n_records,) of 0/1.
        scores: (n_records,) of any finite real numbers; NaN gives NaN.
    """
    positive = np.asarray(labels).astype(bool)
    values = np.asarray(scores, dtype=np.float64)
    n_positive = int(positive.sum())
    n_negative = positive.size - n_positive
    if n_positive == 0 or n_negative == 0 or not np.isfinite(values).all():
        return float("nan")
    unique, inverse = np.unique(values, return_inverse=True)
    counts = np.bincount(inverse, minlength=unique.size)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(mean_rank[inverse[positive]].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def average_precision(labels: NDArray[np.generic], scores: NDArray[np.generic]) -> float:
    """Return the average precision of one class, the step-wise area under the precision-recall curve.

    Not the trapezoidal area, which is optimistic (Davis & Goadrich, 2006). Shapes as `auc_roc`.
    """
    positive = np.asarray(labels).astype(bool)
    values = np.asarray(scores, dtype=np.float64)
    if not positive.any() or not np.isfinite(values).all():
        return float("nan")
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(positive[order])
    last_of_tie = np.append(np.diff(values[order]) != 0, True)
    hits, seen = hits[last_of_tie], (np.arange(values.size) + 1)[last_of_tie]
    return float(np.sum(np.diff(np.append(0, hits)) * hits / seen) / positive.sum())


def per_class_auc(labels: NDArray[np.generic], probabilities: NDArray[np.generic]) -> Array:
    """Return `auc_roc` of every class, (n_classes,)."""
    return np.array([auc_roc(labels[:, k], probabilities[:, k]) for k in range(labels.shape[1])])


def macro(values: Array) -> float:
    """Return the mean over classes, NaN classes skipped; NaN if all are."""
    kept = values[np.isfinite(values)]
    return float(kept.mean()) if kept.size else float("nan")


def confusion(labels: NDArray[np.generic], predictions: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return (n_classes, 4) counts: true positives, false positives, false negatives, true negatives."""
    truth, guess = np.asarray(labels).astype(bool), np.asarray(predictions).astype(bool)
    counts = [truth & guess, ~truth & guess, truth & ~guess, ~truth & ~guess]
    return np.stack([c.sum(axis=0) for c in counts], axis=1).astype(np.int64)


def _ratio(numerator: Array, denominator: Array) -> Array:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator, dtype=np.float64), where=denominator > 0)


def rates(counts: NDArray[np.int64]) -> dict[str, Array]:
    """Return the ratios of `confusion` counts, each (n_classes,); an empty denominator gives 0.0.

    Args:
        counts: (…, 4) true positives, false positives, false negatives, true negatives.
    """
    tp, fp, fn, tn = (counts[..., i].astype(np.float64) for i in range(4))
    return {
        "sensitivity": _ratio(tp, tp + fn),
        "specificity": _ratio(tn, tn + fp),
        "precision": _ratio(tp, tp + fp),
        "npv": _ratio(tn, tn + fn),
        "f1_score": _ratio(2 * tp, 2 * tp + fp + fn),
        "accuracy": _ratio(tp + tn, tp + fp + fn + tn),
    }


def f1_thresholds(labels: NDArray[np.generic], probabilities: NDArray[np.generic]) -> Array:
    """Return the threshold of each class with the highest F1, (n_classes,); 0.5 for a class without positives.

    A prediction is positive at probability >= threshold. The threshold is the midpoint between two observed
    probabilities, so that rounding on another device does not move a record across it. Ties take the highest threshold.
    Call it on validation records only.
    """
    best = np.full(labels.shape[1], 0.5)
    for k in range(labels.shape[1]):
        positive = np.asarray(labels[:, k]).astype(bool)
        if not positive.any():
            continue
        scores = np.asarray(probabilities[:, k], dtype=np.float64)
        order = np.argsort(-scores, kind="stable")
        values = scores[order]
        hits, seen = np.cumsum(positive[order]), np.arange(1, values.size + 1)
        f1 = 2 * hits / (seen + positive.sum())
        f1[np.append(np.diff(values) == 0, False)] = -1.0
        cut = int(np.argmax(f1))
        below = values[cut + 1] if cut + 1 < values.size else 0.0
        best[k] = (values[cut] + below) / 2
    return best


def macro_auc(labels: NDArray[np.generic], probabilities: NDArray[np.generic]) -> float:
    """Return the macro mean of `auc_roc`."""
    return macro(per_class_auc(labels, probabilities))


def macro_auc_pr(labels: NDArray[np.generic], probabilities: NDArray[np.generic]) -> float:
    """Return the macro mean of `average_precision`."""
    return macro(np.array([average_precision(labels[:, k], probabilities[:, k]) for k in range(labels.shape[1])]))


def macro_f1(labels: NDArray[np.generic], probabilities: NDArray[np.generic]) -> float:
    """Return the macro mean of F1 at threshold 0.5."""
    return float(rates(confusion(labels, np.asarray(probabilities, dtype=np.float64) >= 0.5))["f1_score"].mean())


METRICS: dict[str, Callable[[NDArray[np.generic], NDArray[np.generic]], float]] = {
    "macro_auc": macro_auc,
    "macro_auc_pr": macro_auc_pr,
    "macro_f1": macro_f1,
}
