"""Checkpoints are bounded across trials, and none that matters is removed."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState

from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.resume import extend
from ecg_tune.study.retention import TOP, CheckpointRetention
from ecg_tune.study.schema import read_trial
from ecg_tune.study.study import Study
from tests.stored import newest_trials
from tests.toy_search import TOY_SPACE, play, settings


@pytest.fixture
def folder(study, log, tmp_path):
    """Return a study's folder in which every trial has left a checkpoint."""
    play(SearchEngine(Study(study), TOY_SPACE, settings(trials=25), log))
    for trial in study.trials:
        make(tmp_path, trial)
    return tmp_path


def make(folder, trial) -> None:
    path = folder / trial.user_attrs["path"]
    path.mkdir(parents=True, exist_ok=True)
    (path / "epoch_00004-0123456789abcdef.pt").write_bytes(b"")


def left(folder) -> set[str]:
    return {path.parent.name for path in folder.glob("checkpoints/*/*.pt")}


def best(study, family: str) -> set[str]:
    complete = [t for t in newest_trials(study) if t.state == TrialState.COMPLETE and t.user_attrs["family"] == family]
    return {t.user_attrs["path"].split("/")[1] for t in sorted(complete, key=lambda t: -t.value)[:TOP]}


def test_the_best_of_each_family_are_kept(study, folder):
    CheckpointRetention(Study(study, folder))
    assert left(folder) == best(study, "slow") | best(study, "fast")


def test_trial_by_trial_the_same_are_kept(study, folder):
    rows = study.trials
    retention = CheckpointRetention(Study(optuna.create_study(), folder))
    for row in rows:
        retention.ended(read_trial(row))
    assert left(folder) == best(study, "slow") | best(study, "fast")


def test_open_trials_and_those_that_wait_for_budget_are_left_alone(study, log, tmp_path):
    play(SearchEngine(Study(study), TOY_SPACE, settings(total_epochs=6), log), slots=3)
    for trial in study.trials:
        make(tmp_path, trial)
    CheckpointRetention(Study(study, tmp_path))
    waiting = {t.user_attrs["path"].split("/")[1] for t in study.trials if t.user_attrs["ended_by"] == "total_epochs"}
    assert waiting
    assert waiting <= left(tmp_path)
    extend(Study(study), TOY_SPACE, settings())
    CheckpointRetention(Study(study, tmp_path))
    assert waiting <= left(tmp_path)


def test_a_trial_extended_from_the_start_leaves_nothing_of_its_older_one(study, folder):
    from dataclasses import replace

    extend(Study(study), replace(TOY_SPACE, extended=lambda config, epochs: (config, False)), settings(trials=25, max_epochs=9))
    CheckpointRetention(Study(study, folder))
    complete = {str(trial.path).split("/")[1] for trial in Study(study).best_trials()}
    assert complete
    assert left(folder) == complete, "they count until the new ones have finished"
    for trial in Study(study).newest_trials():
        if not trial.finished:
            Study(study).finish(trial, "PRUNED")
    CheckpointRetention(Study(study, folder))
    assert left(folder) == set()
