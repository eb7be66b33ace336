"""Failures: how many trials failed, for which reason, in which family."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.dashboard.figures.style import ABSENT, axis, draw, family_color, template_text, text, trial_link, whole_ticks
from analysis.dashboard.frames import TrialRow, families_of

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
    """One failed trial; `message` is what it said, "" when nothing was kept."""

    number: int
    family: str
    reason: str
    message: str


class Failures(NamedTuple):
    """What `failures_figure` and `failures_table` show; reasons by number of trials, most first."""

    failures: tuple[Failure, ...]
    reasons: tuple[str, ...]
    families: tuple[str, ...]


def failures_data(trials: Sequence[TrialRow]) -> Failures:
    """Return the FAIL trials."""
    failed = [trial for trial in trials if trial.state == "FAIL"]
    found = [Failure(trial.number, trial.family, trial.fail_reason or NO_REASON, trial.failure or "") for trial in failed]
    counts = {reason: sum(f.reason == reason for f in found) for reason in {f.reason for f in found}}
    reasons = sorted(counts, key=lambda reason: (-counts[reason], reason))
    return Failures(tuple(found), tuple(reasons), tuple(families_of(failed)))


def failures_figure(data: Failures) -> go.Figure:
    """Draw one stacked bar a reason, parts coloured by family."""
    labels = [text(_spoken(reason)) for reason in reversed(data.reasons)]
    traces = []
    for family in data.families:
        counts = [sum(f.reason == reason and f.family == family for f in data.failures) for reason in reversed(data.reasons)]
        traces.append(
            go.Bar(
                x=counts,
                y=labels,
                orientation="h",
                name=text(family),
                marker={"color": family_color(family)},
                text=[str(count) if count else "" for count in counts],
                textposition="inside",
                insidetextanchor="middle",
                hovertemplate="%{y}: %{x} of " + template_text(family) + "<extra></extra>",
                showlegend=True,
            )
        )
    most = max((sum(f.reason == reason for f in data.failures) for reason in data.reasons), default=1)
    height = 140 + 40 * len(data.reasons)
    axes = {"xaxis": axis("failed trials", **whole_ticks(most)), "yaxis": axis("")}
    figure = draw(traces, height=height, columns={"Reason": "y", "Family": "name", "Failed trials": "x"}, barmode="stack", **axes)
    return figure.update_layout(legend={"traceorder": "normal"})


def failures_table(data: Failures) -> str:
    """Return the failures as an HTML table, one line for trials that said the same, everything escaped."""
    alike: dict[tuple[str, str], list[Failure]] = {}
    for failure in data.failures:
        alike.setdefault((failure.reason, failure.message), []).append(failure)
    ranked = sorted(alike.items(), key=lambda item: (-len(item[1]), item[1][0].number))
    lines = "".join(_line(reason, message, same) for (reason, message), same in ranked[:MOST_LINES])
    head = '<tr><th class="n">Trials</th><th>Which</th><th>Families</th><th>Reason</th><th>What it said</th></tr>'
    more = f'<p class="soft">and {len(ranked) - MOST_LINES} more messages</p>' if len(ranked) > MOST_LINES else ""
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{lines}</tbody></table></div>{more}'


def _line(reason: str, message: str, same: Sequence[Failure]) -> str:
    which = ", ".join(f"{trial_link(failure.number)}" for failure in same[:MOST_NAMED])
    which += f" and {len(same) - MOST_NAMED} more" if len(same) > MOST_NAMED else ""
    families = ", ".join(dict.fromkeys(failure.family for failure in same))
    last = message.strip().splitlines()[-1] if message.strip() else ""
    cut = last if len(last) <= MOST_CHARACTERS else f"{last[:MOST_CHARACTERS]}…"
    whole = f"<details><summary>all of it</summary><pre>{html.escape(message)}</pre></details>" if message.strip() != cut else ""
    return (
        f'<tr><td class="n">{len(same)}</td><td>{which}</td><td>{html.escape(families)}</td><td>{html.escape(_spoken(reason))}</td>'
        f'<td class="message">{html.escape(cut) or ABSENT}{whole}</td></tr>'
    )


def _spoken(reason: str) -> str:
    return f"{reason}: {REASONS[reason]}" if reason in REASONS else reason
