"""What the three views say about the same course of events."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from ecg_tune.search.progress import stats as stats
from ecg_tune.search.progress.stats import GpuUse, SearchStats, duration
from ecg_tune.search.progress.views import VIEWS, LiveProgress, default_view

FAMILIES = ("rnn", "cnn1d", "resnet1d", "cnn1d_rnn", "alexnet", "vgg", "resnet", "fusion", "inception1d")


def console(*, terminal: bool = False, width: int = 80, height: int = 24) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, height=height, color_system=None, _environ={"TERM": "xterm"})


def said_by(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def play(view: Any) -> None:
    """A trial that went on and was completed, one that was cut, one that failed, one that still runs, and a remark."""
    with view:
        view.started(0, "rnn", continued_at=2)
        view.epoch(0, "rnn", 3, 0.81)
        view.finished(0, "rnn", "COMPLETE", 0.83, "patience")
        view.started(1, "vgg", continued_at=0)
        view.epoch(1, "vgg", 1, 0.61)
        view.finished(1, "vgg", "PRUNED", 0.61, "epoch 1")
        view.started(2, "vgg", continued_at=0)
        view.finished(2, "vgg", "FAIL", None, "oom")
        view.message("family vgg is drawn no more [said once]")
        view.started(3, "rnn", continued_at=0)


def played(name: str, counts: SearchStats | None = None, **terminal: Any) -> str:
    output = console(**terminal)
    play(VIEWS[name](counts or SearchStats(trials=9, max_epochs=4), output))
    return said_by(output)


@pytest.fixture
def clock(monkeypatch) -> Callable[[float], None]:
    """Return a function that sets the tally's clock, in seconds; a tally made with `since=0` counts from 0."""
    now = [0.0]
    monkeypatch.setattr(stats, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return lambda seconds: now.__setitem__(0, seconds)


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_keeps_the_same_tally(name):
    counts = SearchStats(trials=9, max_epochs=4, states=Counter(FAIL=1), best=(0.82, 7, "fusion"))
    played(name, counts)
    assert counts.states == {"COMPLETE": 1, "PRUNED": 1, "FAIL": 2}
    assert counts.best == (0.83, 0, "rnn")
    assert counts.running == {3: ("rnn", 0, None)}


@pytest.mark.parametrize("name", VIEWS)
def test_a_remark_is_shown_word_for_word(name):
    assert "family vgg is drawn no more [said once]" in played(name)


def test_plain_lines_tell_every_event():
    assert [re.sub(r"about .* left", "about … left", line) for line in played("plain").splitlines()] == [
        "trial 0 (rnn) goes on after epoch 2",
        "trial 0 (rnn) epoch 3/4: 0.8100",
        "trial 0 (rnn) COMPLETE 0.8300 [patience] — 1/9 trials, 1 COMPLETE, 0 running, best 0.8300 (trial 0, rnn)",
        "trial 1 (vgg) starts",
        "trial 1 (vgg) epoch 1/4: 0.6100",
        "trial 1 (vgg) PRUNED 0.6100 [epoch 1] — 2/9 trials, 1 COMPLETE, 1 PRUNED, 0 running, best 0.8300 (trial 0, rnn)",
        "trial 2 (vgg) starts",
        "trial 2 (vgg) FAIL [oom] — 3/9 trials, 1 COMPLETE, 1 PRUNED, 1 FAIL, 0 running, best 0.8300 (trial 0, rnn)",
        "family vgg is drawn no more [said once]",
        "trial 3 (rnn) starts",
    ]


def test_plain_lines_are_never_wrapped():
    assert len(played("plain", width=20).splitlines()) == 10


def test_json_lines_tell_every_event_with_its_time(clock):
    counts = SearchStats(trials=9, max_epochs=4, since=0.0)
    clock(8.0)
    events = [json.loads(line) for line in played("jsonl", counts).splitlines()]
    assert [event["event"] for event in events] == [
        "started", "epoch", "finished", "started", "epoch", "finished", "started", "finished", "said", "started",
    ]  # fmt: skip
    assert all(datetime.fromisoformat(event.pop("time")).tzinfo for event in events)
    assert events[0] == {"event": "started", "number": 0, "family": "rnn", "continued_at": 2}
    assert events[1] == {"event": "epoch", "number": 0, "family": "rnn", "epoch": 3, "value": 0.81}
    assert events[7] == {
        "event": "finished", "number": 2, "family": "vgg", "state": "FAIL", "value": None, "reason": "oom",
        "trials": 9, "states": {"COMPLETE": 1, "PRUNED": 1, "FAIL": 1}, "running": 0,
        "best": {"value": 0.83, "number": 0, "family": "rnn"}, "eta_s": 32.0,
    }  # fmt: skip
    assert events[8] == {"event": "said", "text": "family vgg is drawn no more [said once]"}


def test_a_json_line_is_flushed_before_the_next_event():
    class Flushed(io.StringIO):
        seen = ""

        def flush(self) -> None:
            self.seen = self.getvalue()

    output = Console(file=Flushed())
    VIEWS["jsonl"](SearchStats(trials=1, max_epochs=1), output).message("hello")
    assert json.loads(output.file.seen)["text"] == "hello"


def crowded(height: int = 24) -> LiveProgress:
    """Return a live view of a search with all there is to show."""
    standing = {family: {3: 112, 9: 40, 27: 11} for family in FAMILIES[:7]} | {"fusion": {3: 1}}
    counts = SearchStats(
        trials=1000, max_epochs=50, slots=40, since=0.0,
        states=Counter(COMPLETE=102, PRUNED=640, FAIL=13), best=(0.91234, 511, "cnn1d_rnn"),
        rung_counts=lambda: standing, gpus=lambda: [GpuUse(0.834, 61.2, 139.8)] * 4,
    )  # fmt: skip
    view = LiveProgress(counts, console(terminal=True, height=height))
    for number in range(755, 790):
        counts.started(number, FAMILIES[number % 8], 0)
        counts.epoch(number, FAMILIES[number % 8], 12, 0.87654)
    return view


def shown(view: LiveProgress) -> str:
    with view.console.capture() as capture:
        view.console.print(view._view())
    return capture.get()


def test_the_live_table_shows_states_rungs_best_slots_gpus_and_time_left(clock):
    view = crowded()
    view.stats.finished(755, "cnn1d", "PRUNED", 0.5)
    clock(350.0)  # 35 epochs so far: 10 s each; 210 trials of 12 epochs are to come
    text = shown(view)
    assert "756/1000 trials, 102 COMPLETE, 641 PRUNED, 13 FAIL, 34 running" in text
    assert "best 0.9123 (trial 511, cnn1d_rnn), 34 of 40 slots busy, about 7.0 h left" in text
    assert "GPUs: 83% busy 61/140 GB" in text
    assert "trials at the rungs (epoch 3→9→27):" in text
    assert all(f"{family} 112→40→11" in text for family in FAMILIES[:7])
    assert "fusion 1→0→0" in text
    assert re.search(r"756 │ alexnet +│ +12/50 │ +0.8765", text)


@pytest.mark.parametrize("height", [16, 24, 60])
def test_the_live_table_fits_the_terminal(height):
    lines = shown(crowded(height)).splitlines()
    assert max(cell_len(line.rstrip()) for line in lines) <= 80
    assert len(lines) < max(height, 20)
    assert ("more" in lines[-1]) == (height < 60)


def test_a_search_that_has_just_begun_takes_two_lines():
    view = LiveProgress(SearchStats(trials=3, max_epochs=2, slots=2), console(terminal=True))
    assert shown(view).split("\n") == ["0/3 trials, 0 running", "0 of 2 slots busy", ""]


def test_ended_trials_and_remarks_scroll_by_above_the_live_table():
    text = played("live", terminal=True)
    ended = text.index("trial 0 (rnn) COMPLETE 0.8300 [patience]")
    assert ended < text.index("family vgg is drawn no more [said once]") < text.rindex("3/9 trials")
    assert "trial 0 (rnn) epoch 3/4" not in text


def test_the_view_is_live_in_a_terminal_and_plain_elsewhere():
    assert default_view(console(terminal=True)) == "live"
    assert default_view(console(terminal=False)) == "plain"
    dumb = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    assert default_view(dumb) == "plain"
    assert set(VIEWS) == {"live", "plain", "jsonl"}


def test_nobody_knows_the_time_left_before_a_trial_ended():
    counts = SearchStats(trials=4, max_epochs=4)
    counts.started(0, "rnn", 0)
    counts.epoch(0, "rnn", 1, 0.5)
    assert counts.eta_s() is None


def test_a_budget_that_ends_the_search_first_bounds_the_time_left():
    counts = SearchStats(trials=4, max_epochs=4, budget_left_s=lambda: 7.0)
    assert counts.eta_s() == 7.0
    counts.started(0, "rnn", 0)
    counts.epoch(0, "rnn", 1, 0.5)
    assert counts.left() == "about 7 s left"


def test_the_time_left_counts_the_epochs_to_come_at_the_pace_of_all_slots(clock):
    counts = SearchStats(trials=4, max_epochs=4, since=0.0)
    for number in (0, 1):
        counts.started(number, "rnn", 0)
        for epoch in (1, 2, 3):
            counts.epoch(number, "rnn", epoch, 0.5)
    counts.finished(0, "rnn", "COMPLETE", 0.5)
    counts.started(2, "rnn", 0)
    counts.epoch(2, "rnn", 1, 0.5)
    clock(14.0)
    assert counts.eta_s() == pytest.approx(2.0 * (3 + 0 + 2))  # trial 3 is to come, 1 is at its end, 2 has two epochs to go


def test_where_trials_are_to_pause_the_time_left_is_unknown_while_only_whole_trainings_ended(clock):
    counts = SearchStats(trials=60, max_epochs=3, since=0.0, pauses=True)
    for number in (0, 1):
        counts.started(number, "rnn", 0)
        counts.epoch(number, "rnn", 3, 0.5)
        counts.finished(number, "rnn", "COMPLETE", 0.5)
    counts.started(2, "rnn", 0)
    clock(6.0)
    assert (counts.eta_s(), counts.left()) == (None, "")
    counts.epoch(2, "rnn", 1, 0.5)
    counts.paused(2)
    assert counts.eta_s() == pytest.approx(2.0 * (57 + 3))


def test_where_trials_wait_the_time_left_is_that_of_new_ones_and_of_one_whole_training(clock):
    counts = SearchStats(trials=6, max_epochs=9, since=0.0)
    for number, epochs in ((0, 1), (1, 3)):
        counts.started(number, "rnn", 0)
        for epoch in range(1, epochs + 1):
            counts.epoch(number, "rnn", epoch, 0.5)
        counts.paused(number)
    assert counts.counts() == "0/6 trials, 0 running, 2 waiting"
    clock(8.0)
    assert counts.eta_s() == pytest.approx(2.0 * (4 * 2 + 9))
    counts.started(0, "rnn", 1)
    assert (set(counts.running), counts.waiting) == ({0}, {1})


@pytest.mark.parametrize("name", ["live", "plain", "jsonl"])
def test_every_view_says_why_a_trial_waits(name):
    output, counts = console(width=200), SearchStats(trials=9, max_epochs=4)
    with VIEWS[name](counts, output) as view:
        view.started(0, "rnn", continued_at=0)
        view.epoch(0, "rnn", 1, 0.81)
        view.paused(0, "rnn", 1, "trial 0 waits at epoch 1: a reason")
    assert "trial 0 waits at epoch 1: a reason" in said_by(output)
    assert counts.waiting == {0}


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0 s"), (89, "89 s"), (720, "12 min"), (12240, "3.4 h")])
def test_durations_read_as_a_person_writes_them(seconds, text):
    assert duration(seconds) == text
