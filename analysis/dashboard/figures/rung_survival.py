"""Rung survival: how many trials of a family stood at each rung, and what became of them there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.dashboard.figures.plotly_text import hover
from analysis.dashboard.figures.style import STATE_COLORS, axis, cached_figure, draw, whole_ticks
from analysis.dashboard.frames import TrialRow

FATES = {
    "went_on": ("went on or finished", STATE_COLORS["COMPLETE"]),
    "pruned": ("stopped early here", STATE_COLORS["PRUNED"]),
    "failed": ("failed here", STATE_COLORS["FAIL"]),
    "running": ("still running", STATE_COLORS["RUNNING"]),
}


class Rung(NamedTuple):
    """The trials that stood at a rung; `epoch` 0 is the start. ``stood`` is the sum of the four fates."""

    epoch: int
    stood: int
    went_on: int
    pruned: int
    failed: int
    running: int


class RungSurvival(NamedTuple):
    """What `rung_survival_figure` draws."""

    family: str
    rungs: tuple[Rung, ...]


def rung_survival_data(trials: Sequence[TrialRow], *, family: str, rungs: Sequence[int]) -> RungSurvival:
    """Count the family's started trials at the start and at each rung, as `ecg-tune status` does.

    A trial stands at a rung when it trained that many epochs, or was ended by its own patience before: then with its best value. A
    COMPLETE trial that stands at no later rung went on to its end.
    """
    own = [trial for trial in trials if trial.family == family and trial.state != "WAITING"]
    return RungSurvival(family, tuple(_rung(own, level) for level in (0, *sorted(rungs))))


@cached_figure
def rung_survival_figure(data: RungSurvival) -> go.Figure:
    """Draw one stacked bar a rung."""
    labels = ["start" if rung.epoch == 0 else f"epoch {rung.epoch}" for rung in data.rungs]
    traces = []
    for fate, (name, color) in FATES.items():
        counts = [getattr(rung, fate) for rung in data.rungs]
        if any(counts) or fate == "went_on":
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
    most = max((rung.stood for rung in data.rungs), default=1)
    figure = draw(traces, height=320, barmode="stack", xaxis=axis("rung"), yaxis=axis("trials", rangemode="tozero", **whole_ticks(most)))
    return figure.update_layout(legend={"traceorder": "normal"}, uniformtext={"minsize": 12, "mode": "hide"})


def _rung(trials: Sequence[TrialRow], level: int) -> Rung:
    standing = [trial for trial in trials if level == 0 or level in trial.rungs]
    ended_here = [trial for trial in standing if not (trial.state == "COMPLETE" or any(rung > level for rung in trial.rungs))]
    pruned, failed, running = (sum(trial.state == state for trial in ended_here) for state in ("PRUNED", "FAIL", "RUNNING"))
    return Rung(level, len(standing), len(standing) - len(ended_here), pruned, failed, running)
