"""Forecast fan: what each waiting trial is forecast to be worth at the last epoch, against the best value so far."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.dashboard.figures.plotly_text import trial_hover
from analysis.dashboard.figures.style import (
    STATE_COLORS,
    axis,
    cached_figure,
    draw,
    family_color,
    metric_name,
    rounded,
    trial_customdata,
    value_range,
    whole_ticks,
)
from analysis.dashboard.trials import RankedTrial
from ecg_tune.search.stopping.decision import forecast_text

MOST_FANS = 12


class Fan(NamedTuple):
    """A waiting trial: its best value so far after each epoch, and its forecast at the last one."""

    number: int
    family: str
    epochs: tuple[int, ...]
    values: tuple[float, ...]
    mean: float
    sd: float


class ForecastFan(NamedTuple):
    """What `forecast_fan_figure` draws.

    Attributes:
        fans: The most promising first.
        n_waiting: How many trials wait, those that are not drawn included.
        best: Best value of any trial so far, None before the first.
        best_trial: Its number.
    """

    metric: str
    fans: tuple[Fan, ...]
    n_waiting: int
    best: float | None
    best_trial: int | None
    last_epoch: int


def forecast_fan_data(trials: Sequence[RankedTrial], *, metric: str, last_epoch: int) -> ForecastFan:
    """Collect the forecasts of the waiting trials, those with the highest mean first."""
    waiting = [trial for trial in trials if trial.paused and trial.forecast is not None]
    fans = sorted((_fan(trial) for trial in waiting), key=lambda fan: (-fan.mean, fan.number))
    valued = [trial for trial in trials if trial.best_value is not None and trial.state != "FAIL"]
    best = max(valued, key=lambda trial: (trial.best_value, -trial.number), default=None)
    return ForecastFan(
        metric,
        tuple(fans[:MOST_FANS]),
        len(fans),
        None if best is None else best.best_value,
        None if best is None else best.number,
        last_epoch,
    )


@cached_figure
def forecast_fan_figure(data: ForecastFan) -> go.Figure:
    """Draw a line a trial up to where it waits, and from there a fan of one standard deviation to its forecast."""
    traces = [trace for fan in reversed(data.fans) for trace in _traces(fan, data.last_epoch)]
    seen: set[str] = set()
    for trace in reversed(traces):
        trace.showlegend = trace.mode == "lines+markers" and trace.name not in seen
        seen.update([trace.name] if trace.showlegend else [])
    ends = [end for fan in data.fans for end in (*fan.values, fan.mean - fan.sd, fan.mean + fan.sd)]
    best = [] if data.best is None else [data.best]
    figure = draw(
        traces,
        height=400,
        xaxis=axis("epoch", range=[0.5, data.last_epoch + 0.5], **whole_ticks(data.last_epoch)),
        yaxis=axis(metric_name(data.metric), range=value_range([*ends, *best])),
    )
    if data.best is not None:
        label = f"best so far: {data.best:.4f}, trial {data.best_trial}"
        line = {"dash": "dot", "width": 2, "color": STATE_COLORS["PRUNED"]}
        figure.add_hline(y=data.best, line=line, annotation_text=label, annotation_position="top left")
    return figure


def _fan(trial: RankedTrial) -> Fan:
    assert trial.forecast is not None, "asked for above"
    values = tuple(accumulate(trial.intermediate.values(), max))
    return Fan(trial.number, trial.family, tuple(trial.intermediate), values, *trial.forecast)


def _traces(fan: Fan, last_epoch: int) -> list[go.Scatter]:
    at, value, color = fan.epochs[-1], fan.values[-1], family_color(fan.family)
    number = fan.number
    return [
        go.Scatter(
            x=[at, last_epoch, last_epoch, at],
            y=rounded([value, fan.mean + fan.sd, fan.mean - fan.sd, value]),
            mode="lines",
            line={"width": 0},
            fill="toself",
            fillcolor=color,
            opacity=0.12,
            name="one standard deviation",
            hoverinfo="skip",
        ),
        go.Scatter(
            x=[at, last_epoch],
            y=rounded([value, fan.mean]),
            mode="lines",
            line={"dash": "dash", "width": 1.2, "color": color},
            name="forecast",
            customdata=trial_customdata([number, number], ["where it waits", forecast_text(fan.mean, fan.sd)]),
            hovertemplate=trial_hover(f"{fan.family} · waits", "%{customdata[1]}, epoch %{x}: %{y:.4f}"),
        ),
        go.Scatter(
            x=fan.epochs,
            y=rounded(fan.values),
            mode="lines+markers",
            line={"width": 1.8, "color": color},
            marker={"size": 5},
            name=fan.family,
            customdata=trial_customdata([number] * len(fan.epochs)),
            hovertemplate=trial_hover(f"{fan.family} · waits", "best by epoch %{x}: %{y:.4f}"),
        ),
    ]
