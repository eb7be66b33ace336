"""Rung survival: how many trials of a family reached each rung, and what happened to them there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.dashboard.figures.plotly_text import hover
from analysis.dashboard.figures.style import STATE_COLORS, axis, cached_figure, draw, whole_ticks
from analysis.dashboard.trials import RankedTrial

OUTCOMES = {
    "continued": ("continued or finished", STATE_COLORS["COMPLETE"]),
    "pruned": ("stopped early here", STATE_COLORS["PRUNED"]),
    "failed": ("failed here", STATE_COLORS["FAIL"]),
    "running": ("not ended", STATE_COLORS["RUNNING"]),
}
"""What can happen to a trial at a rung: the field of `Rung` → its name in the legend, its colour."""


class Rung(NamedTuple):
    """The trials that reached a rung; ``reached`` is the sum of the four outcomes.

    Attributes:
        epoch: Of the rung; 0 is the start.
        pruned: Those that early stopping ended here, before any later rung; ``failed`` and ``running`` alike.
    """

    epoch: int
    reached: int
    continued: int
    pruned: int
    failed: int
    running: int


class RungSurvival(NamedTuple):
    """What `rung_survival_figure` draws."""

    family: str
    rungs: tuple[Rung, ...]


def rung_survival_data(trials: Sequence[RankedTrial], *, family: str, rungs: Sequence[int]) -> RungSurvival:
    """Count the family's started trials at the start and at each rung, as `ecg-tune status` does.

    A trial reaches a rung when it trains that many epochs. One that its own patience ends before counts there too, with its best value.
    A COMPLETE trial that reaches no later rung has finished.

    Args:
        rungs: The study's rungs, in epochs.
    """
    own = [trial for trial in trials if trial.family == family and trial.state != "WAITING"]
    return RungSurvival(family, tuple(_rung(own, epoch) for epoch in (0, *sorted(rungs))))


@cached_figure
def rung_survival_figure(data: RungSurvival) -> go.Figure:
    """Draw one stacked bar a rung."""
    labels = ["start" if rung.epoch == 0 else f"epoch {rung.epoch}" for rung in data.rungs]
    traces = []
    for outcome, (name, color) in OUTCOMES.items():
        counts = [getattr(rung, outcome) for rung in data.rungs]
        if any(counts) or outcome == "continued":
            traces.append(
                go.Bar(
                    x=labels,
                    y=counts,
                    name=name,
                    showlegend=True,
                    marker={"color": color},
                    text=[str(count) if count else "" for count in counts],
                    textposition="inside",
                    insidetextanchor="middle",
                    textangle=0,
                    textfont={"size": 12},
                    constraintext="none",
                    hovertemplate=hover(f"%{{x}}: %{{y}} {name}"),
                )
            )
    most = max((rung.reached for rung in data.rungs), default=1)
    figure = draw(traces, height=320, barmode="stack", xaxis=axis("rung"), yaxis=axis("trials", rangemode="tozero", **whole_ticks(most)))
    return figure.update_layout(legend={"traceorder": "normal"}, uniformtext={"minsize": 12, "mode": "hide"})


def _rung(trials: Sequence[RankedTrial], epoch: int) -> Rung:
    reached = [trial for trial in trials if epoch == 0 or epoch in trial.rungs]
    ended_here = [trial for trial in reached if not (trial.state == "COMPLETE" or any(rung > epoch for rung in trial.rungs))]
    pruned, failed, running = (sum(trial.state == state for trial in ended_here) for state in ("PRUNED", "FAIL", "RUNNING"))
    return Rung(epoch, len(reached), len(reached) - len(ended_here), pruned, failed, running)
