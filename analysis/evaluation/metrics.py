"""`ECGMetrics`: compute the metrics of multi-label predictions, as nested plain data, text and figures.

AUC-ROC and AUC-PR are scikit-learn's. Rates with an empty denominator are 0, as its `zero_division=0`. The two areas,
sensitivity, precision and F1 of a class without positives (AUC-ROC also of one without negatives) are NaN; means over classes skip NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis import plots
from analysis.evaluation.plots.curves import curves_figure
from analysis.evaluation.statistics.ranks import auc_roc, average_precision
from ecg_tune.config import CLASS_NAMES
from ecg_tune.errors import ConfigError, DataError
from ecg_tune.metrics import Array, class_rates, confusion, macro, rates

AVERAGES = ("macro_avg", "micro_avg", "weighted_avg", "samples_avg")
RATES = ("sensitivity", "specificity", "precision", "npv", "f1_score", "accuracy", "auc_roc", "auc_pr")
COUNTS = ("tp", "fp", "fn", "tn", "support")
Metrics = dict[str, dict[str, float]]


class ECGMetrics:
    """Metrics at fixed thresholds.

    Args:
        class_names: Names of the last axis' classes, in order.
        threshold: One for all classes or one a class; positive at probability >= threshold.

    Example:
        >>> import numpy as np
        >>> labels, probabilities = np.array([[1, 0], [0, 1], [1, 1]]), np.array([[0.9, 0.2], [0.4, 0.7], [0.3, 0.6]])
        >>> metrics = ECGMetrics(("MI", "CD"), threshold=0.5).calculate_metrics(labels, probabilities)
        >>> round(metrics["MI"]["sensitivity"], 2), metrics["MI"]["auc_roc"], round(metrics["macro_avg"]["f1_score"], 3)
        (0.5, 0.5, 0.833)
    """

    def __init__(self, class_names: Sequence[str] = CLASS_NAMES, threshold: float | Sequence[float] | Array = 0.5) -> None:
        self.class_names = tuple(class_names)
        values = np.atleast_1d(np.asarray(threshold, dtype=np.float64))
        if values.shape not in ((1,), (len(self.class_names),)):
            raise ConfigError(f"threshold must be one number or {len(self.class_names)} (one a class), but got shape {values.shape}")
        if not ((values >= 0) & (values <= 1)).all():
            raise ConfigError(f"threshold must be 0..1, but got {threshold!r}")
        self.thresholds: Array = np.broadcast_to(values, (len(self.class_names),)).copy()

    def calculate_metrics(self, y_true: NDArray[Any], y_pred: NDArray[Any], y_prob: NDArray[Any] | None = None) -> Metrics:
        """Compute all metrics: {"macro_avg", "micro_avg", "weighted_avg", "samples_avg", one a class: {metric: value}}.

        `calculate_metrics(y_true, y_prob)` decides by the thresholds. `calculate_metrics(y_true, y_pred, y_prob)` takes decisions that
        were made elsewhere: the thresholds then have no say, and the areas are those of the probabilities.

        Args:
            y_true: (n_records, n_classes) of 0/1.
            y_pred: The probabilities, (n_records, n_classes) in [0, 1]; where these follow, decisions of 0/1.
            y_prob: The probabilities behind these decisions, (n_records, n_classes) in [0, 1].

        Raises:
            DataError: Another shape, or other values.
        """
        truth, values, positive = self._decided(y_true, y_pred, y_prob)
        counts = confusion(truth, positive)
        table = class_rates(counts) | {
            "auc_roc": np.array([auc_roc(truth[:, k], values[:, k]) for k in range(truth.shape[1])]),
            "auc_pr": np.array([average_precision(truth[:, k], values[:, k]) for k in range(truth.shape[1])]),
        }
        result: Metrics = {
            "macro_avg": {name: macro(table[name]) for name in RATES},
            "micro_avg": _micro(truth, values, counts),
            "weighted_avg": {name: _weighted(table[name], truth.sum(axis=0)) for name in RATES},
            "samples_avg": _samples(truth, values, positive),
        }
        for average in AVERAGES:
            result[average]["support"] = int(truth.sum())
        for k, name in enumerate(self.class_names):
            numbers = dict(zip(COUNTS, (*map(int, counts[k]), int(truth[:, k].sum())), strict=True))
            result[name] = {rate: float(table[rate][k]) for rate in RATES} | numbers
        return result

    def calculate_confusion_matrix(self, labels: NDArray[Any], probabilities: NDArray[Any]) -> NDArray[np.int64]:
        """Count right and wrong predictions of each class, (n_classes, 2, 2) as [[tn, fp], [fn, tp]]."""
        truth, values = self._checked(labels, probabilities)
        tp, fp, fn, tn = confusion(truth, values >= self.thresholds).T
        return np.stack([tn, fp, fn, tp], axis=1).reshape(-1, 2, 2)  # (classes, truth, prediction)

    def generate_metrics_report(self, y_true: NDArray[Any], y_pred: NDArray[Any], y_prob: NDArray[Any] | None = None) -> str:
        """Write the metrics as a text table, thresholds and number of records in its head. Arguments as `calculate_metrics`."""
        metrics = self.calculate_metrics(y_true, y_pred, y_prob)
        marks = ", ".join(f"{name} {value:.10g}" for name, value in zip(self.class_names, self.thresholds, strict=True))
        rule = f"thresholds: {marks}" if y_prob is None else "decisions as given"
        return f"records: {len(y_true)}; {rule}\n{metrics_text(metrics, class_names=self.class_names)}"

    def plot_confusion_matrices(self, labels: NDArray[Any], probabilities: NDArray[Any], save_path: Path | str | None = None) -> Figure:
        """Draw one 2 x 2 matrix a class; written as PNG when `save_path` is given."""
        matrices = self.calculate_confusion_matrix(labels, probabilities).astype(np.float64)
        figure = plots.confusion_figure(matrices, class_names=self.class_names, note=f"n = {len(labels)} records")
        return plots.saved(figure, save_path)

    def plot_roc_curves(self, labels: NDArray[Any], probabilities: NDArray[Any], save_path: Path | str | None = None) -> Figure:
        """Draw the ROC curve of every class; written as PNG when `save_path` is given."""
        truth, values = self._checked(labels, probabilities)
        return plots.saved(curves_figure("roc", truth, {"model": [values]}, class_names=self.class_names), save_path)

    def plot_precision_recall_curves(
        self, labels: NDArray[Any], probabilities: NDArray[Any], save_path: Path | str | None = None
    ) -> Figure:
        """Draw the precision-recall curve of every class; written as PNG when `save_path` is given."""
        truth, values = self._checked(labels, probabilities)
        return plots.saved(curves_figure("pr", truth, {"model": [values]}, class_names=self.class_names), save_path)

    def _decided(
        self, y_true: NDArray[Any], y_pred: NDArray[Any], y_prob: NDArray[Any] | None
    ) -> tuple[NDArray[np.bool_], Array, NDArray[np.bool_]]:
        """Check the arguments of `calculate_metrics`; return labels, probabilities and decisions."""
        truth, values = self._checked(y_true, y_pred if y_prob is None else y_prob)
        if y_prob is None:
            return truth, values, values >= self.thresholds
        decisions = np.asarray(y_pred)
        if decisions.shape != truth.shape:
            raise DataError(f"y_pred must be {truth.shape} as y_true, but got {decisions.shape}")
        if not np.isin(decisions, (0, 1)).all():
            raise DataError("y_pred must be decisions of 0 or 1 where y_prob is given: the order is y_true, y_pred, y_prob")
        return truth, values, decisions.astype(bool)

    def _checked(self, labels: NDArray[Any], probabilities: NDArray[Any]) -> tuple[NDArray[np.bool_], Array]:
        truth, values = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
        expected = f"(n_records, {len(self.class_names)})"
        if truth.ndim != 2 or truth.shape != values.shape or truth.shape[1] != len(self.class_names) or not len(truth):
            raise DataError(f"labels and probabilities must both be {expected}, but got {truth.shape} and {values.shape}")
        if not np.isin(truth, (0, 1)).all():
            raise DataError("labels must be 0 or 1: pass multi-hot labels, one column a class")
        if not ((values >= 0) & (values <= 1)).all():
            raise DataError("probabilities must be finite and 0..1: apply a sigmoid to logits first")
        return truth.astype(bool), values


def mean_metrics(results: Sequence[Metrics]) -> Metrics:
    """Average each number over several results, say seeds; one result comes back equal."""
    first = results[0]
    return {row: {name: float(np.mean([one[row][name] for one in results])) for name in first[row]} for row in first}


def metrics_text(metrics: Mapping[str, Mapping[str, float]], *, class_names: Sequence[str]) -> str:
    """Write a table: rates of the classes and averages, then counts of the classes; 4 decimals, "n/a" for NaN."""
    head = f"{'':<13}" + "".join(f"{name:>12}" for name in RATES)
    lines = [head]
    for row in (*class_names, *AVERAGES):
        lines.append(f"{row:<13}" + "".join(f"{number(metrics[row][name]):>12}" for name in RATES))
    lines += ["", f"{'':<13}" + "".join(f"{name:>12}" for name in COUNTS)]
    for row in class_names:
        lines.append(f"{row:<13}" + "".join(f"{count(metrics[row][name]):>12}" for name in COUNTS))
    return "\n".join(lines)


def number(value: float) -> str:
    """Write a number with four decimals, NaN as "n/a"."""
    return "n/a" if np.isnan(value) else f"{value:.4f}"


def supported_numbers(value: float, low: float, high: float) -> tuple[str, str, str]:
    """Write a value and the ends of its interval with the decimals that the interval supports: two to four; "n/a" for NaN.

    The last decimal is a tenth of the half width's first digit, e.g. 0.843 for an interval of 0.812 to 0.874. Without an interval, or
    with one of no width, there are four.
    """
    half = (high - low) / 2
    decimals = min(max(1 - math.floor(math.log10(half)), 2), 4) if math.isfinite(half) and half > 0 else 4
    first, second, third = ("n/a" if np.isnan(one) else f"{one:.{decimals}f}" for one in (value, low, high))
    return first, second, third


def count(value: float) -> str:
    """Write a count: a whole number without decimals, a mean over seeds with one."""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"


def _micro(truth: NDArray[np.bool_], probabilities: Array, counts: NDArray[np.int64]) -> dict[str, float]:
    pooled = {name: float(values[0]) for name, values in rates(counts.sum(axis=0, keepdims=True)).items()}
    return pooled | {
        "auc_roc": auc_roc(truth.ravel(), probabilities.ravel()),
        "auc_pr": average_precision(truth.ravel(), probabilities.ravel()),
    }


def _weighted(values: Array, support: NDArray[np.int64]) -> float:
    kept = np.isfinite(values) & (support > 0)
    return float(np.average(values[kept], weights=support[kept])) if kept.any() else float("nan")


def _samples(truth: NDArray[np.bool_], probabilities: Array, positive: NDArray[np.bool_]) -> dict[str, float]:
    """Average each record's own metrics over the records; ranks over the records that have both kinds of label.

    scikit-learn's `average="samples"` goes record by record, 2 s for the test split of PTB-XL; here all records are done at once.
    """
    result = {name: float(values.mean()) for name, values in rates(confusion(truth.T, positive.T)).items()}
    mixed = truth.any(axis=1) & ~truth.all(axis=1)
    if not mixed.any():
        return result | {"auc_roc": float("nan"), "auc_pr": float("nan")}
    y, s = truth[mixed], probabilities[mixed]
    above, equal = s[:, :, None] > s[:, None, :], s[:, :, None] == s[:, None, :]  # (records, class i, class j)
    pairs = y[:, :, None] & ~y[:, None, :]
    auc = (pairs * (above + equal / 2)).sum(axis=(1, 2)) / pairs.sum(axis=(1, 2))
    reached = (above | equal).transpose(0, 2, 1)  # (records, i, j): j scores at least as high as i
    precision = (reached & y[:, None, :]).sum(axis=2) / reached.sum(axis=2)
    ap = (precision * y).sum(axis=1) / y.sum(axis=1)
    return result | {"auc_roc": float(auc.mean()), "auc_pr": float(ap.mean())}
