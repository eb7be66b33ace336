"""Forest plots: one line a group with its interval and a mark to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from analysis.plots import COLOURS, WIDTH_IN, footer


class ForestRow(NamedTuple):
    """One line of the plot.

    Attributes:
        block: Lines of one block stand together.
        value, low, high, reference: In the axis' unit; `reference` is the bar.
        text: What stands to the right.
    """

    block: str
    label: str
    value: float
    low: float
    high: float
    reference: float
    text: str


def forest_figure(rows: Sequence[ForestRow], *, axis: str, note: str, differences: bool = False) -> Figure:
    """Draw the rows from top to bottom; without any, say so.

    Args:
        axis: Quantity and unit.
        note: Stands below.
        differences: The values lie about 0, not between 0.5 and 1.
    """
    blocks = list(dict.fromkeys(row.block for row in rows))
    positions = [i + 0.6 * blocks.index(row.block) for i, row in enumerate(rows)]
    height = max([*positions, 0.0]) + 1
    figure = Figure(figsize=(WIDTH_IN, 1.3 + 0.24 * height), layout="constrained")
    axes = figure.subplots()
    for y, row in zip(positions, rows, strict=True):
        axes.plot((row.low, row.high), (y, y), color="black", linewidth=1.1)
        axes.plot(row.value, y, marker="o", markersize=5, color=COLOURS[0])
        axes.plot(row.reference, y, marker="|", markersize=9, markeredgewidth=1.6, color=COLOURS[1])
        axes.text(1.02, y, row.text, transform=axes.get_yaxis_transform(), va="center", fontsize=7.5)
    if not rows:
        axes.text(0.5, 0.5, "no group is large enough", transform=axes.transAxes, ha="center", va="center", fontsize=9)
    axes.set_yticks(positions, [row.label for row in rows], fontsize=8)
    axes.set_ylim(height - 0.3, -0.7)
    axes.set_xlim(_limits(rows, differences=differences))
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel(axis, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    footer(figure, note)
    return figure


def _limits(rows: Sequence[ForestRow], *, differences: bool) -> tuple[float, float]:
    ends = [end for row in rows for end in (row.low, row.high) if np.isfinite(end)]
    if not differences:
        return min([0.5, *ends]) - 0.01, 1.005
    widest = max([0.01, *map(abs, ends)]) * 1.05
    return -widest, widest
