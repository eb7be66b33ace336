"""The evaluation's PNG figures: arrays in, `matplotlib` `Figure` out. No pyplot, so no global state.

Colours are Okabe & Ito's (2008), which colour-blind readers tell apart, and three more; lines also differ in dashes, and the selected
model is the thick one.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecg_tune.metrics import Array

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C00", "#882255", "#5D3A9B")
WIDTH_IN = 7.2
CELL_IN = 0.78
"""Least width of a heatmap's cell: a value with its interval."""
DPI = 200
PALETTE = colormaps["cividis"].with_extremes(bad="#DDDDDD")
LABELS = {
    "sensitivity": "Sensitivity", "specificity": "Specificity", "precision": "Precision", "npv": "NPV",
    "f1_score": "F1-Score", "accuracy": "Accuracy", "auc_roc": "AUC-ROC", "auc_pr": "AUC-PR",
}  # fmt: skip
BAR_METRICS = ("auc_roc", "auc_pr", "f1_score", "sensitivity", "specificity", "precision", "accuracy")


def saved(figure: Figure, path: Path | str | None) -> Figure:
    """Write `figure` as PNG when `path` is given, and return it."""
    if path is not None:
        figure.savefig(Path(path), dpi=DPI, format="png", facecolor="white")
    return figure


def bars_figure(
    values: Mapping[str, Mapping[str, float]],
    limits: Mapping[str, Mapping[str, tuple[float, float]]],
    *,
    selected: str = "",
    note: str = "",
    average: str = "Mean over classes",
) -> Figure:
    """Draw one panel a metric with one bar a model and its interval.

    Args:
        values: {model: {metric: averaged value}}.
        limits: {model: {metric: (low, high)}}; models or metrics without one get no whisker.
        selected: The model to mark.
        note: What the numbers rest on; n and the interval belong here.
        average: How the values were averaged, for the axis.
    """
    names = list(values)
    figure = Figure(figsize=(WIDTH_IN, 1.4 + 2 * (0.55 + 0.27 * max(len(names), 3))), layout="constrained")
    panels = list(figure.subplots(2, 4, sharey=True).flat)
    for axes, metric in zip(panels, BAR_METRICS, strict=False):
        for row, name in enumerate(names):
            _bar(axes, row, values[name][metric], limits.get(name, {}).get(metric), chosen=name == selected)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.set_title(LABELS[metric], fontsize=10)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.set_ylim(len(names) - 0.4, -0.6)
    _text_panel(panels[-1], note + (f"\nBlue: {selected}, chosen on validation." if selected else ""))
    figure.supxlabel(f"{average} (no unit, 0 to 1)", fontsize=9)
    return figure


def _bar(axes: Axes, row: int, value: float, limit: tuple[float, float] | None, *, chosen: bool) -> None:
    if np.isnan(value):
        axes.text(0.03, row, "n/a", va="center", fontsize=8)
        return
    axes.barh(row, value, height=0.72, color=COLOURS[0] if chosen else "#9FB4C0")
    if limit is not None and np.isfinite(limit).all():
        axes.plot(limit, (row, row), color="black", linewidth=1.1, marker="|", markersize=4)
    inside = value > 0.42  # else the number would not fit between the axis and the whisker
    beside = np.nanmax([value, *(limit or ())]) + 0.03
    axes.text(0.03 if inside else beside, row, f"{value:.3f}", va="center", fontsize=8, color="white" if chosen and inside else "black")


def heatmap_figure(
    values: Array, *, rows: Sequence[str], columns: Sequence[str], metric: str, limits: Array | None = None, note: str = ""
) -> Figure:
    """Draw models by classes, the value written in each cell.

    Args:
        values: (n_models, n_classes) in 0..1; NaN is drawn grey as "n/a".
        limits: (n_models, n_classes, 2) ends of the intervals, written below the values; NaN for none.
    """
    width_in = max(WIDTH_IN * 0.8, 1.5 + CELL_IN * len(columns))
    figure = Figure(figsize=(width_in, 1.5 + (0.42 if limits is None else 0.55) * len(rows)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(np.ma.masked_invalid(values), vmin=0, vmax=1, cmap=PALETTE, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        colour = "white" if value < 0.5 else "black"
        interval = "" if limits is None or np.isnan(limits[i, j]).any() else f"{limits[i, j, 0]:.3f} to {limits[i, j, 1]:.3f}"
        text = "n/a" if np.isnan(value) else f"{value:.3f}"
        axes.text(j, i - 0.18 if interval else i, text, ha="center", va="center", fontsize=10.5, weight="bold", color=colour)
        if interval:
            axes.text(j, i + 0.26, interval, ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(columns)), columns, fontsize=9)
    axes.set_yticks(range(len(rows)), rows, fontsize=9)
    axes.set_title(f"{LABELS[metric]} per class", fontsize=10)
    figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02).ax.tick_params(labelsize=8)
    footer(figure, note)
    return figure


def confusion_figure(matrices: Array, *, class_names: Sequence[str], note: str = "") -> Figure:
    """Draw one 2 x 2 matrix a class: counts, and the share of the row; a row without records is grey and "n/a".

    Args:
        matrices: (n_classes, 2, 2) as [[tn, fp], [fn, tp]]; means over seeds may be fractional.
    """
    n_rows = -(-(len(class_names) + 1) // 3)
    figure = Figure(figsize=(WIDTH_IN, 2.5 * n_rows), layout="constrained")
    panels = list(np.atleast_2d(figure.subplots(n_rows, 3)).flat)
    for axes, matrix, name in zip(panels, matrices, class_names, strict=False):
        total = matrix.sum(axis=1, keepdims=True)
        share = np.divide(matrix, total, out=np.full_like(matrix, np.nan), where=total > 0)
        axes.imshow(np.ma.masked_invalid(share), vmin=0, vmax=1, cmap=PALETTE, aspect="auto")
        for (i, j), number in np.ndenumerate(matrix):
            counted = f"{number:.0f}" if float(number).is_integer() else f"{number:.1f}"
            text = f"{counted}\n{share[i, j]:.0%}" if total[i, 0] else "n/a"
            axes.text(j, i, text, ha="center", va="center", fontsize=9, color="white" if share[i, j] < 0.5 else "black")
        axes.set_xticks([0, 1], ["no", "yes"], fontsize=8)
        axes.set_yticks([0, 1], ["no", "yes"], fontsize=8)
        axes.set_xlabel("predicted", fontsize=8)
        axes.set_ylabel("true", fontsize=8)
        axes.set_title(name, fontsize=10)
    _text_panel(panels[len(class_names)], f"Counts; below, the share of\nthe true class (row).\n{note}")
    _hide(panels[len(class_names) + 1 :])
    return figure


def _text_panel(axes: Axes, text: str) -> None:
    axes.axis("off")
    lines = "\n".join("\n".join(textwrap.wrap(line, 32)) for line in text.splitlines())
    axes.text(0, 0, lines, transform=axes.transAxes, va="bottom", ha="left", fontsize=8)


def _hide(panels: Sequence[Axes]) -> None:
    for axes in panels:
        axes.axis("off")


def class_panels(class_names: Sequence[str]) -> tuple[Figure, list[Axes], Axes]:
    """Make a figure with one titled panel a class; return it, the panels, and an empty corner for the legend."""
    n_rows = -(-(len(class_names) + 1) // 3)
    figure = Figure(figsize=(WIDTH_IN, 2.6 * n_rows), layout="constrained")
    panels = list(np.atleast_2d(figure.subplots(n_rows, 3)).flat)
    for axes, name in zip(panels, class_names, strict=False):
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    _hide(panels[len(class_names) :])
    return figure, panels[: len(class_names)], panels[len(class_names)]


def footer(figure: Figure, note: str) -> None:
    """Write `note` under the figure, wrapped to its width."""
    if note:
        figure.supxlabel("\n".join(textwrap.wrap(note.replace(" %", "\u00a0%"), round(figure.get_figwidth() * 14))), fontsize=8)
