"""Learning curves: the metric of every epoch of a family's trials, with the rungs where early stopping compares them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.figures.style import STATE_COLORS, STATE_NAMES, STATE_SYMBOLS, axis, draw, metric_name, value_range, whole_ticks
from analysis.frames import TrialRow, best_row

DRAWN = ("PRUNED", "FAIL", "RUNNING", "COMPLETE")


class Curve(NamedTuple):
    """One trial: `values[i]` is the metric after epoch `epochs[i]`."""

    number: int
    state: str
    epochs: tuple[int, ...]
    values: tuple[float, ...]
    is_default: bool
    is_best: bool


class LearningCurves(NamedTuple):
    """What `learning_curves_figure` draws.

    Attributes:
        rungs: The rungs that lie below `last_epoch`, in epochs.
        y_range: Lowest and highest metric of the whole study, so that the families' panels compare by eye.
    """

    family: str
    metric: str
    curves: tuple[Curve, ...]
    rungs: tuple[int, ...]
    last_epoch: int
    y_range: tuple[float, float]


def learning_curves_data(rows: Sequence[TrialRow], *, family: str, metric: str, rungs: Sequence[int] = ()) -> LearningCurves:
    """Return the curves of one family's trials that reported at least one epoch."""
    own = [row for row in rows if row.family == family and row.intermediate]
    best = best_row(own)
    curves = [
        Curve(row.number, row.state, tuple(row.intermediate), tuple(row.intermediate.values()), row.is_default, row is best) for row in own
    ]
    last = max((curve.epochs[-1] for curve in curves), default=0)
    values = [value for row in rows for value in row.intermediate.values()]
    y_range = (min(values), max(values)) if values else (0.0, 1.0)
    return LearningCurves(family, metric, tuple(curves), tuple(rung for rung in sorted(rungs) if rung <= last), last, y_range)


def learning_curves_figure(data: LearningCurves) -> go.Figure:
    """Draw one line a trial, coloured by state; the default config dashed, the family's best thick."""
    traces = [_state_lines(data, state) for state in DRAWN if any(curve.state == state for curve in data.curves)]
    traces += [
        _highlight(curve, "default config", {"dash": "dash", "width": 2, "color": "#1f83c4"}) for curve in data.curves if curve.is_default
    ]
    traces += [_highlight(c, f"best, trial {c.number}", {"width": 2.5}) for c in data.curves if c.is_best]
    figure = draw(
        traces,
        height=380,
        xaxis=axis("epoch", range=[0.5, data.last_epoch + 0.5], **whole_ticks(data.last_epoch)),
        yaxis=axis(metric_name(data.metric), range=value_range(data.y_range)),
    )
    for rung in data.rungs:
        figure.add_vline(x=rung, line={"dash": "dot", "width": 1, "color": "#8d939c"})
    return figure


def _state_lines(data: LearningCurves, state: str) -> go.Scatter:
    """Return all curves of a state as one trace; a gap (None) parts two trials."""
    x: list[int | None] = []
    y: list[float | None] = []
    numbers: list[int | None] = []
    for curve in data.curves:
        if curve.state == state:
            x += [*curve.epochs, None]
            y += [*curve.values, None]
            numbers += [curve.number] * len(curve.epochs) + [None]
    return go.Scatter(
        x=x,
        y=y,
        mode="lines+markers",
        line={"color": STATE_COLORS[state], "width": 1.3},
        marker={"size": 5, "symbol": STATE_SYMBOLS[state]},
        opacity=0.75,
        name=STATE_NAMES[state],
        customdata=numbers,
        hovertemplate="trial %{customdata}, epoch %{x}: %{y:.4f}<extra></extra>",
    )


def _highlight(curve: Curve, name: str, line: dict[str, object]) -> go.Scatter:
    return go.Scatter(
        x=curve.epochs,
        y=curve.values,
        mode="lines",
        line=line,
        name=name,
        customdata=[curve.number] * len(curve.epochs),
        hovertemplate=f"trial %{{customdata}} ({name}), epoch %{{x}}: %{{y:.4f}}<extra></extra>",
    )
