"""Real searches: the real trainable on toy data, interrupted and continued by the real command.

Those that get a signal are processes of their own, one of them with a Ray of its own; the others run in this process, on the shared Ray.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
from optuna.trial import TrialState
from optuna_dashboard import wsgi

from ecg_tune.search.stopping.schedulers import study_rungs
from ecg_tune.study.database import database_of
from ecg_tune.study.lock import lock_study
from ecg_tune.study.study import Study
from tests.commands import ecg_tune
from tests.stored import newest_trials, open_study, progress

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("joined_ray")]

FAMILIES = ("cnn1d", "resnet1d")
FLAGS = ("--families", ",".join(FAMILIES), "--profile", "small", "--max-epochs", "4", "--slots", "2")
ONE_SLOT = ("--slots", "1")


def command(study: Path, data: Path, *, trials: int, changes: tuple[str, ...] = ()) -> list[str]:
    return ["search", str(study), "--data", str(data), "--trials", str(trials), *FLAGS, *changes]  # the last one of a flag counts


def start(words: list[str], **environment: str) -> subprocess.Popen[str]:
    given = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "ecg_tune", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=given
    )


def interrupt_after(process: subprocess.Popen[str], study: Path, n_epochs: int, *, by: signal.Signals) -> tuple[int, str, str]:
    """Send a signal once the study holds `n_epochs` values, at least one of an ended trial, and return how the process ended."""
    while process.poll() is None:
        time.sleep(0.1)
        values, ended = progress(study)
        if values >= n_epochs and ended:
            process.send_signal(by)
            break
    out, err = process.communicate(timeout=900)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def data(toy_data, tmp_path_factory) -> Path:
    """Return data whose test part is gone: a search needs none of it."""
    copy = tmp_path_factory.mktemp("copy") / "data"
    shutil.copytree(toy_data.folder, copy, ignore=shutil.ignore_patterns("test_ledger.jsonl"))
    shutil.rmtree(copy / "test")
    return copy


@pytest.fixture(scope="module")
def searched(shared_ray, joined_ray, data, tmp_path_factory) -> tuple[Path, dict[int, object], str]:
    """Return a study that was interrupted, continued to 8 trials, with what had ended at the interruption."""
    study = tmp_path_factory.mktemp("studies") / "study"
    words = command(study, data, trials=8)
    code, _, err = interrupt_after(start(words, **shared_ray.environment), study, 6, by=signal.SIGINT)
    assert code == 130, err
    ended = {t.number: t.datetime_complete for t in newest_trials(open_study(study)) if t.state.is_finished()}
    code, out, err = ecg_tune("search", str(study))
    assert code == 0, err
    return study, ended, out


def test_an_interrupted_search_says_how_to_go_on(data, tmp_path):
    process = start(command(tmp_path / "study", data, trials=8, changes=ONE_SLOT))  # with a Ray of its own
    code, out, err = interrupt_after(process, tmp_path / "study", 3, by=signal.SIGTERM)
    assert code == 130, err
    assert f"resume with: ecg-tune search {tmp_path / 'study'}\n" in err
    assert "unfinished: the search was interrupted" in out
    assert not Study.open(tmp_path / "study").search_running


def test_the_command_with_the_study_alone_goes_on_and_loses_nothing(searched):
    study, ended, out = searched
    trials = newest_trials(open_study(study))
    assert len(trials) == 8
    assert {n: trials[n].datetime_complete for n in ended} == ended
    assert {t.state for t in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    for number in ended:
        assert f"trial {number} " not in out.split("study study:")[0]


def test_every_row_ends_where_its_state_says(searched):
    study, _, _ = searched
    for trial in newest_trials(open_study(study)):
        attrs, epochs = trial.user_attrs, list(trial.intermediate_values)
        assert epochs == list(range(1, len(epochs) + 1))
        if trial.state == TrialState.COMPLETE:
            assert attrs["ended_by"] == "max_epochs"
            assert len(epochs) == 4
            assert trial.value == max(trial.intermediate_values.values())
        else:
            assert attrs["ended_by"] == "forecast"
            assert len(epochs) in (1, 2, 3)
        assert attrs["epochs"] == len(epochs)
        assert attrs["seconds"] > 0
        assert attrs["device"] == "cpu"
        assert attrs["n_parameters"] > 0
        assert len(attrs["per_class_auc"]) == 5


def test_checkpoints_are_kept_for_the_best_only(searched):
    study, _, _ = searched
    kept = sorted(path.relative_to(study) for path in (study / "checkpoints").rglob("*.pt"))
    complete = [t for t in newest_trials(open_study(study)) if t.state == TrialState.COMPLETE]
    families = [sorted((t for t in complete if t.user_attrs["family"] == f), key=lambda t: -t.value)[:3] for f in FAMILIES]
    assert {path.parent for path in kept} == {Path(t.user_attrs["path"]) for best in families for t in best}
    assert {Path(t.user_attrs["checkpoint"]) for best in families for t in best} <= set(kept)
    assert len(kept) <= 2 * len({path.parent for path in kept})


def test_more_trials_run_only_the_new_ones(searched, data):
    study, _, _ = searched
    before = {t.number: t.datetime_complete for t in newest_trials(open_study(study))}
    code, out, err = ecg_tune(*command(study, data, trials=10, changes=ONE_SLOT))
    assert code == 0, err
    trials = newest_trials(open_study(study))
    assert len(trials) == 10
    assert {n: trials[n].datetime_complete for n in before} == before
    assert "trial 8 (" in out
    assert "trial 7 (" not in out.split("study study:")[0]


def test_a_larger_max_epochs_lengthens_the_complete_trials_and_only_them(searched, data, tmp_path):
    study, _, _ = searched
    copy = tmp_path / "moved"  # as on another machine
    shutil.copytree(study, copy, ignore=shutil.ignore_patterns("ray"))
    before = {t.number: t for t in newest_trials(open_study(copy))}
    code, out, err = ecg_tune(*command(copy, data, trials=len(before), changes=("--max-epochs", "5", *ONE_SLOT)))
    assert code == 0, err
    rows = newest_trials(open_study(copy))
    complete = [t for t in before.values() if t.state == TrialState.COMPLETE]
    extended = {t.user_attrs["continued_from"]: t for t in rows if "continued_from" in t.user_attrs}
    assert set(extended) == {t.number for t in complete}
    assert len(rows) == len(before)
    for old in complete:
        new = extended[old.number]
        assert new.params == old.params
        assert f"trial {old.number} is extended as trial {new.number}" in out
        if old.user_attrs["config"]["training"]["schedule"] == "plateau":
            assert {epoch: new.intermediate_values[epoch] for epoch in old.intermediate_values} == old.intermediate_values
    assert {t.number: t.datetime_complete for t in rows if t.number in before} == {
        n: t.datetime_complete for n, t in before.items() if t.state == TrialState.PRUNED
    }
    assert all(len(t.intermediate_values) == 5 for t in rows if t.state == TrialState.COMPLETE)


def test_a_spent_budget_ends_the_search_with_0_and_says_how_to_go_on(data, tmp_path):
    words = command(tmp_path / "study", data, trials=6, changes=("--total-epochs", "5", "--progress", "jsonl"))
    code, out, err = ecg_tune(*words)
    assert code == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    assert [e["event"] for e in events][-1] == "finished"
    assert 5 <= sum(e["event"] == "epoch" for e in events) <= 6
    assert "ended by --total-epochs; resume with: ecg-tune search" in err
    rows = newest_trials(open_study(tmp_path / "study"))
    assert all(t.state.is_finished() for t in rows)
    assert {t.user_attrs["ended_by"] for t in rows} <= {"max_epochs", "asha", "total_epochs"}
    rows = open_study(tmp_path / "study").trials
    code, _, err = ecg_tune(*words)
    assert code == 0, err
    assert open_study(tmp_path / "study").trials == rows  # given again as it was, the command has nothing to do


def test_status_tells_the_same_as_the_study(searched):
    study, _, _ = searched
    facts = json.loads(ecg_tune("status", study, "--json")[1])
    opened = open_study(study)
    trials = newest_trials(opened)
    assert facts["best"]["value"] == opened.best_value
    assert facts["best"]["number"] == opened.best_trial.number
    assert facts["states"]["PRUNED"] == sum(t.state == TrialState.PRUNED for t in trials)
    assert facts["states"]["RUNNING"] == 0
    assert facts["epochs"] == sum(len(t.intermediate_values) for t in trials)
    rungs = study_rungs(Study(opened))
    assert sum(facts["rungs"].values()) == sum(len(v) for v in rungs.values.values()) > 0


def test_the_study_opens_in_plain_optuna_and_in_optuna_dashboard(searched):
    study, _, _ = searched
    storage = f"sqlite:///{study / 'study.db'}"
    plain = optuna.load_study(study_name="study", storage=storage)
    assert [t.state for t in plain.trials] == [t.state for t in newest_trials(open_study(study))]
    environ: dict[str, Any] = {"PATH_INFO": f"/api/studies/{plain._study_id}", "QUERY_STRING": "after=0"}
    setup_testing_defaults(environ)
    page = b"".join(wsgi(storage)(environ, lambda status, headers, *rest: None))
    shown = json.loads(page)["trials"]
    assert [trial["state"].upper() for trial in shown] == [t.state.name for t in plain.trials]
    assert {attr["key"] for attr in shown[0]["user_attrs"]} >= {"family", "config", "seconds", "checkpoint", "per_class_auc"}


def test_a_second_search_on_a_held_study_is_refused(searched, data):
    study, _, _ = searched
    with lock_study(study, database_of(study)):
        code, _, err = ecg_tune(*command(study, data, trials=12))
    assert code == 2
    assert "another search is running" in err


def test_the_search_reads_no_test_record(searched, data):
    """With the test part's files gone a search still runs: it never needed them."""
    assert not (data / "test").exists()
    assert not (data / "test_ledger.jsonl").exists()
