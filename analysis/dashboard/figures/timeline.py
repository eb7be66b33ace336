"""Timeline: what each worker trained and when, and when it had nothing to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.dashboard.figures.plotly_text import escape, hover, trial_hover
from analysis.dashboard.figures.style import STATE_COLORS, STATE_NAMES, axis, draw, duration, trial_customdata
from analysis.dashboard.trials import RankedTrial

UNKNOWN_WORKER = "worker not recorded"
RUNNING_NOW, INTERRUPTED = "running now", "interrupted"
"""The lanes of trials that run: a trial's worker is recorded when it ends."""
IDLE_COLOR = "rgba(125,133,144,0.22)"
MOST_LABELLED = 300


class Bar(NamedTuple):
    """One trial on its lane; `worker` is the process that trained it, as far as it is known."""

    number: int
    lane: str
    start: datetime
    end: datetime
    state: str
    family: str
    epochs: int
    worker: str


class Gap(NamedTuple):
    """A time between two trials of a lane."""

    lane: str
    start: datetime
    end: datetime


class Timeline(NamedTuple):
    """What `timeline_figure` draws.

    Attributes:
        lanes: In order of their first trial. A process that starts on a machine where another one has ended gets its lane.
        gaps: Those worth seeing: at least 1 % of the whole time and 2 s.
        busy: Share of the lanes' time, first start to last end of each, in which a trial ran; None without bars.
    """

    lanes: tuple[str, ...]
    bars: tuple[Bar, ...]
    gaps: tuple[Gap, ...]
    busy: float | None


class _Span(NamedTuple):
    start: datetime
    end: datetime
    trials: tuple[RankedTrial, ...]


def timeline_data(trials: Sequence[RankedTrial], *, now: datetime | None = None) -> Timeline:
    """Put the bars of all started trials on lanes, and find the gaps between them.

    Args:
        trials: The study's trials; imported ones, which ran elsewhere, are left out.
        now: Where the bars of unfinished trials end; None takes the latest time the study knows.
    """
    known = [time for trial in trials for time in (trial.start, trial.end) if time is not None]
    until = now or max(known, default=None)
    if until is None:
        return Timeline((), (), (), None)
    lanes: dict[str, list[RankedTrial]] = {}
    for machine, spans in _spans_by_machine(trials, until).items():
        for index, lane in enumerate(_lanes(spans), 1):
            several = len(lane) > 1 or machine in (UNKNOWN_WORKER, RUNNING_NOW, INTERRUPTED)
            name = f"{machine} · {index}" if several else _worker(lane[0].trials[0])
            lanes[name] = [trial for span in lane for trial in span.trials]
    bars = [bar for lane, own in lanes.items() for bar in _bars(lane, own, until)]
    ordered = tuple(dict.fromkeys(bar.lane for bar in sorted(bars, key=lambda bar: (bar.start, bar.number))))
    whole = max(bar.end for bar in bars) - min(bar.start for bar in bars) if bars else timedelta()
    gaps = [gap for lane in ordered for gap in _gaps([bar for bar in bars if bar.lane == lane])]
    shown = [gap for gap in gaps if gap.end - gap.start >= max(whole / 100, timedelta(seconds=2))]
    return Timeline(ordered, tuple(sorted(bars, key=lambda bar: (bar.start, bar.number))), tuple(shown), _busy(bars, gaps))


def timeline_figure(data: Timeline) -> go.Figure:
    """Draw one lane a worker, bars coloured by state, the trial's number inside where it fits, grey where the lane was idle."""
    labelled = len(data.bars) <= MOST_LABELLED
    traces = [_idle(data.gaps)] if data.gaps else []
    for state in STATE_NAMES:
        bars = [bar for bar in data.bars if bar.state == state]
        traces += [_state_bars(state, bars, labelled=labelled)] * bool(bars)
    lanes = axis("", type="category", categoryorder="array", categoryarray=[escape(lane) for lane in reversed(data.lanes)])
    height = 130 + (38 if len(data.lanes) <= 16 else 20) * max(len(data.lanes), 2)
    axes = {"xaxis": axis("time", type="date"), "yaxis": lanes}
    columns: dict[str, str | int] = {"Lane": "y", "Trial": 0, "Family": 1, "State": "name", "Start": "base", "Lasted": 3, "Epochs": 2}
    figure = draw(traces, height=height, columns=columns, barmode="overlay", bargap=0.25, **axes)
    return figure.update_layout(uniformtext={"minsize": 9, "mode": "hide"}) if labelled else figure


def idle_sentence(data: Timeline) -> str:
    """Say how busy the lanes were and where the longest gap is; "" without bars."""
    if data.busy is None:
        return ""
    message = f"The lanes were busy {data.busy:.0%} of the time between their first start and last end."
    longest = max(data.gaps, key=lambda gap: gap.end - gap.start, default=None)
    if longest:
        seconds = (longest.end - longest.start).total_seconds()
        message += f" The longest gap is {duration(seconds)} on {longest.lane}, from {longest.start:%Y-%m-%d %H:%M:%S}."
    return message


def _spans_by_machine(trials: Iterable[RankedTrial], until: datetime) -> dict[str, list[_Span]]:
    """Group trials by machine, one span for each worker; a trial whose worker is not recorded (yet) is a span of its own."""
    own: dict[tuple[str, str], list[RankedTrial]] = {}
    for trial in trials:
        if trial.start is not None and not trial.imported:
            machine = (
                _machine(trial)
                if trial.worker
                else RUNNING_NOW
                if trial.shown_state == "RUNNING"
                else INTERRUPTED
                if trial.interrupted
                else UNKNOWN_WORKER
            )
            own.setdefault((machine, trial.worker or str(trial.number)), []).append(trial)
    spans: dict[str, list[_Span]] = {}
    for (machine, _), mine in own.items():
        starts, ends = [trial.start for trial in mine if trial.start], [_end(trial, until) for trial in mine]
        spans.setdefault(machine, []).append(_Span(min(starts), max(ends), tuple(mine)))
    return spans


def _lanes(spans: Iterable[_Span]) -> list[list[_Span]]:
    """Put spans on as few lanes as possible without overlap."""
    lanes: list[list[_Span]] = []
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        free = next((lane for lane in lanes if lane[-1].end <= span.start), None)
        if free is None:
            lanes.append([span])
        else:
            free.append(span)
    return lanes


def _bars(lane: str, trials: Iterable[RankedTrial], until: datetime) -> list[Bar]:
    return [
        Bar(trial.number, lane, trial.start, _end(trial, until), trial.shown_state, trial.family, trial.epochs, _worker(trial))
        for trial in trials
        if trial.start
    ]


def _gaps(bars: Iterable[Bar]) -> list[Gap]:
    """Find the times between the bars of one lane."""
    found: list[Gap] = []
    busy_until: datetime | None = None
    for bar in sorted(bars, key=lambda bar: bar.start):
        if busy_until is not None and bar.start > busy_until:
            found.append(Gap(bar.lane, busy_until, bar.start))
        busy_until = bar.end if busy_until is None else max(busy_until, bar.end)
    return found


def _busy(bars: Sequence[Bar], gaps: Sequence[Gap]) -> float | None:
    by_lane = [[bar for bar in bars if bar.lane == lane] for lane in dict.fromkeys(bar.lane for bar in bars)]
    whole = sum((max(bar.end for bar in own) - min(bar.start for bar in own)).total_seconds() for own in by_lane)
    idle = sum((gap.end - gap.start).total_seconds() for gap in gaps)
    return 1 - idle / whole if whole > 0 else None


def _idle(gaps: Sequence[Gap]) -> go.Bar:
    return go.Bar(
        base=[gap.start.isoformat(timespec="milliseconds") for gap in gaps],
        x=[round((gap.end - gap.start).total_seconds() * 1000) for gap in gaps],
        y=[escape(gap.lane) for gap in gaps],
        orientation="h",
        name="idle",
        marker={"color": IDLE_COLOR, "pattern": {"shape": "/", "size": 5, "fgcolor": "#8d939c", "bgcolor": "rgba(0,0,0,0)"}},
        customdata=[[None, None, None, duration((gap.end - gap.start).total_seconds())] for gap in gaps],
        hovertemplate=hover("idle for %{customdata[3]}"),
    )


def _state_bars(state: str, bars: Sequence[Bar], *, labelled: bool) -> go.Bar:
    lasted = [(bar.end - bar.start).total_seconds() for bar in bars]
    more = ([bar.family for bar in bars], [bar.epochs for bar in bars], list(map(duration, lasted)), [bar.worker for bar in bars])
    return go.Bar(
        base=[bar.start.isoformat(timespec="milliseconds") for bar in bars],
        x=[round(seconds * 1000) for seconds in lasted],
        y=[escape(bar.lane) for bar in bars],
        orientation="h",
        name=STATE_NAMES[state],
        marker={"color": STATE_COLORS[state], "line": {"width": 1 if labelled else 0, "color": "rgba(255,255,255,0.7)"}},
        text=[str(bar.number) for bar in bars] if labelled else None,
        textposition="inside",
        insidetextanchor="middle",
        textangle=0,
        customdata=trial_customdata((bar.number for bar in bars), *more),
        hovertemplate=trial_hover(STATE_NAMES[state], "%{customdata[1]}, %{customdata[2]} epochs, %{customdata[3]}", "%{customdata[4]}"),
    )


def _end(trial: RankedTrial, until: datetime) -> datetime:
    return trial.end or max(until, trial.start or until)


def _machine(trial: RankedTrial) -> str:
    return trial.node or str(trial.worker).rpartition(":")[0] or str(trial.worker)


def _worker(trial: RankedTrial) -> str:
    if not trial.worker:
        return UNKNOWN_WORKER
    return trial.worker + (f" · {trial.device}" if trial.device and trial.device != "cpu" else "")
