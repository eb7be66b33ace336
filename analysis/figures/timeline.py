"""Timeline: what each worker trained, and when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.figures.style import STATE_COLORS, STATE_NAMES, axis, draw, hover, text
from analysis.frames import STATES, TrialRow

UNKNOWN_WORKER = "worker not recorded"


class Bar(NamedTuple):
    """One trial on its worker's lane."""

    number: int
    lane: str
    start: datetime
    end: datetime
    state: str
    label: str


class Timeline(NamedTuple):
    """What `timeline_figure` draws; `lanes` in order of their first trial."""

    lanes: tuple[str, ...]
    bars: tuple[Bar, ...]


def timeline_data(rows: Sequence[TrialRow], *, now: datetime | None = None) -> Timeline:
    """Return one bar a started trial.

    Args:
        rows: The study's rows.
        now: Where the bars of unfinished trials end; None takes the latest time the study knows.
    """
    known = [time for row in rows for time in (row.start, row.end) if time is not None]
    until = now or max(known, default=None)
    bars = []
    for row in sorted((row for row in rows if row.start is not None), key=lambda row: (row.start or datetime.min, row.number)):
        if row.start is not None and until is not None:
            bars.append(Bar(row.number, row.worker or UNKNOWN_WORKER, row.start, row.end or max(until, row.start), row.state, hover(row)))
    return Timeline(tuple(dict.fromkeys(bar.lane for bar in bars)), tuple(bars))


def timeline_figure(data: Timeline) -> go.Figure:
    """Draw one lane a worker, bars coloured by state, the trial's number inside where it fits."""
    traces = []
    for state in STATES:
        bars = [bar for bar in data.bars if bar.state == state]
        if bars:
            traces.append(
                go.Bar(
                    base=[bar.start for bar in bars],
                    x=[(bar.end - bar.start).total_seconds() * 1000 for bar in bars],
                    y=[text(bar.lane) for bar in bars],
                    orientation="h",
                    name=STATE_NAMES[state],
                    marker={"color": STATE_COLORS[state], "line": {"width": 1, "color": "rgba(255,255,255,0.7)"}},
                    text=[str(bar.number) for bar in bars],
                    textposition="inside",
                    insidetextanchor="middle",
                    textangle=0,
                    customdata=[bar.number for bar in bars],
                    hovertext=[bar.label for bar in bars],
                    hovertemplate="%{hovertext}<extra></extra>",
                )
            )
    lanes = axis("", type="category", categoryorder="array", categoryarray=[text(lane) for lane in reversed(data.lanes)])
    height = 130 + 38 * max(len(data.lanes), 2)
    return draw(traces, height=height, barmode="overlay", bargap=0.25, xaxis=axis("time", type="date"), yaxis=lanes).update_layout(
        uniformtext={"minsize": 9, "mode": "hide"}
    )
