"""Families: the best value each reached, against what was spent on it (epochs or training hours)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.dashboard.figures.plotly_text import escape, trial_hover
from analysis.dashboard.figures.style import axis, draw, family_line, family_points, metric_name, rounded, trial_customdata, value_range
from analysis.dashboard.frames import TrialRow, families_of

UNITS = (("training seconds", 3600.0, 2 / 60), ("training minutes", 60.0, 2.0), ("training hours", 1.0, math.inf))
"""Unit, how many are an hour, and up to how many hours of the longest family it is drawn in."""


class FamilyCourse(NamedTuple):
    """One family's course: at each COMPLETE trial that was the best so far, what was spent by then, its value, its number.

    Attributes:
        spent: What the family took in all, with its stopped, failed and unfinished trials.
        best_at_common: Best value within `Families.common`; None when no trial was complete by then.
    """

    family: str
    course: tuple[tuple[float, float, int], ...]
    spent: float
    best_at_common: float | None
    n_trials: int


class Families(NamedTuple):
    """What `families_figure` draws; `common` is what every family was given (the least of them)."""

    metric: str
    budget: str
    courses: tuple[FamilyCourse, ...]
    common: float


def families_data(trials: Sequence[TrialRow], *, metric: str, budget: str = "epochs") -> Families:
    """Return every family's best value against the budget spent on it, trials in the order they ended.

    Args:
        trials: The study's trials.
        metric: The study's metric.
        budget: "epochs" or "hours".
    """
    raw = [_course([trial for trial in trials if trial.family == family], family, budget) for family in families_of(trials)]
    common = min((course.spent for course in raw if course.course), default=0.0)
    courses = [course._replace(best_at_common=max((v for s, v, _ in course.course if s <= common), default=None)) for course in raw]
    return Families(metric, budget, tuple(courses), common)


def families_figure(data: Families) -> go.Figure:
    """Draw one step line a family; the dotted line is the budget all of them had."""
    unit, size = _unit(data)
    traces = []
    for course in data.courses:
        if not course.course:
            continue
        last = (course.spent, course.course[-1][1], course.course[-1][2])
        points = [*course.course, last]
        traces.append(
            go.Scatter(
                x=rounded((spent * size for spent, _, _ in points), 5),
                y=rounded(value for _, value, _ in points),
                mode="lines+markers",
                line=family_line(course.family, width=2),
                marker=family_points(course.family, [9] * len(course.course) + [0]),
                name=escape(course.family),
                customdata=trial_customdata(trial for _, _, trial in points),
                hovertemplate=trial_hover(course.family, f"best %{{y:.4f}} after %{{x:.4g}} {unit}"),
            )
        )
    reached = [value for course in data.courses for _, value, _ in course.course]
    y_axis = axis(metric_name(data.metric), range=value_range(reached))
    figure = draw(traces, height=380, xaxis=axis(f"{unit} spent on the family", rangemode="tozero"), yaxis=y_axis)
    if len(data.courses) > 1 and data.common > 0:
        figure.add_vline(x=data.common * size, line={"dash": "dot", "width": 1.5, "color": "#8d939c"})
    return figure


def _unit(data: Families) -> tuple[str, float]:
    """Return the unit of the axis, and how many of it are one of the data's."""
    if data.budget == "epochs":
        return "epochs", 1.0
    longest = max((course.spent for course in data.courses), default=0.0)
    return next((unit, size) for unit, size, most_h in UNITS if longest <= most_h)


def _course(own: Sequence[TrialRow], family: str, budget: str) -> FamilyCourse:
    spent, best, best_trial = 0.0, None, -1
    course: list[tuple[float, float, int]] = []
    for trial in sorted(own, key=lambda trial: (trial.end is None, trial.end or datetime.max, trial.number)):
        spent += trial.epochs if budget == "epochs" else (trial.seconds or 0.0) / 3600
        if trial.value is not None and (best is None or trial.value > best):
            best, best_trial = trial.value, trial.number
            course.append((spent, best, best_trial))
    return FamilyCourse(family, tuple(course), spent, None, len(own))
