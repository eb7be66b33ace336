"""History: the value each trial reached, the best so far, and the values of the default configs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.dashboard.figures.broken_axis import axis_of, broken_axes, find_break
from analysis.dashboard.figures.plotly_text import escape, escape_template, hover, trial_hover
from analysis.dashboard.figures.style import (
    ABSENT,
    GUIDE,
    STATE_NAMES,
    axis,
    draw,
    family_color,
    family_marker,
    metric_name,
    rounded,
    trial_customdata,
    whole_ticks,
)
from analysis.dashboard.trials import RankedTrial, completed, families_of
from analysis.templating import Markup, render

MOST_LARGE = 400
"""Points that are drawn large: more would hide each other."""


class Point(NamedTuple):
    """A trial that reported at least one epoch; `best_epoch` is None when not recorded."""

    number: int
    reached: float
    family: str
    state: str
    epochs: int
    best_epoch: int | None
    is_default: bool


class Gain(NamedTuple):
    """A family's default config beside its best trial; None for what is not there yet."""

    family: str
    default: float | None
    default_trial: int | None
    best: float | None
    best_trial: int | None

    @property
    def gained(self) -> float | None:
        """Best minus default."""
        return None if self.best is None or self.default is None else self.best - self.default


class History(NamedTuple):
    """What `history_figure` draws.

    Attributes:
        best: (trial number, best value so far) at every COMPLETE trial, as Optuna's own history.
        without_value: Numbers of the ended trials that never reported an epoch.
        break_at: Where the vertical axis is broken; None when one scale shows all points well.
    """

    metric: str
    points: tuple[Point, ...]
    best: tuple[tuple[int, float], ...]
    gains: tuple[Gain, ...]
    without_value: tuple[int, ...]
    break_at: float | None


def history_data(trials: Sequence[RankedTrial], *, metric: str) -> History:
    """Collect the value that each trial reached, the best so far, and each family's default config beside its best trial."""
    points = [
        Point(trial.number, trial.best_value, trial.family, trial.shown_state, trial.epochs, trial.best_epoch, trial.is_default)
        for trial in trials
        if trial.best_value is not None
    ]
    best = [(trial.number, trial.best_so_far) for trial in completed(trials) if trial.best_so_far is not None]
    without = [trial.number for trial in trials if trial.best_value is None and trial.end is not None]
    gains = tuple(_gain(trials, family) for family in families_of(trials))
    break_at = find_break([point.reached for point in points], [gain.default for gain in gains if gain.default is not None])
    return History(metric, tuple(points), tuple(best), gains, tuple(without), break_at)


def history_figure(data: History) -> go.Figure:
    """Draw trials as points by family and state, the best so far as a line, default configs as dotted lines."""
    traces = []
    for gain in data.gains:
        traces += _family_points(data, gain.family)
    last = max((p.number for p in data.points), default=1)
    traces += _best_line(data, last)
    defaults = [_default_line(data, gain, last) for gain in data.gains if gain.default is not None]
    traces += [*defaults, _default_legend_entry()] if defaults else []
    x_axis = axis("trial number", range=[-0.03 * last - 0.5, 1.03 * last + 0.5], **whole_ticks(last))
    anchor = {} if data.break_at is None else {"anchor": "y2"}
    y_axes = broken_axes(metric_name(data.metric), [p.reached for p in data.points], data.break_at)
    value = metric_name(data.metric)
    columns: dict[str, str | int] = {"Family": "name", "Trial": "x", "State": 4, value: "y", "Best epoch": 2, "Epochs": 1}
    return draw(traces, height=400, columns=columns, xaxis={**x_axis, **anchor}, **y_axes)


def gains_table(data: History) -> Markup:
    """Render what searching gained over each family's default config."""
    return render("analysis.dashboard", "gains.html", gains=data.gains, absent=ABSENT)


def _gain(trials: Sequence[RankedTrial], family: str) -> Gain:
    default = next((trial for trial in trials if trial.is_default and trial.family == family and trial.best_value is not None), None)
    best = max(completed(trials, family), key=lambda trial: (trial.value, -trial.number), default=None)
    return Gain(
        family,
        default.best_value if default else None,
        default.number if default else None,
        best.value if best else None,
        best.number if best else None,
    )


def _best_line(data: History, last: int) -> list[go.Scatter]:
    """Draw the best value so far with a point only where it changes, so that the page stays small; in two pieces if the axis is broken."""
    changes = [step for index, step in enumerate(data.best) if index == 0 or step[1] != data.best[index - 1][1]]
    steps = [*changes, *((last, value) for _, value in changes[-1:])]
    first_above = next((index for index, (_, value) in enumerate(steps) if axis_of(value, data.break_at) == "y"), len(steps))
    pieces = {"y2": steps[: first_above + 1] if first_above else [], "y": steps[max(first_above - 1, 0) :] if steps[first_above:] else []}
    return [
        go.Scatter(
            x=[n for n, _ in piece],
            y=rounded(v for _, v in piece),
            yaxis=part,
            mode="lines",
            line={"shape": "hv", "width": 2},
            name="best so far",
            meta=GUIDE,
            legendgroup="best so far",
            showlegend=part == "y" or not pieces["y"],
            hoverinfo="skip",  # it passes through the points of the best trials, which are to be hovered and clicked
        )
        for part, piece in pieces.items()
        if piece
    ]


def _family_points(data: History, family: str) -> list[go.Scatter]:
    traces: list[go.Scatter] = []
    for state, part in product(STATE_NAMES, ("y", "y2")):
        points = [p for p in data.points if (p.family, p.state, axis_of(p.reached, data.break_at)) == (family, state, part)]
        filled = state == "COMPLETE"
        lines = ("%{y:.4f} at epoch %{customdata[2]} of %{customdata[1]}", "%{customdata[3]}")
        traces += [
            go.Scatter(
                x=[p.number for p in points],
                y=rounded(p.reached for p in points),
                yaxis=part,
                mode="markers",
                marker=family_marker(family, filled=filled, size=9 if len(data.points) <= MOST_LARGE else 6),
                name=escape(family),
                legendgroup=escape(family),
                showlegend=not traces,
                customdata=trial_customdata(
                    (p.number for p in points),
                    (p.epochs for p in points),
                    (p.best_epoch or ABSENT for p in points),
                    ("default config" if p.is_default else "" for p in points),
                    (STATE_NAMES[state] for _ in points),
                ),
                hovertemplate=trial_hover(f"{family} · {STATE_NAMES[state]}", *lines),
            )
        ] * bool(points)
    return traces


def _default_line(data: History, gain: Gain, last: int) -> go.Scatter:
    return go.Scatter(
        x=[0, last],
        y=rounded([gain.default, gain.default]),
        yaxis=axis_of(gain.default or 0.0, data.break_at),
        mode="lines",
        line={"dash": "dot", "width": 1.5, "color": family_color(gain.family)},
        name=escape(f"{gain.family} default"),
        meta=GUIDE,
        legendgroup=escape(gain.family),
        showlegend=False,
        customdata=trial_customdata([gain.default_trial] * 2),
        hovertemplate=hover(f"default config of {escape_template(gain.family)}: %{{y:.4f}}", "trial %{customdata[0]}"),
    )


def _default_legend_entry() -> go.Scatter:
    """Make the one entry of the legend for all default lines."""
    return go.Scatter(x=[None], y=[None], mode="lines", line={"dash": "dot", "width": 1.5}, name="a family's default config")
