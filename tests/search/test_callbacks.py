"""Callbacks: who is told what, and that nothing in them reaches the study."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from ecg_tune.errors import StoppedError
from ecg_tune.search import callbacks as module
from ecg_tune.search.callbacks import Callback, CallbackListener, Callbacks, installed_callbacks
from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.progress.stats import SearchStats
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.study import Study
from tests.toy_search import TOY_SPACE, Log, play, settings

ATTRIBUTES = StudyAttributes(metric="macro_auc", data_fingerprint="abc", settings={"trials": 3})


class Diary(Callback):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []

    def on_study_start(self, folder, summary):
        self.lines.append(("start", folder.name, summary.n_trials))

    def on_trial_start(self, trial):
        self.lines.append(("trial", trial.number, trial.state, trial.config["family"]))

    def on_epoch(self, trial, epoch, value):
        self.lines.append(("epoch", trial.number, epoch, value, trial.intermediate[epoch]))

    def on_trial_end(self, trial):
        self.lines.append(("end", trial.number, trial.state, trial.ended_by))

    def on_study_end(self, folder, summary, outcome):
        self.lines.append(("done", folder.name, summary.n_trials, outcome))


class Vandal(Callback):
    """Changes whatever it gets."""

    def on_trial_end(self, trial):
        trial.params.clear()
        trial.config["quality"] = 99.0
        trial.intermediate.clear()


class Broken(Callback):
    """Fails in its first epoch."""

    calls = 0

    def on_epoch(self, trial, epoch, value):
        self.calls += 1
        raise RuntimeError("no such thing\nand forty lines more")


def searched(folder: Path, *chosen: Callback) -> tuple[list[str], Study]:
    """Run a toy search with callbacks; return what was said, and its study."""
    said: list[str] = []
    told = Callbacks(chosen, said.append)
    with told.ending(folder), Study.open_or_create(folder, ATTRIBUTES) as study:
        told.begin(study)
        play(SearchEngine(study, TOY_SPACE, settings(trials=3), CallbackListener(Log(), study, told.tell)))
        told.outcome = "complete"
    return said, Study.open(folder)


def test_a_callback_is_told_of_the_study_its_trials_and_their_epochs(tmp_path):
    diary = Diary()
    said, study = searched(tmp_path / "study", diary)
    trials = study.trials()
    assert said == []
    assert diary.lines[0] == ("start", "study", 0)
    assert diary.lines[1] == ("trial", 0, "RUNNING", "slow")
    assert diary.lines[-1] == ("done", "study", 3, "complete")
    epochs = [line[1:] for line in diary.lines if line[0] == "epoch"]
    assert epochs == [(trial.number, epoch, value, value) for trial in trials for epoch, value in trial.intermediate.items()]
    assert [line[1:] for line in diary.lines if line[0] == "end"] == [(t.number, t.state, t.ended_by) for t in trials]


def test_a_callback_that_fails_is_said_once_and_no_trial_is_touched(tmp_path):
    broken, diary = Broken(), Diary()
    said, study = searched(tmp_path / "study", broken, diary)
    assert said == ["callback Broken failed in on_epoch: no such thing; it is not called again, no trial is touched"]
    assert broken.calls == 1
    _, plain = searched(tmp_path / "plain")
    assert [(t.state, t.params, t.intermediate) for t in study.trials()] == [(t.state, t.params, t.intermediate) for t in plain.trials()]
    assert diary.lines[-1][-1] == "complete"


def test_what_a_callback_changes_is_a_copy(tmp_path):
    said, study = searched(tmp_path / "study", Vandal())
    _, plain = searched(tmp_path / "plain")
    assert said == []
    assert [(t.params, t.config) for t in study.trials()] == [(t.params, t.config) for t in plain.trials()]


ENDS = [(KeyboardInterrupt(), "interrupted"), (StoppedError("x"), "interrupted"), (OSError(), "failed")]


@pytest.mark.parametrize(("error", "outcome"), ENDS)
def test_the_end_is_told_however_the_search_ends(tmp_path, error, outcome):
    diary = Diary()
    told = Callbacks([diary], print)

    def fail() -> None:
        with told.ending(tmp_path / "study"), Study.open_or_create(tmp_path / "study", ATTRIBUTES) as study:
            told.begin(study)
            raise error

    with pytest.raises(type(error)):
        fail()
    assert diary.lines == [("start", "study", 0), ("done", "study", 0, outcome)]


def test_nothing_is_told_of_a_search_that_did_not_begin(tmp_path):
    diary = Diary()
    with pytest.raises(OSError, match="full"), Callbacks([diary], print).ending(tmp_path / "study"):
        raise OSError("full")
    assert diary.lines == []


def test_failures_are_said_where_the_progress_is_shown(tmp_path):
    log, said = Log(), list[str]()
    told = Callbacks([Broken()], said.append)

    @contextmanager
    def view(stats):
        yield log

    with told.around(view, Study.in_memory())(SearchStats(1, 1)):
        told.tell("on_epoch", None, 1, 0.5)
    assert said == []
    assert log.lines == [("said", "callback Broken failed in on_epoch: no such thing; it is not called again, no trial is touched")]


def test_installed_packages_bring_callbacks_and_a_bad_one_is_said(monkeypatch):
    values = {"diary": "ecg_tune.search.callbacks:Callback", "gone": "nowhere_at_all:Callback", "no_callback": "builtins:dict"}
    entries = [EntryPoint(name, value, module.CALLBACK_GROUP) for name, value in values.items()]
    monkeypatch.setattr(module, "entry_points", lambda group: [entry for entry in entries if entry.group == group])
    said: list[str] = []
    (found,) = installed_callbacks(said.append)
    assert type(found) is Callback
    assert said == [
        "callback 'gone' of a package without a name can't be used: No module named 'nowhere_at_all'; repair or uninstall that package",
        "callback 'no_callback' of a package without a name can't be used: it must be an ecg_tune.Callback, but is a dict",
    ]
