"""Slices: the metric against one parameter at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from analysis.dashboard.figures.plotly_text import escape, escape_template, trial_hover
from analysis.dashboard.figures.style import (
    STATE_NAMES,
    axis,
    cached_figure,
    draw,
    family_color,
    family_symbol,
    log_axis,
    metric_name,
    rounded,
    short_name,
    trial_customdata,
    value_range,
)
from analysis.dashboard.figures.ticks import linear_ticks
from analysis.dashboard.trials import RankedTrial


class SlicePoint(NamedTuple):
    """One trial: its value of the parameter and the metric it reached."""

    number: int
    x: Any
    y: float
    complete: bool


class Slice(NamedTuple):
    """What `slice_figure` draws.

    Attributes:
        scale: "linear", "log" or "category", after the parameter's distribution.
        categories: The choices in their own order when the scale is "category".
        y_range: Lowest and highest metric of the family's trials, shared by its slices.
    """

    parameter: str
    family: str | None
    metric: str
    points: tuple[SlicePoint, ...]
    scale: str
    categories: tuple[str, ...]
    y_range: tuple[float, float]


def slice_data(trials: Sequence[RankedTrial], parameter: str, *, metric: str, family: str | None = None) -> Slice:
    """Collect the trials that have `parameter` and reported at least one epoch.

    Args:
        family: None for all families.
    """
    own = [trial for trial in trials if family in (None, trial.family) and trial.best_value is not None]
    with_parameter = [trial for trial in own if parameter in trial.params]
    distribution = with_parameter[-1].distributions[parameter] if with_parameter else None
    choices = getattr(distribution, "choices", None)
    as_text = choices is not None or any(isinstance(trial.params[parameter], (str, bool, type(None))) for trial in with_parameter)
    points = []
    for trial in with_parameter:
        raw = trial.params[parameter]
        points.append(SlicePoint(trial.number, str(raw) if as_text else raw, float(trial.best_value or 0.0), trial.state == "COMPLETE"))
    scale = "category" if as_text else "log" if getattr(distribution, "log", False) else "linear"
    categories = tuple(dict.fromkeys([*(str(c) for c in choices or ()), *(p.x for p in points)])) if as_text else ()
    reached = [trial.best_value for trial in own if trial.best_value is not None]
    return Slice(parameter, family, metric, tuple(points), scale, categories, (min(reached, default=0.0), max(reached, default=1.0)))


@cached_figure
def slice_figure(data: Slice) -> go.Figure:
    """Draw complete trials filled and the others open, on the parameter's own scale."""
    traces = []
    family = data.family or ""
    for complete, name in ((False, "not complete"), (True, STATE_NAMES["COMPLETE"])):
        points = [p for p in data.points if p.complete == complete]
        traces.append(
            go.Scatter(
                x=[escape(p.x) for p in points] if data.scale == "category" else rounded(p.x for p in points),
                y=rounded(p.y for p in points),
                mode="markers",
                marker={
                    "color": family_color(family) if complete else "#8d939c",
                    "symbol": family_symbol(family, filled=complete),
                    "size": 8 if complete else 6,
                    "opacity": 0.85 if complete else 1,
                },
                name=name,
                customdata=trial_customdata(p.number for p in points),
                hovertemplate=trial_hover(
                    f"{family} · {name}", f"{escape_template(short_name(data.parameter, data.family))} %{{x}}", "%{y:.4f}"
                ),
                showlegend=False,
            )
        )
    return draw(
        traces,
        height=270,
        xaxis=_x_axis(data),
        yaxis=axis(metric_name(data.metric).removeprefix("validation "), range=value_range(data.y_range)),
    )


def _x_axis(data: Slice) -> Mapping[str, Any]:
    title = short_name(data.parameter, data.family)
    if data.scale == "category":
        names = [escape(c) for c in data.categories]
        return axis(title, type="category", categoryorder="array", categoryarray=names, range=[-0.5, len(names) - 0.5])
    values = [p.x for p in data.points]
    if not values:
        return axis(title, type=data.scale)
    if data.scale == "log":
        return log_axis(title, min(values), max(values))
    whole = all(isinstance(value, int) for value in values)
    return axis(title, type="linear", tickvals=linear_ticks(min(values), max(values), whole=True) if whole else None)
