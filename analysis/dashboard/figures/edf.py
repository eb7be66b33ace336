"""EDF: which share of a family's trials reached at most a value (empirical distribution function)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.dashboard.figures.plotly_text import escape, trial_hover
from analysis.dashboard.figures.style import (
    axis,
    cached_figure,
    draw,
    family_line,
    family_points,
    metric_name,
    rounded,
    trial_customdata,
    value_range,
)
from analysis.dashboard.trials import RankedTrial, compared, families_of


class FamilyDistribution(NamedTuple):
    """One family's trials with a value or a forecast, lowest first; all are (n_trials,).

    Attributes:
        shares: Share of the trials whose value is at most this one's.
    """

    family: str
    numbers: tuple[int, ...]
    values: tuple[float, ...]
    shares: tuple[float, ...]


class Edf(NamedTuple):
    """What `edf_figure` draws."""

    metric: str
    families: tuple[FamilyDistribution, ...]


def edf_data(trials: Sequence[RankedTrial], *, metric: str) -> Edf:
    """Order each family's values, or forecasts; for each, compute the share of the family's trials that reach at most that."""
    found = []
    for family in families_of(compared(trials)):
        own = sorted(compared(trials, family), key=lambda trial: (trial.expected or 0.0, trial.number))
        values = tuple(float(trial.expected or 0.0) for trial in own)
        shares = tuple(bisect_right(values, value) / len(values) for value in values)
        found.append(FamilyDistribution(family, tuple(trial.number for trial in own), values, shares))
    return Edf(metric, tuple(found))


@cached_figure
def edf_figure(data: Edf) -> go.Figure:
    """Draw one step line a family from 0 to 1, with a point at every trial."""
    traces = [
        go.Scatter(
            x=rounded([distribution.values[0], *distribution.values]),
            y=rounded([0.0, *distribution.shares], 4),
            mode="lines+markers",
            line=family_line(distribution.family, width=1.8),
            marker=family_points(distribution.family, [0] + [8 if len(distribution.values) <= 100 else 2] * len(distribution.values)),
            name=escape(f"{distribution.family} ({len(distribution.values)})"),
            showlegend=True,
            customdata=trial_customdata([distribution.numbers[0], *distribution.numbers]),
            hovertemplate=trial_hover(distribution.family, "%{y:.0%} of the family's reached at most %{x:.4f}"),
        )
        for distribution in data.families
    ]
    reached = [value for distribution in data.families for value in distribution.values]
    y_axis = axis("share of trials", range=[0, 1.03], tickformat=".0%")
    return draw(traces, height=380, xaxis=axis(metric_name(data.metric), range=value_range(reached)), yaxis=y_axis)
