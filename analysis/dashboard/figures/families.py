"""Families: the best value each reached, against the budget it used (epochs or training hours)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.dashboard.figures.plotly_text import escape, trial_hover
from analysis.dashboard.figures.style import axis, draw, family_line, family_points, metric_name, rounded, trial_customdata, value_range
from analysis.dashboard.trials import RankedTrial, families_of

TIME_UNITS = (("training seconds", 3600.0, 2 / 60), ("training minutes", 60.0, 2.0), ("training hours", 1.0, math.inf))
"""Name of a unit, how many of it are an hour, and the most hours of a family for which it is taken."""


class Improvement(NamedTuple):
    """A COMPLETE trial that was the best of its family so far, and the budget used when it ended."""

    budget_used: float
    value: float
    trial: int


class FamilyProgress(NamedTuple):
    """How a family's best value rose.

    Attributes:
        improvements: In the order in which they ended.
        budget_used: By all trials of the family, stopped, failed and unfinished ones included.
        best_at_common: Best value within `Families.common_budget`; None when no trial was complete by then.
    """

    family: str
    improvements: tuple[Improvement, ...]
    budget_used: float
    best_at_common: float | None
    n_trials: int


class Families(NamedTuple):
    """What `families_figure` draws.

    Attributes:
        budget: "epochs" or "hours".
        common_budget: What every family with a complete trial had: the least of them.
    """

    metric: str
    budget: str
    families: tuple[FamilyProgress, ...]
    common_budget: float


def families_data(trials: Sequence[RankedTrial], *, metric: str, budget: str = "epochs") -> Families:
    """Follow every family's best value along the budget it used, trials in the order in which they ended.

    Args:
        trials: The study's trials.
        metric: The study's metric.
        budget: "epochs" or "hours".
    """
    all_used = [best_progress([trial for trial in trials if trial.family == family], family, budget) for family in families_of(trials)]
    common = min((family.budget_used for family in all_used if family.improvements), default=0.0)
    families = [family._replace(best_at_common=best_within(family, common)) for family in all_used]
    return Families(metric, budget, tuple(families), common)


def families_figure(data: Families) -> go.Figure:
    """Draw one step line a family; the dotted line is the budget that all of them had."""
    unit, size = time_unit(data)
    traces = []
    for family_progress in data.families:
        if not family_progress.improvements:
            continue
        points = [*family_progress.improvements, family_progress.improvements[-1]._replace(budget_used=family_progress.budget_used)]
        traces.append(
            go.Scatter(
                x=rounded((point.budget_used * size for point in points), 5),
                y=rounded(point.value for point in points),
                mode="lines+markers",
                line=family_line(family_progress.family, width=2),
                marker=family_points(family_progress.family, [9] * len(family_progress.improvements) + [0]),
                name=escape(family_progress.family),
                customdata=trial_customdata(point.trial for point in points),
                hovertemplate=trial_hover(family_progress.family, f"best %{{y:.4f}} after %{{x:.4g}} {unit}"),
            )
        )
    reached = [point.value for family_progress in data.families for point in family_progress.improvements]
    y_axis = axis(metric_name(data.metric), range=value_range(reached))
    figure = draw(traces, height=380, xaxis=axis(f"{unit} spent on the family", rangemode="tozero"), yaxis=y_axis)
    if len(data.families) > 1 and data.common_budget > 0:
        figure.add_vline(x=data.common_budget * size, line={"dash": "dot", "width": 1.5, "color": "#8d939c"})
    return figure


def time_unit(data: Families) -> tuple[str, float]:
    """Choose the unit of the axis; the second value is how many of it are one of the data's."""
    if data.budget == "epochs":
        return "epochs", 1.0
    longest = max((family.budget_used for family in data.families), default=0.0)
    return next((unit, size) for unit, size, most_h in TIME_UNITS if longest <= most_h)


def best_progress(own: Sequence[RankedTrial], family: str, budget: str) -> FamilyProgress:
    """Follow the best value of some trials along the budget they used, in the order in which they ended."""
    used, best = 0.0, -math.inf
    improvements: list[Improvement] = []
    for trial in sorted(own, key=lambda trial: (trial.end is None, trial.end or datetime.max, trial.number)):
        used += trial.epochs if budget == "epochs" else (trial.seconds or 0.0) / 3600
        if trial.value is not None and trial.value > best:
            best = trial.value
            improvements.append(Improvement(used, best, trial.number))
    return FamilyProgress(family, tuple(improvements), used, None, len(own))


def best_within(family: FamilyProgress, budget: float) -> float | None:
    """Find the best value within a budget; None when no trial was complete by then."""
    return max((point.value for point in family.improvements if point.budget_used <= budget), default=None)
