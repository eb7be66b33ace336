"""Models evaluated on data of another source: their classes by name, nothing fitted there, every opening noted."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.evaluation.external import external_view
from ecg_tune.cli.main import run
from ecg_tune.config import TrainingConfig, TrialConfig
from ecg_tune.data.prepared.dataset import PreparedData, Split, open_prepared, open_test, read_ledger, write_prepared
from ecg_tune.errors import ConfigError, DataError
from ecg_tune.models.cnn1d import CNN1DConfig
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.model_file import save_model
from tests.conftest import make_toy_data

ORDER = ("HYP", "extra", "CD", "STTC", "MI", "NORM")


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> PreparedData:
    return make_toy_data(tmp_path_factory.mktemp("own"), n_records=(64, 32, 24))


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> PreparedData:
    """Return data of another source: the classes in another order, and one more."""
    source = make_toy_data(tmp_path_factory.mktemp("source"), seed=7, n_records=(20, 16, 24))
    parts = {}
    for split in (source.train, source.validation, open_test(source, "copy")):
        columns = {name: split.labels[:, k] for k, name in enumerate(source.class_names)}
        columns["extra"] = (np.arange(len(split)) % 2).astype(np.uint8)
        parts[split.name] = dataclasses.replace(split, labels=np.stack([columns[name] for name in ORDER], axis=1))
    folder = tmp_path_factory.mktemp("other")
    keys = ("leads", "sampling_rate_hz", "n_samples", "label_rule", "normalisation", "synthetic")
    facts = {key: source.manifest[key] for key in keys}
    write_prepared(folder, parts, {**facts, "class_names": list(ORDER), "split": "own", "source": {"name": "other hospital"}})
    return open_prepared(folder)


@pytest.fixture(scope="module")
def models(own, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    config = TrialConfig("cnn1d", CNN1DConfig(filters=4, depth=1, kernel_size=5), TrainingConfig(batch_size=16, max_epochs=2))
    save_model(folder / "CNN1D_best.pth", saved_model(train_model(config, own), own, name="CNN1D"))
    return folder


def records_of(data: PreparedData) -> list[Split]:
    return [data.train, data.validation, open_test(data, "check")]


@pytest.mark.slow
@pytest.mark.parametrize(("part", "n_records"), [("all", 60), ("test", 24)])
def test_models_are_evaluated_on_other_data_and_their_own_test_split_stays_sealed(own, other, models, tmp_path, part, n_records):
    data = open_prepared(shutil.copytree(other.folder, tmp_path / "other"))
    sealed = read_ledger(own)
    arguments = ["--on", str(data.folder), "--on-split", part, "--out", str(tmp_path / "out"), "--bootstrap", "100"]
    assert run(["evaluate", str(models), "--data", str(own.folder), *arguments]) == 0
    assert read_ledger(own) == sealed
    assert [line["purpose"] for line in read_ledger(data)][-1] == "external evaluation"
    predictions = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert len(predictions) == n_records
    chosen = records_of(data) if part == "all" else records_of(data)[2:]
    labels = np.concatenate([split.labels for split in chosen])
    found = predictions[[column for column in predictions if column in own.class_names or column.startswith("label")]]
    assert found.to_numpy().sum() == labels[:, [ORDER.index(name) for name in own.class_names]].sum()
    summary = " ".join((tmp_path / "out" / "EVALUATION_SUMMARY.txt").read_text(encoding="utf-8").split())
    assert "Class Names: NORM, MI, STTC, CD, HYP" in summary
    assert "External: models, thresholds, Platt scaling and the choice of the best come from toy" in summary
    assert own.fingerprint[:12] in summary
    assert data.fingerprint in summary
    assert "EXTERNAL VALIDATION" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_records_that_the_models_were_trained_on_are_counted_aloud(own, other, models, tmp_path):
    parts = {split.name: split for split in records_of(other)}
    signals = np.array(parts["test"].signals_uv)
    signals[:5] = own.train.signals_uv[:5]
    parts["test"] = dataclasses.replace(parts["test"], signals_uv=signals)
    write_prepared(tmp_path / "other", parts, {key: other.manifest[key] for key in other.manifest if key not in ("digests", "counts")})
    arguments = ["--on", str(tmp_path / "other"), "--out", str(tmp_path / "out"), "--bootstrap", "100"]
    assert run(["evaluate", str(models), "--data", str(own.folder), *arguments]) == 0
    summary = " ".join((tmp_path / "out" / "EVALUATION_SUMMARY.txt").read_text(encoding="utf-8").split())
    assert "WARNING: 5 of these records were used in training or validation" in summary


def changed(data: PreparedData, **facts: Any) -> PreparedData:
    return dataclasses.replace(data, manifest={**data.manifest, **facts})


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"leads": ["I", "II", "V1"]}, "has leads I,II,V1, but the models take I,II,V2"),
        ({"sampling_rate_hz": 500}, "has sampling_rate_hz 500, but the models take 100"),
        ({"n_samples": 1000}, "has n_samples 1000, but the models take 250"),
        ({"class_names": ["NORM", "MI", "STTC", "CD", "AF", "x"]}, "has no class HYP, which the models predict"),
    ],
)
def test_data_that_do_not_fit_the_models_are_refused_and_stay_sealed(own, other, facts, message):
    before = read_ledger(other)
    with pytest.raises(DataError, match=message):
        external_view(own, changed(other, **facts))
    assert read_ledger(other) == before


def test_the_models_own_data_are_no_other_source(own, other):
    with pytest.raises(DataError, match="is the data that the models were trained on"):
        external_view(own, own)
    with pytest.raises(ConfigError, match="part"):
        external_view(own, other, part="train")


def test_the_view_counts_what_is_evaluated(own, other):
    view = external_view(own, other)
    assert view.class_names == own.class_names
    assert view.manifest["counts"]["test"]["records"] == 60
    assert view.manifest["counts"]["test"]["extra"] == 30
    assert json.dumps(dict(view.manifest))
