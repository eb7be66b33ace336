"""Pareto front of a study with several objectives: the trials that no other trial beats in one of them without loss in another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.dashboard.figures.plotly_text import escape, escape_template, trial_hover
from analysis.dashboard.figures.style import (
    axis,
    draw,
    family_marker,
    log_axis,
    metric_name,
    rounded,
    trial_customdata,
    value_range,
)
from analysis.dashboard.trials import RankedTrial, completed
from analysis.templating import Markup, render

COSTS = {"parameters": "parameters", "macs": "MACs of a record's prediction", "latency_ms": "latency (ms)"}


class ParetoTrial(NamedTuple):
    """One COMPLETE trial; `values` are of all objectives, the metric first."""

    number: int
    family: str
    values: tuple[float, ...]
    on_front: bool


class Pareto(NamedTuple):
    """What `pareto_figure` and `pareto_table` show; trials by number."""

    objectives: tuple[str, ...]
    trials: tuple[ParetoTrial, ...]

    @property
    def front(self) -> list[ParetoTrial]:
        """The trials on the front, highest metric first."""
        return sorted((trial for trial in self.trials if trial.on_front), key=lambda trial: (-trial.values[0], trial.number))


def pareto_data(trials: Sequence[RankedTrial], *, objectives: Sequence[str]) -> Pareto:
    """Collect the COMPLETE trials with the values of all objectives.

    Args:
        objectives: The metric, then what is minimised.
    """
    return Pareto(
        tuple(objectives), tuple(ParetoTrial(trial.number, trial.family, trial.values, trial.on_front) for trial in completed(trials))
    )


def pareto_figure(data: Pareto, cost: int) -> go.Figure:
    """Draw the metric against one cost, trials on the front filled; with two objectives a stepped line joins them.

    Args:
        cost: The objective on the x axis, 1 for the first that is minimised.
    """
    name = data.objectives[cost]
    traces = [_front_line(data, cost)] if len(data.objectives) == 2 else []
    for family in families_of_trials(data):
        for on_front in (False, True):
            own = [trial for trial in data.trials if trial.family == family and trial.on_front == on_front]
            traces += [
                go.Scatter(
                    x=rounded(trial.values[cost] for trial in own),
                    y=rounded(trial.values[0] for trial in own),
                    mode="markers",
                    marker=family_marker(family, filled=on_front, size=11),
                    name=escape(family),
                    legendgroup=escape(family),
                    showlegend=not any(trace.legendgroup == escape(family) for trace in traces),
                    customdata=trial_customdata(trial.number for trial in own),
                    hovertemplate=trial_hover(
                        family + (" · on the front" if on_front else ""),
                        "%{y:.4f}",
                        f"{escape_template(COSTS.get(name, name))} %{{x:,.6~g}}",
                    ),
                )
            ] * bool(own)
    costs = [trial.values[cost] for trial in data.trials]
    log = bool(costs) and min(costs) > 0 and max(costs) > 20 * min(costs)
    y_axis = axis(metric_name(data.objectives[0]), range=value_range(trial.values[0] for trial in data.trials))
    title = COSTS.get(name, name)
    x_axis = log_axis(title, min(costs), max(costs)) if log else axis(title, type="linear")
    return draw(traces, height=420, xaxis=x_axis, yaxis=y_axis)


def pareto_table(data: Pareto) -> Markup:
    """Render the trials on the front, highest metric first."""
    heads = [COSTS.get(name, name) for name in data.objectives]
    return render("analysis.dashboard", "pareto_front.html", heads=heads, front=data.front)


def families_of_trials(data: Pareto) -> list[str]:
    """List the families that have a trial, in the order of their first trials."""
    return list(dict.fromkeys(trial.family for trial in data.trials))


def _front_line(data: Pareto, cost: int) -> go.Scatter:
    front = sorted(data.front, key=lambda trial: (trial.values[cost], trial.values[0]))
    return go.Scatter(
        x=rounded(trial.values[cost] for trial in front),
        y=rounded(trial.values[0] for trial in front),
        mode="lines",
        line={"shape": "hv", "width": 1.5},
        name="front",
        customdata=trial_customdata(trial.number for trial in front),
        hoverinfo="skip",
    )
