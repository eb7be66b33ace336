"""A study that is read again is what it is when it is read for the first time, and only what changed is read."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages._cached_storage import _CachedStorage
from optuna.trial import TrialState, create_trial

from ecg_tune.study.rereading import KnownTrials
from ecg_tune.study.study import Study


def make(folder: Path, *, shift: float = 0.0) -> Path:
    """Make a study of eight trials: one failed, one was discarded, the last runs."""
    folder.mkdir(parents=True)
    study = optuna.create_study(storage=f"sqlite:///{folder / 'study.db'}", study_name="study", direction="maximize")
    for number in range(8):
        state = TrialState.RUNNING if number == 7 else TrialState.FAIL if number == 3 else TrialState.COMPLETE
        value = 0.5 + number / 100 + shift
        study.add_trial(
            create_trial(
                state=state,
                value=value if state == TrialState.COMPLETE else None,
                params={"rnn.x": value},
                distributions={"rnn.x": FloatDistribution(0, 1)},
                intermediate_values={1: value - 0.1, 2: value},
                user_attrs={"family": "rnn", "seed": number, "ended_by": "max_epochs", "discarded": "why" if number == 5 else ""},
            )
        )
    return folder


def sql(statement: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        database = sqlite3.connect(folder / "study.db")
        with database:
            database.execute(statement)
        database.close()

    return change


def an_epoch(folder: Path) -> None:
    with Study.open(folder) as study:
        study.record(study.trial(7), epochs={3: 0.8}, seconds=5.0)


def an_end(folder: Path) -> None:
    with Study.open(folder) as study:
        study.finish(study.trial(7), "COMPLETE", (0.9,), ended_by="patience")


def a_trial(folder: Path) -> None:
    with Study.open(folder) as study:
        study.optuna.ask()


def a_discarded_one(folder: Path) -> None:
    with Study.open(folder) as study:
        study.record(study.trial(2), discarded="why")


def one_taken_back(folder: Path) -> None:
    with Study.open(folder) as study:
        study.record(study.trial(5), discarded="")


def another_study(folder: Path) -> None:
    other = make(folder.with_name("other"), shift=0.2)
    shutil.copy(other / "study.db", folder / "study.db")


CHANGES = {
    "nothing": lambda folder: None,
    "an epoch": an_epoch,
    "an end": an_end,
    "a trial more": a_trial,
    "a trial discarded": a_discarded_one,
    "a trial that counts again": one_taken_back,
    "another study in its place": another_study,
    "a value by hand": sql("UPDATE trial_values SET value = 0.99 WHERE trial_id = 2"),
    "an epoch's value by hand": sql("UPDATE trial_intermediate_values SET intermediate_value = 0.99 WHERE trial_id = 2 AND step = 1"),
    "a parameter by hand": sql("UPDATE trial_params SET param_value = 0.99 WHERE trial_id = 2"),
    "an attribute by hand": sql("UPDATE trial_user_attributes SET value_json = '9' WHERE trial_id = 2 AND key = 'seed'"),
    "a start by hand": sql("UPDATE trials SET datetime_start = '2020-01-01 00:00:00.000000' WHERE trial_id = 2"),
    "a trial removed": sql("DELETE FROM trials WHERE trial_id = 2"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_study_read_again_is_what_it_is_when_read_for_the_first_time(change, tmp_path):
    folder, known = make(tmp_path / "study"), KnownTrials()
    with Study.open(folder, known=known) as study:
        before = study.all_trials()
    change(folder)
    with Study.open(folder, known=known) as again, Study.open(folder) as fresh:
        assert again.all_trials() == fresh.all_trials()
        assert (again.all_trials() == before) == (change is CHANGES["nothing"])
        assert again.trials() == fresh.trials()
        assert again.optuna.get_trials() == fresh.optuna.get_trials()


def test_only_trials_that_changed_are_read_again(tmp_path):
    folder, known = make(tmp_path / "study"), KnownTrials()
    with Study.open(folder, known=known) as study:
        before = study.all_trials()
    an_epoch(folder)
    a_discarded_one(folder)
    with Study.open(folder, known=known) as study:
        again = study.all_trials()
        storage = study.optuna._storage
        assert isinstance(storage, _CachedStorage), "ecg_tune.study.rereading fills its cache"
    assert [old is new for old, new in zip(before, again, strict=True)] == [True, True, False, True, True, True, True, False]


def test_what_is_written_to_a_finished_trial_is_read_back(tmp_path):
    with Study.open(make(tmp_path / "study")) as study:
        study.record(study.all_trials()[0], superseded_by=5)
        assert study.all_trials()[0].superseded_by == 5
