"""Several studies in one figure: the best value that each had found, against the epochs or hours that it had used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.dashboard.figures.families import Families, FamilyProgress, best_progress, best_within, time_unit
from analysis.dashboard.figures.plotly_text import escape, escape_template, hover
from analysis.dashboard.figures.style import PALETTE, SYMBOLS, axis, draw, metric_name, rounded, trial_customdata, value_range
from analysis.dashboard.trials import RankedTrial

DASHES = ("solid", "dash", "dot", "dashdot")


class StudyLook(NamedTuple):
    """How a study is drawn, so that colour is not the only difference."""

    color: str
    symbol: str
    dash: str


def study_look(index: int) -> StudyLook:
    """Choose the look of the study at a place in the list."""
    return StudyLook(PALETTE[index % len(PALETTE)], SYMBOLS[index % len(SYMBOLS)], DASHES[index % len(DASHES)])


def study_progress_data(studies: Mapping[str, Sequence[RankedTrial]], *, metric: str, budget: str) -> Families:
    """Follow every study's best value along the budget it used, as `families_data` does for families.

    Args:
        studies: Name → its trials; imported ones were trained elsewhere and are left out.
        budget: "epochs" or "hours".
    """
    used = [best_progress([trial for trial in own if not trial.imported], name, budget) for name, own in studies.items()]
    common = min((study.budget_used for study in used if study.improvements), default=0.0)
    return Families(metric, budget, tuple(study._replace(best_at_common=best_within(study, common)) for study in used), common)


def study_progress_figure(data: Families) -> go.Figure:
    """Draw one step line a study; the dotted line is the budget that all of them had."""
    unit, size = time_unit(data)
    traces = [_line(study, study_look(index), unit, size) for index, study in enumerate(data.families) if study.improvements]
    reached = [point.value for study in data.families for point in study.improvements]
    title, value = f"{unit} used by the study", metric_name(data.metric)
    axes = {"xaxis": axis(title, rangemode="tozero"), "yaxis": axis(value, range=value_range(reached))}
    figure = draw(traces, height=380, columns={"Study": "name", "Trial": 1, title: "x", f"best {value}": "y"}, **axes)
    if len(data.families) > 1 and data.common_budget > 0:
        figure.add_vline(x=data.common_budget * size, line={"dash": "dot", "width": 1.5, "color": "#8d939c"})
    return figure


def _line(study: FamilyProgress, look: StudyLook, unit: str, size: float) -> go.Scatter:
    points = [*study.improvements, study.improvements[-1]._replace(budget_used=study.budget_used)]
    sizes = [9] * len(study.improvements) + [0]
    return go.Scatter(
        x=rounded((point.budget_used * size for point in points), 5),
        y=rounded(point.value for point in points),
        mode="lines+markers",
        line={"shape": "hv", "width": 2, "color": look.color, "dash": look.dash},
        marker={"color": look.color, "symbol": look.symbol, "size": sizes, "line": {"width": 0}},
        name=escape(study.family),
        customdata=trial_customdata((None for _ in points), (point.trial for point in points)),
        hovertemplate=hover(f"{escape_template(study.family)} · trial %{{customdata[1]}}", f"best %{{y:.4f}} after %{{x:.4g}} {unit}"),
    )
