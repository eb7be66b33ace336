"""What can be refused is refused before the seal of the test split is opened: no evaluation costs an opening for nothing."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.evaluation import evaluate as evaluation
from ecg_tune.config import TrainingConfig, TrialConfig
from ecg_tune.data.prepared.dataset import open_prepared, open_test
from ecg_tune.data.prepared.writer import write_prepared
from ecg_tune.errors import DataError
from ecg_tune.models import CNN1DConfig
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.model_file import load_weights, save_model
from tests.commands import ecg_tune
from tests.faults.test_prepared_data import PLACES, in_place_of
from tests.faults.test_settings import check

NAN = float("nan")
MODEL = "models/CNN1D_best.pth"
FLAGS = ("--bootstrap", "100", "--device", "cpu")
COMPUTED = ("counts", "digests", "origins", "test_records", "fingerprint")


@pytest.fixture(scope="module")
def template(few_data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    shutil.copytree(few_data.folder, folder / "data")
    config = TrialConfig("cnn1d", CNN1DConfig(filters=4, depth=1), TrainingConfig(max_epochs=1, crop_s=1.0))
    data = open_prepared(folder / "data")
    save_model(folder / MODEL, saved_model(train_model(config, data, seed=0), data, name="CNN1D"))
    return folder


@pytest.fixture
def folder(template, tmp_path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "here"))


def field(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        torch.save({**load_weights(folder / MODEL), **changes}, folder / MODEL)

    return change


def of_data(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = load_weights(folder / MODEL)
        content["data"] |= changes
        torch.save(content, folder / MODEL)

    return change


def weights(value: float) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = load_weights(folder / MODEL)
        content["state"] = {name: torch.full_like(own, value) if own.is_floating_point() else own for name, own in content["state"].items()}
        torch.save(content, folder / MODEL)

    return change


def text(name: str, content: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(content) and None


def fewer_test_records(folder: Path) -> None:
    np.save(folder / "data/test/labels.npy", np.load(folder / "data/test/labels.npy")[:-1])


FAULTS: dict[str, Callable[[Path], object]] = {
    "NaN thresholds": field(thresholds={"half": [NAN] * 5, "f1": [NAN] * 5}),
    "thresholds above 1": field(thresholds={"half": [0.5] * 5, "f1": [1.5] * 5}),
    "thresholds below 0": field(thresholds={"half": [0.5] * 5, "f1": [-0.1] * 5}),
    "too few thresholds": field(thresholds={"half": [0.5] * 5, "f1": [0.5] * 4}),
    "no F1 thresholds": field(thresholds={"half": [0.5] * 5}),
    "no thresholds": field(thresholds={}),
    "thresholds of text": field(thresholds={"half": ["a"] * 5, "f1": ["a"] * 5}),
    "a NaN calibration": field(platt=[[NAN, 0.0]] * 5),
    "a calibration of fewer classes": field(platt=[[1.0, 0.0]] * 4),
    "weights of NaN": weights(NAN),
    "infinite weights": weights(float("inf")),
    "no weights": field(state={}),
    "another family": field(config={"family": "nobody's"}),
    "other data": of_data(fingerprint="0" * 64),
    "other classes": of_data(class_names=["a", "b", "c", "d", "e"]),
    "other leads": of_data(leads=["I", "II", "V5"]),
    "a model of validation without its reference": field(trained_on="train+validation"),
    "an empty model": text(MODEL, ""),
    "a manifest of nothing": text("models/manifest.json", "{"),
    "a manifest that leads out": text("models/manifest.json", json.dumps({"models": [{"name": "A", "seeds": [{"file": "../a.pth"}]}]})),
    "a ledger of text": text("data/test_ledger.jsonl", "junk\n"),
    "a ledger of lists": text("data/test_ledger.jsonl", "[1]\n"),
    "a ledger that is a link to nothing": lambda folder: (folder / "data/test_ledger.jsonl").symlink_to(folder / "victim"),
    "a file in the place of --out": text("results", ""),
    "no test files": lambda folder: shutil.rmtree(folder / "data" / "test"),
    "fewer test labels than records": fewer_test_records,
    **{f"{file}: {kind}": lambda folder, file=file, kind=kind: in_place_of(folder / "data/test" / file, kind)
       for file in ("signals.npy", "labels.npy") for kind in PLACES if kind != "a bit flipped"},
    **{f"records.npz: {kind}": lambda folder, kind=kind: in_place_of(folder / "data/test/records.npz", kind)
       for kind in ("gone", "a folder", "a pipe", "a link to nothing")},
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_can_be_seen_costs_no_opening(name, folder):
    FAULTS[name](folder)
    ledger = folder / "data" / "test_ledger.jsonl"
    before = ledger.read_text() if ledger.is_file() else None
    said = ecg_tune("evaluate", folder / "models", "--data", folder / "data", "--out", folder / "results", *FLAGS)
    check(said, longest=640)
    assert (ledger.read_text() if ledger.is_file() else None) == before


def test_a_full_disk_costs_no_opening(folder, monkeypatch):
    monkeypatch.setattr(evaluation, "RESULTS_BYTES", 2**60)
    said = ecg_tune("evaluate", folder / "models", "--data", folder / "data", "--out", folder / "results", *FLAGS)
    check(said, longest=640)
    assert not (folder / "data" / "test_ledger.jsonl").exists()


def test_a_study_that_can_not_take_its_copy_of_the_ledger_costs_no_opening(folder):
    data = open_prepared(folder / "data")
    (folder / "study").write_text("a file")
    with pytest.raises(DataError, match=r"study can't be written .*the test split stays sealed"):
        evaluation.evaluate(folder / "models", data, folder / "results", study="s", ledger_folder=folder / "study", n_bootstrap=100)
    assert not (folder / "data" / "test_ledger.jsonl").exists()


def test_a_class_without_positives_is_na_wherever_it_would_need_some(folder, few_data):
    data = open_prepared(folder / "data")
    labels = np.load(folder / "data/test/labels.npy")
    labels[:, 4] = 0
    test = dataclasses.replace(open_test(data, "test"), labels=labels)
    facts = {key: value for key, value in data.manifest.items() if key not in COMPUTED}
    write_prepared(folder / "bare", {"train": data.train, "validation": data.validation, "test": test}, facts)
    bare = open_prepared(folder / "bare")
    of_data(fingerprint=bare.fingerprint)(folder)
    result = evaluation.evaluate(folder / "models", bare, folder / "results", study="s", n_bootstrap=100)
    summary = (folder / "results" / "EVALUATION_SUMMARY.txt").read_text()
    line = next(line for line in summary.splitlines() if line.startswith("HYP "))
    assert line.split()[1] == line.split()[3] == line.split()[4] == "n/a", line
    assert re.search(r"Here: [\w, ]*HYP", " ".join(summary.split())), summary
    assert re.search(r"No positive test record: [\w, ]*HYP", (folder / "results" / "report.html").read_text())
    assert "nan" not in summary.lower()
    assert result.best == "CNN1D"
