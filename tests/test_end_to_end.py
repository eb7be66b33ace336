"""The whole path by its commands on synthetic records; the numbers of every stage agree with each other."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

import analysis.retraining.training_jobs
from analysis.retraining.candidates import MANIFEST
from ecg_tune.cli.main import run
from ecg_tune.data.prepared.dataset import open_prepared, read_ledger
from ecg_tune.errors import NonFiniteLossError
from ecg_tune.models import trial_config
from ecg_tune.training.model_file import load_saved
from search_spaces import SpaceContext, resolve
from tests.stored import best_trials, open_study

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("joined_ray")]


@pytest.fixture(scope="module")
def path(joined_ray, tmp_path_factory) -> Path:
    """Return a folder in which every command of the path has run."""
    root = tmp_path_factory.mktemp("path")
    families = ["--families", "cnn1d,resnet,fusion", "--profile", "small", "--trials", "4", "--max-epochs", "2"]
    for command in (
        ["data", "synthesize", f"{root}/ptbxl", "--records", "200"],
        ["data", "prepare", f"{root}/ptbxl", f"{root}/data", "--split", "official"],
        ["search", f"{root}/study", "--data", f"{root}/data", *families],
        ["dashboard", f"{root}/study"],
        ["retrain", f"{root}/study", "--top", "2", "--seeds", "2"],
        ["evaluate", f"{root}/study", "--out", f"{root}/results", "--bootstrap", "200"],
    ):
        assert run(command) == 0, command
    return root


def test_the_best_value_is_the_same_everywhere(path, capsys):
    best = best_trials(open_study(path / "study"))[0]
    assert run(["status", str(path / "study"), "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["best"]["number"], status["best"]["value"]) == (best.number, best.value)
    assert f"{best.value:.4f}" in (path / "study" / "dashboard.html").read_text(encoding="utf-8")
    manifest = json.loads((path / "study" / "models" / MANIFEST).read_text())
    assert (manifest["models"][0]["trial"], manifest["models"][0]["search_value"]) == (best.number, best.value)


def test_every_rows_config_is_what_its_parameters_stand_for(path):
    for trial in best_trials(open_study(path / "study")):
        family = trial.user_attrs["family"]
        assert trial_config(trial.user_attrs["config"]) == resolve(family, trial.params, SpaceContext("small", 2))


def test_the_retrained_config_is_the_studys(path):
    study = open_study(path / "study")
    files = sorted((path / "study" / "models").glob("*_seed*.pth"))
    assert len(files) == 4
    for file in files:
        saved = load_saved(file)
        assert saved.config == trial_config(study.trials[saved.trial].user_attrs["config"])


def test_retraining_again_keeps_what_is_there(path):
    files = {file: file.stat().st_size for file in (path / "study" / "models").glob("*_seed*.pth")}
    histories = {file: load_saved(file).history for file in files}
    assert run(["retrain", str(path / "study"), "--top", "2", "--seeds", "2"]) == 0
    assert {file: load_saved(file).history for file in files} == histories  # seconds included: nothing was trained again


def test_a_trial_is_retrained_by_its_number(path, tmp_path):
    study = open_study(path / "study")
    worst = min((trial for trial in study.trials if trial.state.name == "COMPLETE"), key=lambda trial: trial.value)
    shutil.copytree(path / "study", tmp_path / "study")
    shutil.rmtree(tmp_path / "study" / "models")
    assert run(["retrain", str(tmp_path / "study"), "--trial", str(worst.number), "--seeds", "1", "--data", str(path / "data")]) == 0
    manifest = json.loads((tmp_path / "study" / "models" / MANIFEST).read_text(encoding="utf-8"))
    assert [model["trial"] for model in manifest["models"]] == [worst.number]
    (file,) = (tmp_path / "study" / "models").glob("*_seed*.pth")
    assert file.name.endswith(f"_trial{worst.number}_seed0.pth")


def test_the_report_counts_the_splits_own_test_records(path):
    data = open_prepared(path / "data")
    n_test = data.manifest["counts"]["test"]["records"]
    assert f"{n_test} records of" in (path / "results" / "EVALUATION_SUMMARY.txt").read_text(encoding="utf-8")
    assert len(pd.read_csv(path / "results" / "predictions.csv")) == n_test


def test_every_number_says_synthetic(path):
    for file in ("EVALUATION_SUMMARY.txt", "DETAILED_METRICS_REPORT.txt"):
        assert "SYNTHETIC" in (path / "results" / file).read_text(encoding="utf-8")
    assert "SYNTHETIC" in (path / "study" / "dashboard.html").read_text(encoding="utf-8")


def test_the_test_split_was_opened_once_by_the_evaluation(path):
    entries = read_ledger(open_prepared(path / "data"))
    assert [entry["purpose"] for entry in entries] == ["evaluate"]
    assert (path / "study" / "test_ledger.jsonl").read_text() == (path / "data" / "test_ledger.jsonl").read_text()


def test_no_opening_is_lost_when_the_data_are_prepared_again_elsewhere(path, tmp_path):
    shutil.copytree(path / "study", tmp_path / "study", ignore=shutil.ignore_patterns("ray"))
    shutil.copytree(path / "data", tmp_path / "data", ignore=shutil.ignore_patterns("test_ledger.jsonl"))
    command = [
        "evaluate",
        str(tmp_path / "study"),
        "--data",
        str(tmp_path / "data"),
        "--out",
        str(tmp_path / "results"),
        "--bootstrap",
        "100",
    ]
    assert run(command) == 0
    assert len((tmp_path / "study" / "test_ledger.jsonl").read_text().splitlines()) == 2
    assert "2 times so far" in (tmp_path / "results" / "EVALUATION_SUMMARY.txt").read_text()


def test_a_training_that_fails_does_not_stop_the_others(path, tmp_path, monkeypatch, capsys):
    shutil.copytree(path / "study", tmp_path / "study", ignore=shutil.ignore_patterns("models", "ray"))
    real = analysis.retraining.training_jobs.train_model

    def sometimes(config, data, *, seed, **settings):
        if seed == 0:
            raise NonFiniteLossError("training loss is nan in epoch 1: try a lower learning rate or gradient clipping")
        return real(config, data, seed=seed, **settings)

    monkeypatch.setattr(analysis.retraining.training_jobs, "train_model", sometimes)
    monkeypatch.setattr("ecg_tune.api.retrain.usable_cpus", lambda: 1)  # one core trains in this process, where the patch holds
    assert run(["retrain", str(tmp_path / "study"), "--top", "1", "--seeds", "2"]) == 1
    assert "1 trainings failed, the first with: training loss is nan" in capsys.readouterr().err
    manifest = json.loads((tmp_path / "study" / "models" / MANIFEST).read_text())
    assert [row["seed"] for row in manifest["models"][0]["seeds"]] == [1]
    assert manifest["failed"][0]["seed"] == 0


def test_the_ledger_outlives_preparing_again(path):
    assert run(["data", "prepare", str(path / "ptbxl"), str(path / "data"), "--split", "official"]) == 0
    assert len(read_ledger(open_prepared(path / "data"))) == 1


def test_retraining_needs_no_test_record(path, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(path / "data", copy)
    shutil.rmtree(copy / "test")
    shutil.copytree(path / "study", tmp_path / "study", ignore=shutil.ignore_patterns("models", "ray"))
    assert run(["retrain", str(tmp_path / "study"), "--top", "1", "--seeds", "1", "--data", str(copy)]) == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--families", "cnn1d,resnet,fusion", "--max-epochs", "1"], r"max_epochs=2, this is 1: trials can be extended, not shortened"),
        (["--families", "cnn1d,resnet,fusion", "--max-epochs", "2", "--metric", "macro_f1"], r"metric='macro_auc', this is 'macro_f1'"),
    ],
)
def test_a_study_that_does_not_fit_is_refused_with_the_reason(path, flags, message, capsys):
    assert run(["search", str(path / "study"), "--data", str(path / "data"), "--profile", "small", *flags]) == 2
    assert re.search(message, capsys.readouterr().err)


def test_a_study_of_other_data_is_refused_by_search_retrain_and_evaluate(path, toy_data, tmp_path, capsys):
    families = ["--families", "cnn1d,resnet,fusion", "--profile", "small", "--max-epochs", "2"]
    before = read_ledger(toy_data)
    for command, named in (
        (["search", str(path / "study"), "--data", str(toy_data.folder), *families], toy_data.fingerprint[:8]),
        (["retrain", str(path / "study"), "--data", str(toy_data.folder)], toy_data.fingerprint[:8]),
        (
            ["evaluate", str(path / "study"), "--data", str(toy_data.folder), "--out", str(tmp_path)],
            "was trained on data with n_samples 1000",
        ),
    ):
        assert run(command) == 2, command
        err = capsys.readouterr().err
        assert named in err
        assert err.count("\n") == 1
    assert read_ledger(toy_data) == before
