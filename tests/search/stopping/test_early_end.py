"""A search that adds no more trials: after N without a better value, or when too little is expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ecg_tune.config import SearchSettings
from ecg_tune.errors import ConfigError
from ecg_tune.search.assignment import Assignment
from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.preview.virtual_time import simulate
from ecg_tune.search.stopping.early_end import saving, unimproved
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.study import Study
from tests.toy_search import TOY_SPACE, Log, settings

PEAK = 5
"""Number of the best trial."""


def curve(task: Assignment) -> list[tuple[float, float]]:
    """Trial 5 is the best; none after it comes near."""
    level = 0.9 if task.number == PEAK else 0.5 + 0.01 * min(task.number, PEAK)
    return [(level * (1 - 0.5**epoch), 1.0) for epoch in range(1, 5)]


def searched(study: Study, **changes: Any) -> tuple[SearchEngine, Log]:
    log = Log()
    engine = SearchEngine(study, TOY_SPACE, settings(**{"trials": 60, "sampler": "random", **changes}), log)
    simulate(engine, curve, slots=1)
    return engine, log


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study.create(tmp_path / "study", StudyAttributes(metric="macro_auc", max_epochs=4, families=("slow", "fast"), settings={}))


@pytest.mark.parametrize("scheduler", ["asha", "none", "forecast"])
def test_trials_without_a_better_value_end_the_search_and_it_says_so(study, scheduler):
    engine, log = searched(study, scheduler=scheduler, patience_trials=8)
    assert engine.ended_by == "patience_trials"
    assert not engine.open
    assert not engine.done  # it has not all its trials
    assert PEAK + 8 <= len(study.trials()) - 1 <= PEAK + 10
    assert study.best.number == PEAK
    assert unimproved(study.trials()) >= 8
    said = [line[1] for line in log.lines if line[0] == "said" and "without a better value" in line[1]]
    assert len(said) == 1


@pytest.mark.parametrize("scheduler", ["asha", "forecast"])
def test_a_search_that_is_started_again_decides_the_same_and_more_patience_lets_it_go_on(study, scheduler):
    searched(study, scheduler=scheduler, patience_trials=8)
    before = [(trial.number, trial.state) for trial in study.trials()]
    engine, log = searched(study, scheduler=scheduler, patience_trials=8)
    assert engine.ended_by == "patience_trials"
    assert [(trial.number, trial.state) for trial in study.trials()] == before
    assert any("no more trials are added" in line[1] for line in log.lines if line[0] == "said")
    engine, _ = searched(study, scheduler=scheduler, patience_trials=50, trials=len(before) + 3)
    assert engine.done
    assert engine.ended_by is None
    assert len(study.trials()) == len(before) + 3


def test_failed_and_imported_trials_are_not_counted(study):
    searched(study, scheduler="none", trials=12)
    assert unimproved(study.trials()) == 12 - 1 - PEAK
    last, other = study.trials()[-2:]
    study.record(last, imported_from="other#3")
    assert unimproved([*study.trials()[:-1], study.record(other, imported_from="other#4")]) == 12 - 1 - PEAK - 2


def test_too_small_an_expected_gain_ends_the_search(study):
    engine, log = searched(study, scheduler="forecast", min_gain=0.01)
    assert engine.ended_by == "min_gain"
    assert not engine.open
    assert PEAK < len(study.trials()) < 60
    (line,) = [line[1] for line in log.lines if line[0] == "said" and "--min-gain" in line[1]]
    assert line.startswith("a further trial is expected to gain 0.0")
    assert line.endswith("less than --min-gain 0.01: no more trials are added")


def test_without_a_limit_the_search_has_all_its_trials(study):
    engine, _ = searched(study, scheduler="forecast", trials=30)
    assert engine.done
    assert engine.ended_by is None


def test_what_patience_would_have_saved_is_what_it_saves(tmp_path, study):
    searched(study, scheduler="none", trials=40)
    saved = saving(study.trials(), 8)
    short = Study.create(tmp_path / "short", StudyAttributes(metric="macro_auc", max_epochs=4, settings={}))
    searched(short, scheduler="none", trials=40, patience_trials=8)
    assert saved is not None
    assert saved.after == len(short.trials())
    assert saved.epochs - saved.epochs_saved == sum(trial.epochs for trial in short.trials())
    assert saved.text() == (
        f"--patience-trials 8 would have ended the search after {saved.after} trials: {saved.epochs_saved} of 160 epochs fewer, "
        "the same best value"
    )
    assert saving(short.trials(), 8) is None


@pytest.mark.parametrize(("name", "value"), [("patience_trials", 0), ("min_gain", -0.1), ("min_gain", 2)])
def test_a_limit_that_means_nothing_is_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} must be"):
        SearchSettings(**{name: value})
