"""Colours, symbols and text that all figures share.

Colours are those of Okabe & Ito (2008), told apart by colour-blind readers, a little lightened where they must also stand on a dark
ground. A figure has no theme of its own: the page gives it a light or a dark one, and a line without a colour takes that of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

import plotly.graph_objects as go

from analysis.dashboard.figures.plotly_text import escape
from analysis.dashboard.figures.ticks import linear_ticks, log_ticks

STATE_COLORS = {
    "COMPLETE": "#009e73",
    "PRUNED": "#8d939c",
    "FAIL": "#d55e00",
    "RUNNING": "#56b4e9",
    "INTERRUPTED": "#cc79a7",
    "WAITING": "#c9b458",
}
STATE_NAMES = {
    "COMPLETE": "complete",
    "PRUNED": "stopped early",
    "FAIL": "failed",
    "RUNNING": "running",
    "INTERRUPTED": "interrupted",
    "WAITING": "queued",
}
"""The states of trials and, for one that a search left running when it ended, INTERRUPTED."""
STATE_SYMBOLS = {
    "COMPLETE": "circle",
    "PRUNED": "circle-open",
    "FAIL": "x",
    "RUNNING": "diamond-open",
    "INTERRUPTED": "diamond-open",
    "WAITING": "square-open",
}
ABSENT = "—"
GUIDE = "guide"
"""`meta` of a line that only leads the eye: its points are no trials, so they are neither marked nor listed."""
PALETTE = ("#1f83c4", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#8d939c", "#8c6bd1", "#7a8b1c")
FAMILY_ORDER = ("rnn", "resnet1d", "cnn1d_rnn", "resnet", "cnn1d", "alexnet", "vgg", "fusion", "inception1d")
DASHES = {"alexnet": "dash", "vgg": "dash", "resnet": "dash", "fusion": "dashdot"}
"""A family's lines: dashed for image families, dash-dotted for fusions, solid for signal families and others."""
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "pentagon", "star", "hexagon", "triangle-down", "cross")


D = TypeVar("D", bound=Hashable)


def cached_figure(figure: Callable[[D], go.Figure]) -> Callable[[D], go.Figure]:
    """Keep a figure until its data change: an update of a live page changes few figures, and drawing is most of its cost."""
    return lru_cache(maxsize=256)(figure)


def family_color(family: str) -> str:
    """Choose the family's colour, the same in every figure and every study."""
    return PALETTE[_family_index(family)]


def family_symbol(family: str, *, filled: bool = True) -> str:
    """Choose the family's marker symbol, so that colour is never the only difference."""
    return SYMBOLS[_family_index(family)] + ("" if filled else "-open")


def family_line(family: str, *, width: float) -> dict[str, object]:
    """Style the step line of a family."""
    return {"shape": "hv", "width": width, "color": family_color(family), "dash": DASHES.get(family, "solid")}


def family_marker(family: str, *, filled: bool = True, size: int = 9) -> dict[str, object]:
    """Style the markers of a family's trials; open ones are smaller and paler.

    Args:
        size: Pixels of a filled one.
    """
    symbol = family_symbol(family, filled=filled)
    return {"color": family_color(family), "symbol": symbol, "size": size if filled else min(size, 7), "opacity": 1.0 if filled else 0.85}


def family_points(family: str, sizes: list[int]) -> dict[str, object]:
    """Style points of different sizes on a family's line, without the pale edge that plotly adds."""
    return {**family_marker(family), "size": sizes, "line": {"width": 0}}


def short_name(parameter: str, family: str | None) -> str:
    """Drop the family's prefix from a parameter's name: a figure of one family needs none."""
    return parameter.removeprefix(f"{family}.") if family else parameter


def number(value: Any) -> str:
    """Write a parameter's value in few characters."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def trial_customdata(numbers: Iterable[int | None], *more: Iterable[object]) -> list[list[object]]:
    """Make the `customdata` of points that are trials.

    Args:
        numbers: Of the points' trials; None for a point that is no trial.
        *more: Other values that the hover text or the table of the data shows; escaped here.
    """
    others = [[escape(value) if isinstance(value, str) else value for value in column] for column in more]
    return [list(point) for point in zip(numbers, *others, strict=True)]


def rounded(values: Iterable[Any], digits: int = 6) -> list[Any]:
    """Round numbers to significant digits: nobody sees more, and they would be most of a page's size."""
    return [float(f"{value:.{digits}g}") if isinstance(value, float) else value for value in values]


def duration(seconds: float) -> str:
    """Write seconds in the two largest units, e.g. "2 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def draw(traces: list[Any], *, height: int = 420, columns: Mapping[str, str | int] | None = None, **layout: Any) -> go.Figure:
    """Make a figure with the shared layout. It has no template: the page brings its own, and plotly's takes longer than the figure.

    Args:
        traces: What is drawn.
        height: In pixels.
        columns: Of the table of the figure's data: head (plain text) → "name", "x", "y", "base", or an index in `customdata`; None takes
            the series, the trial, and both axes.
        **layout: What differs from the shared layout.
    """
    shared = {
        "template": "none",
        "height": height,
        "margin": {"l": 64, "r": 20, "t": 16, "b": 52},
        "hoverlabel": {"align": "left"},
        "showlegend": True,
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "xanchor": "left", "x": 0},
    }
    if columns:
        layout = {**layout, "meta": {"columns": {escape(head): field for head, field in columns.items()}}}
    return go.Figure(traces, layout={**shared, **layout})


def axis(title: object, **more: Any) -> Mapping[str, Any]:
    """Make an axis; its title is escaped here and keeps clear of the ticks."""
    return {"title": {"text": escape(title), "standoff": 10}, "automargin": True, **more}


def whole_ticks(high: float) -> Mapping[str, Any]:
    """Choose the ticks of an axis that counts from 0 to `high`: whole numbers only."""
    return {"tickvals": linear_ticks(0, max(high, 1), whole=True)}


def log_axis(title: object, low: float, high: float) -> Mapping[str, Any]:
    """Make a logarithmic axis with at most five round ticks, which also fit under a narrow figure."""
    marks = log_ticks(low, high, most=5)
    return axis(title, type="log", tickvals=marks, ticktext=[short(mark) for mark in marks])


def short(value: float) -> str:
    """Write a round number in few characters, e.g. "0.003", "50", "20k", "5M"."""
    power, letter = next(((power, letter) for power, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if value >= power), (1, ""))
    return f"{value / power:.4g}{letter}"


def value_range(values: Iterable[float]) -> list[float]:
    """Choose an axis range around `values` with a margin, never narrower than 0.02."""
    known = list(values)
    low, high = min(known, default=0.0), max(known, default=1.0)
    pad = max(0.06 * (high - low), 0.01)
    return [low - pad, high + pad]


def metric_name(metric: str) -> str:
    """Name a metric as an axis does, e.g. "validation macro AUC"."""
    return {"macro_auc": "validation macro AUC", "macro_auc_pr": "validation macro AUC-PR", "macro_f1": "validation macro F1"}.get(
        metric, f"validation {metric}"
    )


def _family_index(family: str) -> int:
    if family in FAMILY_ORDER:
        return FAMILY_ORDER.index(family)
    return sum(family.encode()) % len(PALETTE)
