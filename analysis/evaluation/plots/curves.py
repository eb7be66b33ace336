"""ROC and precision-recall curves as a figure: one panel a class, one line a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.evaluation.statistics.curves import curve_band, mean_curve
from analysis.evaluation.statistics.ranks import auc_roc, average_precision
from analysis.plots import COLOURS, class_panels, footer
from ecg_tune.metrics import Array

MOST_LINES = 12  # as many as can be told apart


def curves_figure(
    kind: str,
    labels: NDArray[Any],
    probabilities: Mapping[str, Sequence[Array]],
    *,
    class_names: Sequence[str],
    selected: str = "",
    limits: Mapping[str, tuple[float, float]] | None = None,
    weights: Array | None = None,
    note: str = "",
) -> Figure:
    """Draw ROC ("roc") or precision-recall ("pr") curves.

    Args:
        labels: (n_records, n_classes) of 0/1.
        probabilities: {model: one (n_records, n_classes) array a seed}; the line is their mean.
        selected: The model drawn thick, with its area in the panels' titles.
        limits: {class: 95 % interval of that area}.
        weights: (n_records, n_resamples) of `analysis.evaluation.statistics.bootstrap.patient_weights`, for the band around the thick line.
    """
    thick = selected or next(iter(probabilities))
    figure, panels, corner = class_panels(class_names)
    handles: dict[str, Any] = {}
    for k, (axes, name) in enumerate(zip(panels, class_names, strict=True)):
        truth = np.asarray(labels[:, k]).astype(bool)
        of_class = {model: [s[:, k] for s in seeds] for model, seeds in probabilities.items()}
        lines = _class_curves(axes, kind, truth, of_class, thick)
        handles = handles or lines
        if lines and weights is not None:
            grid, low, high = curve_band(kind, truth, of_class[thick], weights)
            axes.fill_between(grid, low, high, step="post" if kind == "pr" else None, color=COLOURS[0], alpha=0.2, linewidth=0)
        area = _area(kind, truth, of_class[thick], (limits or {}).get(name))
        axes.set_title(f"{name} (n+ = {truth.sum()}){area}", fontsize=9)
    if handles and len(probabilities) > 1:
        corner.legend(list(handles.values()), list(handles), loc="center left", fontsize=8, frameon=False)
    mean = " Lines are means over seeds." if max(map(len, probabilities.values())) > 1 else ""
    areas = f" Areas in the titles: {thick} (thick)." if len(probabilities) > 1 else ""
    band = " Band: its 95 % interval over patients, each abscissa on its own." if weights is not None else ""
    footer(figure, f"{note or f'n = {len(labels)} records.'} n+ = positives.{areas}{band}{mean}")
    return figure


def _class_curves(
    axes: Axes, kind: str, truth: NDArray[np.bool_], probabilities: Mapping[str, Sequence[Array]], thick: str
) -> dict[str, Any]:
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
    named = own_lines(list(probabilities), thick)
    rest = f"{len(probabilities) - len(named)} other models"
    for model, seeds in probabilities.items():
        x, y = mean_curve(kind, truth, seeds)
        index = named.index(model) if model in named else -1
        style = ("-", 2.4, 3.0) if model == thick else (("-", "--", "-.")[index % 3], 1.0, 2.0) if index >= 0 else ("-", 0.6, 1.0)
        colour = COLOURS[index % len(COLOURS)] if index >= 0 else "#C4C4C4"
        (line,) = axes.plot(x, y, color=colour, drawstyle="steps-post" if kind == "pr" else "default")
        line.set(linestyle=style[0], linewidth=style[1], zorder=style[2])
        lines[model if index >= 0 else rest] = line
    return lines


def own_lines(models: Sequence[str], thick: str) -> list[str]:
    """Pick the models that get a colour of their own: all of few, else the thick one, the first ones, and the last, an ensemble."""
    if len(models) <= MOST_LINES:
        return list(models)
    kept = {thick, *models[: MOST_LINES - 2], models[-1]}
    return [model for model in models if model in kept]


def _area(kind: str, truth: NDArray[np.bool_], seeds: Sequence[Array], limit: tuple[float, float] | None) -> str:
    """Write the second line of a panel's title: area and interval; "" without an area."""
    value = float(np.mean([(auc_roc if kind == "roc" else average_precision)(truth, s) for s in seeds]))
    interval = f" [{limit[0]:.3f}, {limit[1]:.3f}]" if limit is not None and np.isfinite(limit).all() else ""
    return "" if np.isnan(value) else f"\n{'AUC' if kind == 'roc' else 'AP'} {value:.3f}{interval}"
