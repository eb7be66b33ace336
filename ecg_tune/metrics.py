"""Multi-label classification metrics on NumPy arrays, checked against scikit-learn.

Shapes: `labels` is (n_records, n_classes) of 0/1, `probabilities` the same shape in [0, 1], `thresholds` (n_classes,).
A metric that needs positives is NaN for a class without any (AUC, sensitivity, precision, F1). Where there are some, a ratio with
an empty denominator (precision without predicted positives) is 0.0, as scikit-learn's `zero_division=0`. Macro means skip NaN classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NEED_POSITIVES = ("sensitivity", "precision", "f1_score")
"""Rates that say nothing of a class without positives; its false alarms are in specificity and accuracy."""
LEAST_POSITIVES = 10
"""Positive records that a threshold is tuned on at least.

Thresholds tuned on a handful of positives overfit (Yang, 2001; Lipton et al., 2014): where one lands among the scores of three records is
chance, and decisions on other records range from next to none to most of them. See docs/how-it-works/statistics.md.
"""
UNTUNED = 0.5
"""The threshold of a class with fewer. A tuned one is a midpoint between two scores, so it is as good as never exactly this."""
UNTUNED_RULE = f"{UNTUNED:g} where fewer than {LEAST_POSITIVES} validation records have the class"


def auc_roc(labels: NDArray[np.generic], scores: NDArray[np.generic]) -> float:
    """Measure how often a positive record scores above a negative one, ties counted half (Hanley & McNeil, 1982).

    Args:
        labels: (n_records,) of 0/1.
        scores: (n_records,) of any finite real numbers; NaN gives NaN.

    Returns:
        The area under the ROC curve, 0..1; NaN when one of the two labels is missing.

    Example:
        >>> import numpy as np
        >>> auc_roc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
        0.75
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
    """Measure the step-wise area under one class's precision-recall curve, 0..1.

    Not the trapezoidal area, which is optimistic (Davis & Goadrich, 2006). Arguments as `auc_roc`; NaN without positives.
    """
    positive = np.asarray(labels).astype(bool)
    values = np.asarray(scores, dtype=np.float64)
    if not positive.any() or not np.isfinite(values).all():
        return float("nan")
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(positive[order])
    last_of_tie = np.append(np.diff(values[order]) != 0, True)
    hits, n_predicted = hits[last_of_tie], (np.arange(values.size) + 1)[last_of_tie]
    return float(np.sum(np.diff(np.append(0, hits)) * hits / n_predicted) / positive.sum())


def per_class_auc(labels: NDArray[np.generic], probabilities: NDArray[np.generic]) -> Array:
    """Apply `auc_roc` to each class; (n_classes,)."""
    return np.array([auc_roc(labels[:, k], probabilities[:, k]) for k in range(labels.shape[1])])


def macro(values: Array) -> float:
    """Average over classes, leaving out NaN; NaN when no class has a value."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if defined.size else float("nan")


def confusion(labels: NDArray[np.generic], predictions: NDArray[np.generic]) -> NDArray[np.int64]:
    """Count the four outcomes of each class.

    Args:
        labels: (n_records, n_classes) of 0/1.
        predictions: The same shape, 0/1 after thresholding.

    Returns:
        (n_classes, 4): true positives, false positives, false negatives, true negatives.
    """
    truth, guess = np.asarray(labels).astype(bool), np.asarray(predictions).astype(bool)
    counts = [truth & guess, ~truth & guess, truth & ~guess, ~truth & ~guess]
    return np.stack([c.sum(axis=0) for c in counts], axis=1).astype(np.int64)


def _ratio(numerator: Array, denominator: Array) -> Array:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator, dtype=np.float64), where=denominator > 0)


def rates(counts: NDArray[np.int64]) -> dict[str, Array]:
    """Compute sensitivity, specificity, precision, NPV, F1 and accuracy from counts; an empty denominator gives 0.0.

    Args:
        counts: (…, 4) true positives, false positives, false negatives, true negatives, as `confusion` gives them.

    Returns:
        Name of the rate → values of shape (…,), 0..1.
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


def class_rates(counts: NDArray[np.int64]) -> dict[str, Array]:
    """Compute `rates` of classes: those of `NEED_POSITIVES` are NaN where a class has no positive record."""
    lacks = counts[..., 0] + counts[..., 2] == 0
    return {name: np.where(lacks, np.nan, values) if name in NEED_POSITIVES else values for name, values in rates(counts).items()}


def tunable(labels: NDArray[np.generic]) -> list[int]:
    """List the classes with enough positives to tune a threshold on, by their numbers.

    Args:
        labels: (n_records, n_classes) of 0/1.
    """
    n_positive = np.asarray(labels).astype(bool).sum(axis=0)
    return [k for k, n in enumerate(n_positive) if n >= LEAST_POSITIVES]


def untuned_classes(class_names: Sequence[str], thresholds: NDArray[np.generic] | Sequence[float]) -> list[str]:
    """Name the classes whose threshold was not tuned.

    Args:
        thresholds: (n_classes,) of `f1_thresholds`, or as tuned.
    """
    return [name for name, threshold in zip(class_names, thresholds, strict=True) if threshold == UNTUNED]


def f1_thresholds(labels: NDArray[np.generic], probabilities: NDArray[np.generic]) -> Array:
    """Choose for each class the threshold with the highest F1. Call it on validation records only, never on test.

    A prediction is positive at probability >= threshold. The threshold is the midpoint between two observed
    probabilities, so that rounding on another device does not move a record across it. Ties take the highest threshold.

    Returns:
        (n_classes,) in 0..1; `UNTUNED` for a class with fewer than `LEAST_POSITIVES` positives.
    """
    best = np.full(labels.shape[1], UNTUNED)
    for k in tunable(labels):
        positive = np.asarray(labels[:, k]).astype(bool)
        scores = np.asarray(probabilities[:, k], dtype=np.float64)
        order = np.argsort(-scores, kind="stable")
        values = scores[order]
        hits, n_predicted = np.cumsum(positive[order]), np.arange(1, values.size + 1)
        f1 = 2 * hits / (n_predicted + positive.sum())
        f1[np.append(np.diff(values) == 0, False)] = -1.0
        last = int(np.argmax(f1))
        below = values[last + 1] if last + 1 < values.size else 0.0
        best[k] = (values[last] + below) / 2
    return best


def per_class_auc_pr(labels: NDArray[np.generic], probabilities: NDArray[np.generic]) -> Array:
    """Apply `average_precision` to each class; (n_classes,)."""
    return np.array([average_precision(labels[:, k], probabilities[:, k]) for k in range(labels.shape[1])])


def per_class_f1(labels: NDArray[np.generic], probabilities: NDArray[np.generic]) -> Array:
    """Compute F1 of each class at threshold 0.5, which is not tuned; (n_classes,)."""
    return class_rates(confusion(labels, np.asarray(probabilities, dtype=np.float64) >= 0.5))["f1_score"]


PER_CLASS_METRICS = {"auc": per_class_auc, "auc_pr": per_class_auc_pr, "f1": per_class_f1}
"""Metrics of each class, 0..1, NaN where undefined: areas under the ROC and the precision-recall curve, and F1 at threshold 0.5."""
METRICS = tuple(f"macro_{name}" for name in PER_CLASS_METRICS)
"""Their means over classes; a search maximises the first by default."""


def per_class_metrics(labels: NDArray[np.generic], probabilities: NDArray[np.generic]) -> dict[str, Array]:
    """Compute each of `PER_CLASS_METRICS`; name → (n_classes,)."""
    return {name: compute(labels, probabilities) for name, compute in PER_CLASS_METRICS.items()}


def macro_metrics(per_class: Mapping[str, Array]) -> dict[str, float]:
    """Average `per_class_metrics` over classes: "macro_auc", "macro_auc_pr", "macro_f1"."""
    return {f"macro_{name}": macro(values) for name, values in per_class.items()}


def macro_auc(labels: NDArray[np.generic], probabilities: NDArray[np.generic]) -> float:
    """Average the area under the ROC curve over classes, 0..1; this is what a search maximises by default."""
    return macro(per_class_auc(labels, probabilities))
