"""The evaluation's PNG figures: arrays in, `matplotlib` `Figure` out. No pyplot, so no global state.

Colours are Okabe & Ito's (2008), which colour-blind readers tell apart; the selected model is also the thick line.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.curves import mean_curve
from ecg_tune.metrics import Array, auc_roc, average_precision

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C00")
WIDTH_IN = 7.2
MOST_LINES = 12  # as many as can be told apart
LABELS = {
    "sensitivity": "Sensitivity", "specificity": "Specificity", "precision": "Precision", "npv": "NPV",
    "f1_score": "F1-Score", "accuracy": "Accuracy", "auc_roc": "AUC-ROC", "auc_pr": "AUC-PR",
}  # fmt: skip
BAR_METRICS = ("auc_roc", "auc_pr", "f1_score", "sensitivity", "specificity", "precision", "accuracy")


def saved(figure: Figure, path: Path | str | None) -> Figure:
    """Write `figure` as PNG when `path` is given, and return it."""
    if path is not None:
        figure.savefig(Path(path), dpi=200, format="png", facecolor="white")
    return figure


def bars_figure(
    values: Mapping[str, Mapping[str, float]],
    limits: Mapping[str, Mapping[str, tuple[float, float]]],
    *,
    selected: str = "",
    note: str = "",
) -> Figure:
    """Draw one panel a metric with one bar a model and its interval.

    Args:
        values: {model: {metric: macro value}}.
        limits: {model: {metric: (low, high)}}; models or metrics without one get no whisker.
        selected: The model to mark.
        note: What the numbers rest on; n and the interval belong here.
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
    figure.supxlabel("Mean over classes (no unit, 0 to 1)", fontsize=9)
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


def heatmap_figure(values: Array, *, rows: Sequence[str], columns: Sequence[str], metric: str, note: str = "") -> Figure:
    """Draw models by classes, the value written in each cell.

    Args:
        values: (n_models, n_classes) in 0..1; NaN is drawn grey as "n/a".
    """
    figure = Figure(figsize=(WIDTH_IN * 0.8, 1.5 + 0.34 * len(rows)), layout="constrained")
    axes = figure.subplots()
    palette = colormaps["cividis"].with_extremes(bad="#DDDDDD")
    image = axes.imshow(np.ma.masked_invalid(values), vmin=0, vmax=1, cmap=palette, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        text = "n/a" if np.isnan(value) else f"{value:.3f}"
        axes.text(j, i, text, ha="center", va="center", fontsize=9, color="white" if value < 0.5 else "black")
    axes.set_xticks(range(len(columns)), columns, fontsize=9)
    axes.set_yticks(range(len(rows)), rows, fontsize=9)
    axes.set_title(f"{LABELS[metric]} per class", fontsize=10)
    figure.colorbar(image, ax=axes).ax.tick_params(labelsize=8)
    footer(figure, note)
    return figure


def confusion_figure(matrices: Array, *, class_names: Sequence[str], note: str = "") -> Figure:
    """Draw one 2 x 2 matrix a class: counts, and the share of the row.

    Args:
        matrices: (n_classes, 2, 2) as [[tn, fp], [fn, tp]]; means over seeds may be fractional.
    """
    n_rows = -(-(len(class_names) + 1) // 3)
    figure = Figure(figsize=(WIDTH_IN, 2.5 * n_rows), layout="constrained")
    panels = list(np.atleast_2d(figure.subplots(n_rows, 3)).flat)
    for axes, matrix, name in zip(panels, matrices, class_names, strict=False):
        total = matrix.sum(axis=1, keepdims=True)
        share = np.divide(matrix, total, out=np.zeros_like(matrix), where=total > 0)
        axes.imshow(share, vmin=0, vmax=1, cmap="cividis", aspect="auto")
        for (i, j), number in np.ndenumerate(matrix):
            text = (f"{number:.0f}" if float(number).is_integer() else f"{number:.1f}") + f"\n{share[i, j]:.0%}"
            axes.text(j, i, text, ha="center", va="center", fontsize=9, color="white" if share[i, j] < 0.5 else "black")
        axes.set_xticks([0, 1], ["no", "yes"], fontsize=8)
        axes.set_yticks([0, 1], ["no", "yes"], fontsize=8)
        axes.set_xlabel("predicted", fontsize=8)
        axes.set_ylabel("true", fontsize=8)
        axes.set_title(name, fontsize=10)
    _text_panel(panels[len(class_names)], f"Counts; below, the share of\nthe true class (row).\n{note}")
    _hide(panels[len(class_names) + 1 :])
    return figure


def curves_figure(
    kind: str,
    labels: NDArray[Any],
    scores: Mapping[str, Sequence[Array]],
    *,
    class_names: Sequence[str],
    selected: str = "",
    limits: Mapping[str, tuple[float, float]] | None = None,
    note: str = "",
) -> Figure:
    """Draw ROC ("roc") or precision-recall ("pr") curves: one panel a class, one line a model.

    Args:
        labels: (n_records, n_classes) of 0/1.
        scores: {model: one (n_records, n_classes) array a seed}; the line is the mean over seeds (`analysis.curves`).
        selected: The model drawn thick, with its area in the panels' titles.
        limits: {class: 95 % interval of that area}.
    """
    thick = selected or next(iter(scores))
    figure, panels, corner = class_panels(class_names)
    handles: dict[str, Any] = {}
    for k, (axes, name) in enumerate(zip(panels, class_names, strict=True)):
        truth = np.asarray(labels[:, k]).astype(bool)
        lines = _class_curves(axes, kind, truth, {model: [s[:, k] for s in seeds] for model, seeds in scores.items()}, thick)
        handles = handles or lines
        area = _area(kind, truth, [s[:, k] for s in scores[thick]], (limits or {}).get(name))
        axes.set_title(f"{name} (n+ = {truth.sum()}){area}", fontsize=9)
    if handles and len(scores) > 1:
        corner.legend(list(handles.values()), list(handles), loc="center left", fontsize=8, frameon=False)
    mean = " Lines are means over seeds." if max(map(len, scores.values())) > 1 else ""
    whose = f" Areas in the titles: {thick} (thick)." if len(scores) > 1 else ""
    footer(figure, f"{note or f'n = {len(labels)} records.'} n+ = positives.{whose}{mean}")
    return figure


def _class_curves(axes: Axes, kind: str, truth: NDArray[np.bool_], scores: Mapping[str, Sequence[Array]], thick: str) -> dict[str, Any]:
    """Draw a class' lines and return one of each name in the legend."""
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("1 - specificity" if kind == "roc" else "sensitivity (recall)", fontsize=8)
    axes.set_ylabel("sensitivity" if kind == "roc" else "precision", fontsize=8)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"], fontsize=8)
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"], fontsize=8)
    if not truth.any() or truth.all():
        axes.text(0.5, 0.5, "no positives:\nno curve" if not truth.any() else "no negatives:\nno curve", ha="center", va="center")
        return {}
    floor = [0.0, 1.0] if kind == "roc" else [truth.mean(), truth.mean()]
    axes.plot([0, 1], floor, color="#999999", linestyle=":", linewidth=1)
    lines: dict[str, Any] = {}
    named = own_lines(list(scores), thick)
    rest = f"{len(scores) - len(named)} other models"
    for model, seeds in scores.items():
        x, y = mean_curve(kind, truth, seeds)
        place = named.index(model) if model in named else -1
        style = ("-", 2.4, 3.0) if model == thick else (("-", "--", "-.")[place % 3], 1.0, 2.0) if place >= 0 else ("-", 0.6, 1.0)
        colour = COLOURS[place % len(COLOURS)] if place >= 0 else "#C4C4C4"
        (line,) = axes.plot(x, y, color=colour, drawstyle="steps-post" if kind == "pr" else "default")
        line.set(linestyle=style[0], linewidth=style[1], zorder=style[2])
        lines[model if place >= 0 else rest] = line
    return lines


def own_lines(models: Sequence[str], thick: str) -> list[str]:
    """Return the models drawn in a colour of their own: all of few, else the thick one, the first ones, and the last, an ensemble."""
    if len(models) <= MOST_LINES:
        return list(models)
    kept = {thick, *models[: MOST_LINES - 2], models[-1]}
    return [model for model in models if model in kept]


def _area(kind: str, truth: NDArray[np.bool_], seeds: Sequence[Array], limit: tuple[float, float] | None) -> str:
    """Return the second line of a panel's title; "" without an area."""
    value = float(np.mean([(auc_roc if kind == "roc" else average_precision)(truth, s) for s in seeds]))
    interval = f" [{limit[0]:.3f}, {limit[1]:.3f}]" if limit is not None and np.isfinite(limit).all() else ""
    return "" if np.isnan(value) else f"\n{'AUC' if kind == 'roc' else 'AP'} {value:.3f}{interval}"


def _text_panel(axes: Axes, text: str) -> None:
    axes.axis("off")
    lines = "\n".join("\n".join(textwrap.wrap(line, 32)) for line in text.splitlines())
    axes.text(0, 0, lines, transform=axes.transAxes, va="bottom", ha="left", fontsize=8)


def _hide(panels: Sequence[Axes]) -> None:
    for axes in panels:
        axes.axis("off")


def class_panels(class_names: Sequence[str]) -> tuple[Figure, list[Axes], Axes]:
    """Return a figure with one titled panel a class, the panels, and an empty corner for the legend."""
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
