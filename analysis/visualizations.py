"""Which figures an evaluation has, and their file names: 06 and 07 from the metrics, 08 to 10 from the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import plots
from analysis.ecg_metrics import Metrics
from analysis.tables import MACRO_COLUMNS, Intervals, Results
from ecg_tune.config import CLASS_NAMES
from ecg_tune.metrics import Array

FOLDER = "visualizations"
HEATMAPS = ("f1_score", "sensitivity", "specificity", "auc_roc")


def generate_visualizations(
    results: Results,
    output_dir: Path | str,
    *,
    class_names: Sequence[str] = CLASS_NAMES,
    best: str = "",
    intervals: Intervals | None = None,
    note: str = "",
) -> list[Path]:
    """Write `visualizations/06_model_comparison_bars.png` and the four heat maps `07_heatmap_<metric>.png`.

    Args:
        results: {model: metrics of `ECGMetrics.calculate_metrics`}.
        best: The model to mark.
        intervals: {model: {"macro_avg": {metric: Interval}}}, drawn as whiskers.
        note: What the numbers rest on, written into each figure.

    Returns:
        The files.
    """
    folder = _folder(output_dir)
    limits = {
        name: {metric: (rows["macro_avg"][metric].low, rows["macro_avg"][metric].high) for metric in MACRO_COLUMNS.values()}
        for name, rows in (intervals or {}).items()
    }
    macro = {name: metrics["macro_avg"] for name, metrics in results.items()}
    whiskers = " Whiskers: 95 % intervals." if limits else ""
    written = [folder / "06_model_comparison_bars.png"]
    plots.saved(plots.bars_figure(macro, limits, selected=best, note=f"{note}{whiskers}"), written[0])
    for metric in HEATMAPS:
        values = np.array([[metrics[name][metric] for name in class_names] for metrics in results.values()])
        figure = plots.heatmap_figure(values, rows=list(results), columns=class_names, metric=metric, note=note)
        written.append(folder / f"07_heatmap_{metric}.png")
        plots.saved(figure, written[-1])
    return written


def draw_answers(
    labels: NDArray[Any],
    scores: Mapping[str, Sequence[Array]],
    best_metrics: Metrics,
    output_dir: Path | str,
    *,
    best: str,
    class_names: Sequence[str] = CLASS_NAMES,
    note: str = "",
) -> list[Path]:
    """Write `08_confusion_matrices.png` of the best model, `09_roc_curves.png` and `10_pr_curves.png` of all.

    Args:
        labels: (n_records, n_classes) of 0/1.
        scores: {model: one (n_records, n_classes) array a seed}.
        best_metrics: The best model's metrics, whose counts 08 shows.

    Returns:
        The files.
    """
    folder = _folder(output_dir)
    written = [folder / name for name in ("08_confusion_matrices.png", "09_roc_curves.png", "10_pr_curves.png")]
    cells = [[best_metrics[name][key] for key in ("tn", "fp", "fn", "tp")] for name in class_names]
    matrices = np.array(cells, dtype=np.float64).reshape(-1, 2, 2)  # (classes, truth, prediction)
    n_seeds = len(scores[best])
    seeds = f" Mean over {n_seeds} seeds." if n_seeds > 1 else ""
    plots.saved(plots.confusion_figure(matrices, class_names=class_names, note=f"Model: {best}.{seeds}\n{note}"), written[0])
    for kind, path in zip(("roc", "pr"), written[1:], strict=True):
        plots.saved(plots.curves_figure(kind, labels, scores, class_names=class_names, selected=best, note=note), path)
    return written


def _folder(output_dir: Path | str) -> Path:
    folder = Path(output_dir) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder
