"""Time: on what each family's trials spent it, where the search measured that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.dashboard.figures.plotly_text import escape, escape_template, hover
from analysis.dashboard.figures.style import axis, draw, duration, rounded
from analysis.dashboard.trials import RankedTrial, families_of
from ecg_tune.timing import PARTS

COLORS = {
    "idle": "#d9dce0", "start": "#8d939c", "data": "#f0e442", "images": "#e69f00", "forward": "#56b4e9", "backward": "#1f83c4",
    "optimiser": "#8c6bd1", "validation": "#009e73", "checkpoint": "#cc79a7", "report": "#d55e00", "other": "#5f656d",
}  # fmt: skip


class FamilyTime(NamedTuple):
    """Where the time of a family's trials went.

    Attributes:
        seconds: One for each of `PARTS`, in their order.
        n_trials: Those that measured it.
        n_epochs: That they trained.
    """

    family: str
    seconds: tuple[float, ...]
    n_trials: int
    n_epochs: int


class TimeUse(NamedTuple):
    """What `time_use_figure` draws: families in the order of their first trials."""

    families: tuple[FamilyTime, ...]


def time_use_data(trials: Sequence[RankedTrial]) -> TimeUse:
    """Add up the parts of each family's time.

    Args:
        trials: The study's trials; those that measured nothing, and imported ones, are left out.
    """
    measured = [trial for trial in trials if sum(trial.timing.values()) > 0 and not trial.imported]
    families = []
    for family in families_of(measured):
        own = [trial for trial in measured if trial.family == family]
        seconds = tuple(sum(trial.timing.get(part, 0.0) for trial in own) for part in PARTS)
        families.append(FamilyTime(family, seconds, len(own), sum(trial.epochs for trial in own)))
    return TimeUse(tuple(families))


def time_use_figure(data: TimeUse) -> go.Figure:
    """Draw one bar a family, stacked by part, as shares of its time."""
    shown = list(reversed(data.families))  # plotly draws the first at the bottom
    traces = []
    for index, part in enumerate(PARTS):
        if not any(one.seconds[index] for one in shown):
            continue
        traces.append(
            go.Bar(
                x=rounded((one.seconds[index] for one in shown), 5),
                y=[escape(one.family) for one in shown],
                orientation="h",
                name=part,
                marker={"color": COLORS[part]},
                hovertemplate=[_hover(one, index, part) for one in shown],
            )
        )
    axes = {"xaxis": axis("share of the trials' time (%)"), "yaxis": axis("")}
    columns: dict[str, str | int] = {"Family": "y", "Part": "name", "Seconds": "x"}
    figure = draw(traces, height=150 + 44 * len(shown), columns=columns, barmode="stack", barnorm="percent", **axes)
    return figure.update_layout(legend={"traceorder": "normal"})


def _hover(family: FamilyTime, index: int, part: str) -> str:
    """Describe one part of a bar."""
    seconds = family.seconds[index]
    share, an_epoch = seconds / sum(family.seconds), duration(seconds / max(family.n_epochs, 1))
    lines = (f"{family.family}, {part}: {share:.1%}", f"{duration(seconds)} in all, {an_epoch} an epoch", PARTS[part])
    return hover(*map(escape_template, lines))


def time_sentence(data: TimeUse) -> str:
    """Say how long the trials of each family took, and an epoch of them."""
    parts = []
    for one in data.families:
        whole, trials = sum(one.seconds), "1 trial" if one.n_trials == 1 else f"{one.n_trials} trials"
        parts.append(f"{one.family} {duration(whole)} ({trials}, {duration(whole / max(one.n_epochs, 1))} an epoch)")
    return f"Time in all, everything counted: {'; '.join(parts)}."
