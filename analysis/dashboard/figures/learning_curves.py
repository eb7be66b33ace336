"""Learning curves: the metric of every epoch of a family's trials, with the rungs where early stopping compares them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from analysis.dashboard.figures.plotly_text import hover, trial_hover
from analysis.dashboard.figures.style import (
    STATE_COLORS,
    STATE_NAMES,
    STATE_SYMBOLS,
    axis,
    cached_figure,
    draw,
    metric_name,
    rounded,
    trial_customdata,
    value_range,
    whole_ticks,
)
from analysis.dashboard.trials import RankedTrial, best_trial

DRAWN = ("PRUNED", "FAIL", "RUNNING", "INTERRUPTED", "COMPLETE")
MOST_LINES, BEST_LINES, RUNNING_LINES = 60, 10, 20
MOST_MARKERS = 600
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


class Curve(NamedTuple):
    """One trial: `values[i]` is the metric after epoch `epochs[i]`."""

    number: int
    state: str
    epochs: tuple[int, ...]
    values: tuple[float, ...]
    is_default: bool
    is_best: bool


class Bands(NamedTuple):
    """Quantiles over all of a family's trials that reported an epoch.

    Attributes:
        epochs: (n_epochs,)
        n_trials: (n_epochs,) how many reported it.
        quantiles: (n_levels, n_epochs) those of `LEVELS`.
    """

    epochs: tuple[int, ...]
    n_trials: tuple[int, ...]
    quantiles: tuple[tuple[float, ...], ...]


class LearningCurves(NamedTuple):
    """What `learning_curves_figure` draws.

    Attributes:
        curves: All of them, or those that are drawn above `bands`.
        bands: None when every trial has its own line.
        message: Which trials have a line of their own; "" when all have.
        rungs: The rungs that lie below `last_epoch`, in epochs.
        y_range: Lowest and highest metric of the whole study, so that the families' panels compare by eye.
    """

    family: str
    metric: str
    curves: tuple[Curve, ...]
    bands: Bands | None
    message: str
    rungs: tuple[int, ...]
    last_epoch: int
    y_range: tuple[float, float]


def learning_curves_data(
    trials: Sequence[RankedTrial], *, family: str, metric: str, rungs: Sequence[int] = (), most_lines: int = MOST_LINES
) -> LearningCurves:
    """Collect one family's learning curves: of all trials that reported an epoch, or of the best ones beside bands of all.

    Args:
        rungs: The study's rungs, in epochs.
        most_lines: A family of more trials gets bands.
    """
    own = [trial for trial in trials if trial.family == family and trial.intermediate]
    best = best_trial(own)
    few = len(own) <= most_lines
    curves = [
        Curve(
            trial.number, trial.shown_state, tuple(trial.intermediate), tuple(trial.intermediate.values()), trial.is_default, trial is best
        )
        for trial in (own if few else _trials_with_own_line(own))
    ]
    last = max((max(trial.intermediate) for trial in own), default=0)
    values = [value for trial in trials for value in trial.intermediate.values()]
    y_range = (min(values), max(values)) if values else (0.0, 1.0)
    message = "" if few else _bands_message(len(own), len(curves))
    return LearningCurves(
        family,
        metric,
        tuple(curves),
        None if few else _bands(own),
        message,
        tuple(rung for rung in sorted(rungs) if rung <= last),
        last,
        y_range,
    )


@cached_figure
def learning_curves_figure(data: LearningCurves) -> go.Figure:
    """Draw one line a trial, coloured by state; the default config dashed, the family's best thick; bands behind them if there are any."""
    traces = _band_traces(data.bands) if data.bands else []
    traces += [_state_lines(data, state) for state in DRAWN if any(curve.state == state for curve in data.curves)]
    blue = {"dash": "dash", "width": 2, "color": "#1f83c4"}
    traces += [_highlight(c, f"best, trial {c.number}", {"width": 2.5}) for c in data.curves if c.is_best]
    traces += [_highlight(curve, "default config", blue) for curve in data.curves if curve.is_default]  # seen on the best one, too
    figure = draw(
        traces,
        height=380,
        xaxis=axis("epoch", range=[0.5, data.last_epoch + 0.5], **whole_ticks(data.last_epoch)),
        yaxis=axis(metric_name(data.metric), range=value_range(data.y_range)),
    )
    for rung in data.rungs:
        figure.add_vline(x=rung, line={"dash": "dot", "width": 1, "color": "#8d939c"})
    return figure


def _trials_with_own_line(own: Sequence[RankedTrial]) -> list[RankedTrial]:
    """Choose the best trials, the default one, and the newest of those that run."""
    best = sorted(own, key=lambda trial: (-(trial.best_value or 0.0), trial.number))[:BEST_LINES]
    running = [trial for trial in own if trial.state == "RUNNING"][-RUNNING_LINES:]
    kept = {trial.number for trial in [*best, *running, *(trial for trial in own if trial.is_default)]}
    return [trial for trial in own if trial.number in kept]


def _bands_message(n_trials: int, n_drawn: int) -> str:
    return (
        f"{n_trials:,} trials: the bands hold the middle 50 % and 80 % of those that trained so long, the grey line is their median; "
        f"{n_drawn} have a line of their own, the best, the default config and those that have not ended. Where trials were stopped "
        "early, the band rises because only the better ones are left."
    )


def _bands(own: Sequence[RankedTrial]) -> Bands:
    at: dict[int, list[float]] = {}
    for trial in own:
        for epoch, value in trial.intermediate.items():
            at.setdefault(epoch, []).append(value)
    epochs = tuple(sorted(at))
    quantiles = np.array([np.quantile(at[epoch], LEVELS) for epoch in epochs]).T
    return Bands(epochs, tuple(len(at[epoch]) for epoch in epochs), tuple(tuple(map(float, level)) for level in quantiles))


def _band_traces(bands: Bands) -> list[go.Scatter]:
    traces = []
    for low, high, name, color in ((0, 4, "middle 80 %", "rgba(125,133,144,0.16)"), (1, 3, "middle 50 %", "rgba(125,133,144,0.26)")):
        x = [*bands.epochs, *reversed(bands.epochs)]
        y = rounded([*bands.quantiles[high], *reversed(bands.quantiles[low])])
        traces.append(go.Scatter(x=x, y=y, mode="lines", line={"width": 0}, fill="toself", fillcolor=color, name=name, hoverinfo="skip"))
    median = go.Scatter(
        x=bands.epochs,
        y=rounded(bands.quantiles[2]),
        mode="lines",
        line={"width": 1.5, "color": "#8d939c"},
        name="median",
        text=[f"{n:,} trial{'s' * (n != 1)}" for n in bands.n_trials],
        hovertemplate=hover("epoch %{x}: median %{y:.4f} of %{text}"),
    )
    return [*traces, median]


def _state_lines(data: LearningCurves, state: str) -> go.Scatter:
    """Draw all curves of a state as one trace, with a gap (None) between two trials."""
    x: list[int | None] = []
    y: list[float | None] = []
    numbers: list[int | None] = []
    for curve in data.curves:
        if curve.state == state:
            x += [*curve.epochs, None]
            y += [*rounded(curve.values), None]
            numbers += [curve.number] * len(curve.epochs) + [None]
    few = sum(len(curve.epochs) for curve in data.curves) <= MOST_MARKERS
    lone = all(len(curve.epochs) == 1 for curve in data.curves if curve.state == state)
    return go.Scatter(
        x=x,
        y=y,
        mode="lines+markers" if few or lone else "lines",
        line={"color": STATE_COLORS[state], "width": 1.3},
        marker={"size": 5, "symbol": STATE_SYMBOLS[state]},
        opacity=0.75,
        name=STATE_NAMES[state],
        customdata=trial_customdata(numbers),
        hovertemplate=trial_hover(STATE_NAMES[state], "epoch %{x}: %{y:.4f}"),
    )


def _highlight(curve: Curve, name: str, line: dict[str, object]) -> go.Scatter:
    return go.Scatter(
        x=curve.epochs,
        y=rounded(curve.values),
        mode="lines",
        line=line,
        name=name,
        customdata=trial_customdata([curve.number] * len(curve.epochs)),
        hovertemplate=trial_hover(name.split(",")[0], "epoch %{x}: %{y:.4f}"),
    )
