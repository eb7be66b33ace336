"""Failures: how many trials failed, for which reason, in which family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.dashboard.figures.plotly_text import escape, escape_template, hover
from analysis.dashboard.figures.style import ABSENT, axis, draw, family_color, whole_ticks
from analysis.dashboard.trials import RankedTrial, families_of
from analysis.templating import Markup, render

REASONS = {
    "nan": "loss or score was not a number",
    "oom": "out of memory",
    "error": "the code raised an error",
    "timeout": "took too long",
    "preempted": "the machine was taken away",
}
NO_REASON = "reason not recorded"
MOST_LINES, MOST_NAMED, MOST_CHARACTERS = 50, 12, 300


class Failure(NamedTuple):
    """One failed trial; `message` is the text of its error, "" when none was kept."""

    number: int
    family: str
    reason: str
    message: str


class Failures(NamedTuple):
    """What `failures_figure` and `failures_table` show; reasons by number of trials, most first."""

    failures: tuple[Failure, ...]
    reasons: tuple[str, ...]
    families: tuple[str, ...]


class _Line(NamedTuple):
    """Trials that failed with the same message, as one line of the table.

    Attributes:
        n_trials: How many they are; `numbers` are those of the first `MOST_NAMED`.
        last_line: Of the message, shortened, where the error is; "" without a message.
        message: The whole message; "" when `last_line` is all of it.
    """

    n_trials: int
    numbers: list[int]
    families: str
    reason: str
    last_line: str
    message: str


def failures_data(trials: Sequence[RankedTrial]) -> Failures:
    """Collect the failed trials and count them by reason."""
    failed = [trial for trial in trials if trial.state == "FAIL"]
    found = [Failure(trial.number, trial.family, trial.fail_reason or NO_REASON, trial.failure or "") for trial in failed]
    counts = {reason: sum(f.reason == reason for f in found) for reason in {f.reason for f in found}}
    reasons = sorted(counts, key=lambda reason: (-counts[reason], reason))
    return Failures(tuple(found), tuple(reasons), tuple(families_of(failed)))


def failures_figure(data: Failures) -> go.Figure:
    """Draw one stacked bar a reason, parts coloured by family."""
    labels = [escape(_spoken(reason)) for reason in reversed(data.reasons)]
    traces = []
    for family in data.families:
        counts = [sum(f.reason == reason and f.family == family for f in data.failures) for reason in reversed(data.reasons)]
        traces.append(
            go.Bar(
                x=counts,
                y=labels,
                orientation="h",
                name=escape(family),
                marker={"color": family_color(family)},
                text=[str(count) if count else "" for count in counts],
                textposition="inside",
                insidetextanchor="middle",
                hovertemplate=hover("%{y}: %{x} of " + escape_template(family)),
                showlegend=True,
            )
        )
    most = max((sum(f.reason == reason for f in data.failures) for reason in data.reasons), default=1)
    height = 140 + 40 * len(data.reasons)
    axes = {"xaxis": axis("failed trials", **whole_ticks(most)), "yaxis": axis("")}
    figure = draw(traces, height=height, columns={"Reason": "y", "Family": "name", "Failed trials": "x"}, barmode="stack", **axes)
    return figure.update_layout(legend={"traceorder": "normal"})


def failures_table(data: Failures) -> Markup:
    """Render one line for each message, with the trials that failed with it, most trials first."""
    alike: dict[tuple[str, str], list[Failure]] = {}
    for failure in data.failures:
        alike.setdefault((failure.reason, failure.message), []).append(failure)
    ranked = sorted(alike.values(), key=lambda same: (-len(same), same[0].number))
    lines = [_line(same) for same in ranked[:MOST_LINES]]
    return render("analysis.dashboard", "failures.html", lines=lines, absent=ABSENT, n_more=len(ranked) - len(lines))


def _line(same: Sequence[Failure]) -> _Line:
    message = same[0].message.strip()
    last = message.splitlines()[-1] if message else ""
    shortened = last if len(last) <= MOST_CHARACTERS else f"{last[:MOST_CHARACTERS]}…"
    return _Line(
        n_trials=len(same),
        numbers=[failure.number for failure in same[:MOST_NAMED]],
        families=", ".join(dict.fromkeys(failure.family for failure in same)),
        reason=_spoken(same[0].reason),
        last_line=shortened,
        message=same[0].message if message != shortened else "",
    )


def _spoken(reason: str) -> str:
    """Explain a reason, e.g. "oom: out of memory"."""
    return f"{reason}: {REASONS[reason]}" if reason in REASONS else reason
