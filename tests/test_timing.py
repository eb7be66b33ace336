"""The stopwatch gives each second to one part; a real search's parts add up to the time that its trials took."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest

import ecg_tune.timing
from analysis.dashboard.sections import StudyData, sections_of
from analysis.dashboard.trials import ranked_trials
from ecg_tune.cli.main import run
from ecg_tune.study.study import Study
from ecg_tune.study.summary import summarise
from ecg_tune.timing import OFF, PARTS, Stopwatch


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """Return the time that the stopwatch reads, to be set."""
    now = [0.0]
    monkeypatch.setattr(ecg_tune.timing.time, "perf_counter", lambda: now[0])
    return now


def wait(clock: list[float], seconds: float) -> None:
    clock[0] += seconds


def known(watch: Stopwatch) -> dict[str, float]:
    return {part: seconds for part, seconds in watch.seconds().items() if seconds}


def test_a_block_within_a_block_takes_its_time_from_the_outer_one(clock):
    watch = Stopwatch(part="start")
    wait(clock, 1)
    with watch.part("forward"):
        wait(clock, 2)
        with watch.part("images"):
            wait(clock, 4)
        wait(clock, 8)
    watch.begin("report")
    wait(clock, 16)
    assert known(watch) == {"start": 1, "forward": 10, "images": 4, "report": 16}


def test_an_error_ends_its_block(clock):
    watch = Stopwatch()
    with suppress(MemoryError), watch.part("backward"):
        wait(clock, 1)
        raise MemoryError
    wait(clock, 2)
    assert known(watch) == {"backward": 1, "other": 2}


def test_making_items_is_timed_and_working_with_them_is_not(clock):
    def batches():
        for number in range(3):
            wait(clock, 1)
            yield number

    watch = Stopwatch()
    for _ in watch.each("data", batches()):
        wait(clock, 10)
    assert known(watch) == {"data": 3, "other": 30}


def test_seconds_of_an_earlier_worker_count_and_clocks_that_differ_add_nothing(clock):
    watch = Stopwatch({"forward": 5.0, "unknown": 1.0})
    watch.add("idle", -3)
    watch.add("start", 2)
    assert known(watch) == {"forward": 5, "start": 2}


def test_the_device_is_waited_for_at_each_change_of_part():
    waits: list[None] = []
    watch = Stopwatch(synchronise=lambda: waits.append(None))
    with watch.part("forward"):
        assert len(waits) == 1, "what was started before belongs to the part before"
    assert len(waits) == 2


def test_a_stopwatch_that_is_off_measures_nothing_and_passes_items_on():
    items = [1, 2]
    assert OFF.each("data", items) is items
    with OFF.part("forward"):
        OFF.begin("report")
    assert OFF.seconds() == {}


@pytest.fixture(scope="module")
def timed(joined_ray, toy_data, tmp_path_factory) -> Path:
    """Return a study searched with --timing, one trial at a time."""
    study = tmp_path_factory.mktemp("timed") / "study"
    words = ["search", str(study), "--data", str(toy_data.folder), "--families", "cnn1d,rnn", "--profile", "small", "--slots", "1"]
    assert run([*words, "--trials", "3", "--max-epochs", "2", "--scheduler", "none", "--timing"]) == 0
    return study


@pytest.mark.ray
def test_the_parts_explain_the_time_from_the_first_trials_start_to_the_last_ones_end(timed):
    trials = Study.open(timed).trials()
    first, last = trials[0].start, trials[-1].end
    assert first is not None
    assert last is not None
    seconds = {part: sum(trial.timing[part] for trial in trials) for part in PARTS}
    wall = (last - first).total_seconds()
    explained = sum(seconds.values()) - seconds["other"]
    assert 0.95 <= explained / wall <= 1.01, (seconds, wall)
    assert all(seconds[part] > 0 for part in ("start", "data", "forward", "backward", "optimiser", "validation", "checkpoint", "report"))
    for trial in trials:
        trained = [trial.timing[part] for part in ("data", "images", "forward", "backward", "optimiser", "validation")]
        assert sum(trained) <= (trial.seconds or 0) * 1.001 + 0.01, "these are within the seconds of the epochs"


@pytest.mark.ray
def test_status_and_the_dashboard_show_the_parts(timed, capsys):
    assert run(["status", str(timed)]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("time of 3 trainings, "))
    assert "backward " in line
    assert run(["status", str(timed), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (set(facts["timing"]), facts["timed_trials"]) == (set(PARTS), 3)
    study = Study.open(timed)
    trials = ranked_trials(study)
    (section,) = (one for one in sections_of(StudyData(trials, summarise(study, trials), None)) if one.key == "time")
    (panel,) = section.tabs[0].panels
    assert panel.figure is not None
    drawn = {trace.name: sum(trace.x) for trace in panel.figure.data}
    assert drawn == pytest.approx({part: seconds for part, seconds in facts["timing"].items() if seconds}, rel=1e-3)
    assert {*panel.figure.data[0].y} == {"rnn", "cnn1d"}


@pytest.mark.ray
def test_without_timing_nothing_is_measured_and_earlier_times_are_kept(timed, capsys):
    assert run(["search", str(timed), "--trials", "4", "--no-timing"]) == 0
    assert "timing True → False" in capsys.readouterr().out
    assert [bool(trial.timing) for trial in Study.open(timed).trials()] == [True, True, True, False]
