"""Which figures an evaluation has, and their file names: 06 and 07 from the metrics, 08 to 10 from the predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from analysis import plots
from analysis.evaluation.metrics import Metrics
from analysis.evaluation.plots.curves import curves_figure
from analysis.evaluation.statistics.bootstrap import Interval
from analysis.evaluation.tables import MACRO_COLUMNS, Intervals, Results, classes_of
from ecg_tune.config import CLASS_NAMES
from ecg_tune.metrics import Array

T = TypeVar("T")
FOLDER = "visualizations"
HEATMAPS = ("f1_score", "sensitivity", "specificity", "auc_roc")
MOST_ROWS = 14  # more models would be a figure that nobody can read; the tables have them all


def generate_visualizations(
    results: Results,
    output_dir: Path | str,
    *,
    class_names: Sequence[str] | None = None,
    best: str = "",
    intervals: Intervals | None = None,
    note: str = "",
) -> list[Path]:
    """Write `visualizations/06_model_comparison_bars.png` and, of several models, the four heat maps `07_heatmap_<metric>.png`.

    Args:
        results: {model: metrics of `ECGMetrics.calculate_metrics`}.
        class_names: Columns of the heat maps; None for the classes of the results.
        best: The model to mark.
        intervals: {model: {"macro_avg" | class: {metric: Interval}}}, drawn as whiskers and written into the heat maps.
        note: What the numbers rest on, written into each figure.

    Returns:
        The files.
    """
    folder = _folder(output_dir)
    class_names = classes_of(results) if class_names is None else class_names
    results, note = few(results, MOST_ROWS, best, note)
    limits = {
        name: {metric: (rows["macro_avg"][metric].low, rows["macro_avg"][metric].high) for metric in MACRO_COLUMNS.values()}
        for name, rows in (intervals or {}).items()
        if name in results
    }
    macro = {name: metrics["macro_avg"] for name, metrics in results.items()}
    whiskers = " Whiskers: 95 % intervals." if limits else ""
    written = [folder / "06_model_comparison_bars.png"]
    plots.saved(plots.bars_figure(macro, limits, selected=best, note=f"{note}{whiskers}"), written[0])
    for metric in HEATMAPS if len(results) > 1 else ():
        values = np.array([[metrics[name][metric] for name in class_names] for metrics in results.values()])
        ends = None if intervals is None else np.array([_ends(intervals[name], class_names, metric) for name in results])
        below = "" if ends is None else " Small: 95 % intervals."
        figure = plots.heatmap_figure(values, rows=list(results), columns=class_names, metric=metric, limits=ends, note=note + below)
        written.append(folder / f"07_heatmap_{metric}.png")
        plots.saved(figure, written[-1])
    return written


def draw_predictions(
    labels: NDArray[Any],
    probabilities: Mapping[str, Sequence[Array]],
    best_metrics: Metrics,
    output_dir: Path | str,
    *,
    best: str,
    class_names: Sequence[str] = CLASS_NAMES,
    limits: Mapping[str, Mapping[str, Interval]] | None = None,
    weights: Array | None = None,
    note: str = "",
) -> list[Path]:
    """Write `08_confusion_matrices.png` of the best model, `09_roc_curves.png` and `10_pr_curves.png` of all.

    Args:
        labels: (n_records, n_classes) of 0/1.
        probabilities: {model: one (n_records, n_classes) array a seed}.
        best_metrics: The best model's metrics, whose counts 08 shows.
        limits: {class: {metric: Interval}} of the best model.
        weights: (n_records, n_resamples) of `statistics.bootstrap.patient_weights`, for the band around the best model's curves.

    Returns:
        The files.
    """
    folder = _folder(output_dir)
    written = [folder / name for name in ("08_confusion_matrices.png", "09_roc_curves.png", "10_pr_curves.png")]
    cells = [[best_metrics[name][key] for key in ("tn", "fp", "fn", "tp")] for name in class_names]
    matrices = np.array(cells, dtype=np.float64).reshape(-1, 2, 2)  # (classes, truth, prediction)
    n_seeds = len(probabilities[best])
    seeds = f" Mean over {n_seeds} seeds." if n_seeds > 1 else ""
    plots.saved(plots.confusion_figure(matrices, class_names=class_names, note=f"Model: {best}.{seeds}\n{note}"), written[0])
    for kind, path in zip(("roc", "pr"), written[1:], strict=True):
        areas = {name: metrics[f"auc_{kind}"] for name, metrics in (limits or {}).items() if name in class_names}
        ends = {name: (limit.low, limit.high) for name, limit in areas.items()}
        figure = curves_figure(kind, labels, probabilities, class_names=class_names, selected=best, limits=ends, weights=weights, note=note)
        plots.saved(figure, path)
    return written


def _ends(rows: Mapping[str, Mapping[str, Interval]], class_names: Sequence[str], metric: str) -> list[tuple[float, float]]:
    return [(rows[name][metric].low, rows[name][metric].high) for name in class_names]


def few(models: Mapping[str, T], most: int, best: str, note: str) -> tuple[dict[str, T], str]:
    """Keep the first models, the best, and the last, an ensemble: at most `most`. Add to the note how many were left out."""
    if len(models) <= most:
        return dict(models), note
    names = list(models)
    kept = {*names[: most - 2], names[-1], *([best] if best in models else [])}
    return {
        name: models[name] for name in names if name in kept
    }, f"{note} Drawn: {len(kept)} of {len(models)} models, the tables have all."


def _folder(output_dir: Path | str) -> Path:
    folder = Path(output_dir) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder
