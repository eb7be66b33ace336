"""Classes: the validation AUC of every class at the best epoch of each family's best trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.dashboard.figures.plotly_text import escape, trial_hover
from analysis.dashboard.figures.style import axis, cached_figure, draw, family_marker, rounded, trial_customdata, value_range
from analysis.dashboard.trials import RankedTrial, best_trial, families_of


class BestOfFamily(NamedTuple):
    """A family's best COMPLETE trial; `auc` is (n_classes,), NaN for a class without positives."""

    number: int
    family: str
    value: float
    auc: tuple[float, ...]


class Classes(NamedTuple):
    """What `classes_figure` draws; the study's best trial first."""

    class_names: tuple[str, ...]
    best: tuple[BestOfFamily, ...]


def classes_data(trials: Sequence[RankedTrial], *, class_names: Sequence[str]) -> Classes:
    """Collect the AUC of every class of each family's best COMPLETE trial, if it recorded them."""
    best = [best_trial(trial for trial in trials if trial.family == family) for family in families_of(trials)]
    recorded = [trial for trial in best if trial is not None and trial.per_class_auc]
    found = [BestOfFamily(trial.number, trial.family, float(trial.value or 0.0), trial.per_class_auc or ()) for trial in recorded]
    return Classes(tuple(class_names), tuple(sorted(found, key=lambda one: (-one.value, one.number))))


@cached_figure
def classes_figure(data: Classes) -> go.Figure:
    """Draw one line of points a class, a point a family."""
    names = [escape(name) for name in data.class_names]
    traces = []
    for one in reversed(data.best):
        known = [(auc, name) for auc, name in zip(one.auc, names, strict=False) if not math.isnan(auc)]
        traces.append(
            go.Scatter(
                x=rounded(auc for auc, _ in known),
                y=[name for _, name in known],
                mode="markers",
                marker=family_marker(one.family, size=12),
                name=escape(f"{one.family}, trial {one.number}"),
                showlegend=True,
                customdata=trial_customdata([one.number] * len(known)),
                hovertemplate=trial_hover(one.family, "%{y} AUC %{x:.4f}"),
            )
        )
    reached = [auc for one in data.best for auc in one.auc if not math.isnan(auc)]
    y_axis = axis("", type="category", categoryorder="array", categoryarray=list(reversed(names)))
    x_axis = axis("validation AUC", range=value_range(reached))
    columns = {"Trial": "name", "Class": "y", "Validation AUC": "x"}
    figure = draw(traces, height=150 + 44 * max(len(names), 2), columns=columns, xaxis=x_axis, yaxis=y_axis)
    return figure.update_layout(legend={"traceorder": "reversed"})
