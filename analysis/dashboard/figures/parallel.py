"""Parallel coordinates: one line a trial across its parameters and its value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from analysis.dashboard.figures.plotly_text import escape
from analysis.dashboard.figures.style import cached_figure, draw, metric_name, number, rounded, short_name, trial_customdata
from analysis.dashboard.figures.ticks import linear_ticks, log_ticks
from analysis.dashboard.trials import RankedTrial, compared, parameters_of

NOT_SET = "not set"
MOST_AXES = 12
"""With more axes their names overlap; a fusion has dozens of parameters, most of them of encoders that few trials chose."""
WORST_TO_BEST = ((0.0, "#a7b0ba"), (0.4, "#4fa3d8"), (0.75, "#8a5fc0"), (1.0, "#d9480f"))


class Axis(NamedTuple):
    """One vertical axis.

    Attributes:
        positions: (n_trials,) where each trial's line crosses: the value, its log10, or the index of its choice.
        values: (n_trials,) the parameter's values themselves; None where a trial has none.
        ticks: (position, label) in ascending order.
        limits: Lowest and highest position.
    """

    name: str
    positions: tuple[float, ...]
    values: tuple[Any, ...]
    ticks: tuple[tuple[float, str], ...]
    limits: tuple[float, float]


class Parallel(NamedTuple):
    """What `parallel_figure` draws; `numbers` and `values` are (n_trials,), worst trial first so that the best lies on top.

    Attributes:
        n_hidden: Parameters without an axis: those that the fewest trials have, beyond `MOST_AXES`.
    """

    family: str | None
    metric: str
    numbers: tuple[int, ...]
    values: tuple[float, ...]
    axes: tuple[Axis, ...]
    n_hidden: int = 0


def parallel_data(trials: Sequence[RankedTrial], *, metric: str, family: str | None = None) -> Parallel:
    """Place the COMPLETE trials of a family on its parameters' axes, or all trials on the parameters that all of them have."""
    own = sorted(compared(trials, family), key=lambda trial: trial.expected or 0.0)
    names = [name for name in parameters_of(own, family) if family is not None or all(name in trial.params for trial in own)]
    common = sorted(names, key=lambda name: -sum(name in trial.params for trial in own))[:MOST_AXES]
    axes = tuple(_axis(name, own) for name in names if name in common)
    values = tuple(float(trial.expected or 0.0) for trial in own)
    return Parallel(family, metric, tuple(trial.number for trial in own), values, axes, n_hidden=len(names) - len(common))


@cached_figure
def parallel_figure(data: Parallel) -> go.Figure:
    """Draw the axes side by side, lines coloured by value, the value as first axis, where a narrow window shows it."""
    dimensions: list[dict[str, Any]] = [
        {
            "label": escape(short_name(axis.name, data.family)),
            "values": rounded(axis.positions),
            "tickvals": [position for position, _ in axis.ticks],
            "ticktext": [escape(label) for _, label in axis.ticks],
            "range": list(axis.limits),
        }
        for axis in data.axes
    ]
    low, high = min(data.values, default=0.0), max(data.values, default=1.0)
    if low == high:
        low, high = low - 0.01, high + 0.01
    dimensions.insert(0, {"label": escape(data.metric), "values": rounded(data.values), "range": [low, high], "tickformat": ".3f"})
    line = {
        "color": rounded(data.values),
        "colorscale": WORST_TO_BEST,
        "cmin": low,
        "cmax": high,
        "showscale": True,
        "colorbar": {"title": {"text": escape(metric_name(data.metric)), "side": "right"}, "thickness": 12, "tickformat": ".3f"},
    }
    names = [data.metric, *(short_name(axis.name, data.family) for axis in data.axes)]
    values = trial_customdata(data.numbers, rounded(data.values), *(rounded(axis.values) for axis in data.axes))
    lines = go.Parcoords(dimensions=dimensions, line=line, labelangle=-18, labelside="top", customdata=values)
    figure = draw([lines], height=430, columns={"Trial": 0, **{name: place for place, name in enumerate(names, 1)}})
    return figure.update_layout(margin={"l": 70, "r": 40, "t": 96, "b": 28})


def _axis(name: str, trials: Sequence[RankedTrial]) -> Axis:
    values = [trial.params.get(name) for trial in trials]
    distribution = next((trial.distributions[name] for trial in trials if name in trial.distributions), None)
    numeric = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values if v is not None)
    if not numeric or isinstance(getattr(distribution, "choices", None), tuple):
        return _choices(name, trials, distribution)
    log = bool(getattr(distribution, "log", False)) and all(v > 0 for v in values if v is not None)
    return _numbers(name, values, log=log)


def _choices(name: str, trials: Sequence[RankedTrial], distribution: Any) -> Axis:
    offered = [str(choice) for choice in getattr(distribution, "choices", ())]
    labels = [str(trial.params[name]) if name in trial.params else NOT_SET for trial in trials]
    order = list(dict.fromkeys([*(choice for choice in offered if choice in labels), *sorted(set(labels))]))
    positions = {label: float(index) for index, label in enumerate(order)}
    top = float(max(len(order) - 1, 1))
    ticks = tuple((position, label) for label, position in positions.items())
    shown = tuple(label if label != NOT_SET else None for label in labels)
    return Axis(name, tuple(positions[label] for label in labels), shown, ticks, (0.0, top))


def _numbers(name: str, values: Sequence[Any], *, log: bool) -> Axis:
    known = [math.log10(v) if log else float(v) for v in values if v is not None]
    low, high = min(known), max(known)
    if low == high:
        low, high = low - 0.5, high + 0.5
    whole = all(isinstance(v, int) for v in values if v is not None)
    marks = log_ticks(10**low, 10**high) if log else linear_ticks(low, high, whole=whole)
    ticks = [(math.log10(mark) if log else mark, number(round(mark) if whole else mark)) for mark in marks]
    if any(v is None for v in values):
        low -= 0.12 * (high - low)
        ticks.insert(0, (low, NOT_SET))
    marked = [position for position, _ in ticks]
    ticks = sorted([*ticks, *((end, "") for end in (low, high) if end not in marked)])  # plotly draws an axis from first to last tick
    positions = iter(known)
    return Axis(name, tuple(low if v is None else next(positions) for v in values), tuple(values), tuple(ticks), (low, high))
