"""Trials that the user takes out of a study, and trials that failed and are tried again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ecg_tune.cli.main import run
from ecg_tune.config import SearchSettings
from ecg_tune.search.attributes import study_attributes
from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.resume import retry_failed
from ecg_tune.study.study import Study
from tests.toy_search import TOY_SPACE, Log, play, settings


@pytest.fixture
def study(toy_data, tmp_path) -> Path:
    """Return a toy study of eight finished trials, of which one failed, with one that is open."""
    folder = tmp_path / "study"
    with Study.open_or_create(folder, study_attributes(toy_data, SearchSettings(("slow", "fast"), profile="small"))) as opened:
        engine = SearchEngine(opened, TOY_SPACE, settings(trials=8), Log())
        failed = engine.next_assignment()
        engine.fail(failed.number, "error", "the GPU fell off the bus")
        play(engine, epochs=9)
        open_one = SearchEngine(opened, TOY_SPACE, settings(trials=9), Log()).next_assignment()
        assert open_one is not None
    return folder


def numbers(study: Path) -> list[int]:
    with Study.open(study) as opened:
        return [trial.number for trial in opened.trials()]


def test_a_discarded_trial_counts_nowhere_and_may_come_back(study, capsys):
    with Study.open(study) as opened:
        best = opened.best.number
        before = [trial.number for trial in opened.trials()]
    assert run(["discard", str(study), str(best), "--why", "a broken\nGPU"]) == 0
    assert numbers(study) == [number for number in before if number != best]
    with Study.open(study) as opened:
        assert opened.best.number != best
        engine = SearchEngine(opened, TOY_SPACE, settings(trials=9), Log())
        assert engine.additions.n_trials == len(before) - 1, "the next search adds one in its place"
        assert best not in {trial.number for family in ("slow", "fast") for trial in engine.additions.history.seen(family)}
    capsys.readouterr()
    assert run(["status", str(study), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["discarded"] == {str(best): "a broken GPU"}
    assert run(["status", str(study), "--why", str(best)]) == 0
    assert "discarded: a broken GPU" in capsys.readouterr().out
    assert run(["discard", str(study), str(best), "--undo"]) == 0
    assert numbers(study) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["99", "--why", "x"], "has no trial 99: it has 0 to 8"),
        (["1"], "give --why TEXT to discard a trial, or --undo"),
        (["1", "--why", "  "], "give --why TEXT"),
        (["1", "--why", "x", "--undo"], "give --why TEXT to discard a trial, or --undo"),
        (["1", "--undo"], "was not discarded: leave --undo out"),
        (["8", "--why", "x"], "trial 8 of study is not finished"),
        (["1", "--why", "x" * 501], "501 characters: 500 at most"),
        (["one", "--why", "x"], "(see `ecg-tune discard --help`)"),
    ],
)
def test_what_can_t_be_discarded_is_one_line(study, words, message, capsys):
    before = numbers(study)
    assert run(["discard", str(study), *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert numbers(study) == before


def test_a_trial_that_is_discarded_twice_says_why_it_does_not_count(study, capsys):
    assert run(["discard", str(study), "1", "--why", "x"]) == 0
    assert run(["discard", str(study), "1", "--why", "y"]) == 2
    assert "does not count already" in capsys.readouterr().err


def test_failed_trials_are_tried_again_with_their_config_and_seed(study):
    with Study.open(study) as opened:
        (failed,) = [trial for trial in opened.trials() if trial.state == "FAIL"]
        n_trials = len(opened.trials())
        assert retry_failed(opened) == 1
        assert retry_failed(opened) == 0, "once"
        (again,) = [trial for trial in opened.trials() if trial.number > 8]
        assert (again.config, again.seed, again.params, again.state) == (failed.config, failed.seed, failed.params, "RUNNING")
        assert (again.is_default, again.queued, len(opened.trials())) == (failed.is_default, failed.queued, n_trials)
        assert opened.all_trials()[failed.number].discarded == f"tried again as trial {again.number}"
        engine = SearchEngine(opened, TOY_SPACE, settings(trials=9), Log())
        assert {engine.next_assignment().number for _ in range(2)} == {8, again.number}
