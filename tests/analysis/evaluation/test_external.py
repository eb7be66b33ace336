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
from analysis.evaluation.external_difference import difference_figure
from analysis.evaluation.tables import MACRO_COLUMNS
from ecg_tune.cli.main import run
from ecg_tune.config import TrainingConfig, TrialConfig
from ecg_tune.data.prepared.dataset import PreparedData, Split, open_prepared, open_test, read_ledger
from ecg_tune.data.prepared.writer import write_prepared
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


@pytest.mark.parametrize("part", ["all", "test"])
def test_a_part_of_no_other_data_is_refused_before_the_seal_is_opened(own, models, tmp_path, part, capsys):
    sealed = read_ledger(own)
    assert run(["evaluate", str(models), "--data", str(own.folder), "--on-split", part, "--out", str(tmp_path / "out")]) == 2
    assert f"--on-split {part} is about the data of --on: name them with --on DIR" in " ".join(capsys.readouterr().err.split())
    assert read_ledger(own) == sealed
    assert not (tmp_path / "out").exists()


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


def evaluated(*arguments: str, out: Path) -> str:
    """Run the command; return its summary, spaces collapsed."""
    assert run(["evaluate", *arguments, "--out", str(out), "--bootstrap", "100"]) == 0
    return " ".join((out / "EVALUATION_SUMMARY.txt").read_text(encoding="utf-8").split())


@pytest.mark.slow
def test_the_difference_to_the_internal_test_comes_from_its_kept_predictions_and_opens_nothing(own, other, models, tmp_path):
    folder, data = shutil.copytree(models, tmp_path / "models"), ["--data", str(own.folder)]
    summary = evaluated(str(folder), *data, "--on", str(other.folder), out=tmp_path / "before")
    assert f"`ecg-tune evaluate {folder} --data {own.location} --out results/` makes it" in summary
    assert not list((tmp_path / "before").glob("22_*"))

    evaluated(str(folder), *data, out=tmp_path / "internal")
    sealed = read_ledger(own)
    summary = evaluated(str(folder), *data, "--on", str(other.folder), out=tmp_path / "out")
    assert read_ledger(own) == sealed
    assert "Internal: 24 test records of" in summary
    table = pd.read_csv(tmp_path / "out" / "22_external_difference.csv").set_index(["Class", "Metric"])
    inside, outside = (pd.read_csv(tmp_path / name / "01_macro_comparison.csv").iloc[0] for name in ("internal", "out"))
    row = table.loc[("macro_avg", "f1_score")]
    assert row["Internal"] == pytest.approx(inside["F1-Score"], abs=6e-5)
    assert row["External"] == pytest.approx(outside["F1-Score"], abs=6e-5)
    assert row["Difference_lo"] < row["Difference"] < row["Difference_hi"]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Difference to the internal test" in page
    assert f"{row['Difference']:+.4f}" in page
    assert "22_external_difference.png" in page
    drawn = difference_figure(table.reset_index(), model="CNN1D").axes[0]
    assert len(drawn.get_yticks()) == len(MACRO_COLUMNS) + 2 * 5
    assert drawn.get_xlim()[0] == -drawn.get_xlim()[1]
    assert "ECG CLASSIFICATION" in (tmp_path / "out" / "DETAILED_METRICS_REPORT.txt").read_text(encoding="utf-8")


@pytest.mark.slow
def test_predictions_of_other_models_or_other_data_are_not_compared_with(own, other, models, tmp_path):
    folder, data = shutil.copytree(models, tmp_path / "models"), ["--data", str(own.folder)]
    evaluated(str(folder), *data, out=tmp_path / "internal")
    kept = (folder / "test_predictions.parquet").read_bytes()
    config = TrialConfig("cnn1d", CNN1DConfig(filters=4, depth=1, kernel_size=5), TrainingConfig(batch_size=16, max_epochs=1))
    save_model(folder / "CNN1D_best.pth", saved_model(train_model(config, own), own, name="CNN1D"))
    summary = evaluated(str(folder), *data, "--on", str(other.folder), out=tmp_path / "out")
    assert "No difference to the internal test: " in summary
    assert "is of other models: some were trained since" in summary
    shutil.copy(folder / "CNN1D_best.pth", folder / "Second_best.pth")  # a model that the file has no columns of
    summary = evaluated(str(folder), *data, "--on", str(other.folder), out=tmp_path / "more")
    assert "test_predictions.parquet is of other models: some were trained since" in summary
    (folder / "test_predictions.parquet").write_bytes(kept[:1000])
    assert "can't be read" in evaluated(str(folder), *data, "--on", str(other.folder), out=tmp_path / "out")


def fewer_classes(data: PreparedData, names: tuple[str, ...], folder: Path, **facts: Any) -> PreparedData:
    """Write the data again with some of their classes."""
    columns = [data.class_names.index(name) for name in names]
    parts = {split.name: dataclasses.replace(split, labels=split.labels[:, columns]) for split in records_of(data)}
    kept = {key: value for key, value in data.manifest.items() if key not in ("digests", "counts", "origins", "fingerprint")}
    write_prepared(folder, parts, {**kept, "class_names": list(names), **facts})
    return open_prepared(folder)


@pytest.mark.slow
def test_data_that_lack_classes_are_evaluated_on_the_shared_ones_on_both_sides(own, other, models, tmp_path):
    folder, data = shutil.copytree(models, tmp_path / "models"), ["--data", str(own.folder)]
    some = fewer_classes(other, ("STTC", "extra", "MI"), tmp_path / "some", label_rule={"text": "the columns of some.csv"})
    evaluated(str(folder), *data, out=tmp_path / "internal")
    summary = evaluated(str(folder), *data, "--on", str(some.folder), out=tmp_path / "out")
    assert "Class Names: MI, STTC" in summary
    assert "not evaluated: NORM, CD, HYP, which these data do not label (validation scores count all 5 classes" in summary
    assert "not predicted, so not evaluated: extra" in summary
    assert "the models learnt theirs by another rule: toy" in summary
    rows = pd.read_csv(tmp_path / "out" / "predictions.csv")
    labels = np.concatenate([split.labels for split in records_of(some)])
    np.testing.assert_array_equal(rows[["label_MI", "label_STTC"]], labels[:, [2, 0]])
    assert not [column for column in rows if column.endswith(("NORM", "CD", "HYP", "extra"))]
    table = pd.read_csv(tmp_path / "out" / "22_external_difference.csv").set_index(["Class", "Metric"])
    assert set(table["Classes_in_means"]) == {"MI STTC"}
    inside = pd.read_csv(tmp_path / "internal" / "02_per_class_f1_comparison.csv").iloc[0]
    assert table.loc[("macro_avg", "f1_score"), "Internal"] == pytest.approx((inside["MI"] + inside["STTC"]) / 2, abs=6e-5)
    explained = pd.read_csv(tmp_path / "out" / "21_explanations.csv")
    probabilities = rows.set_index("ecg_id")
    for row in explained.itertuples():
        assert row.Probability == pytest.approx(probabilities.loc[row.ecg_id, f"CNN1D_seed0_{row.Class}"], abs=1e-5)
        assert row.Logit_gained != 0


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"leads": ["I", "II", "V1"]}, "has leads I,II,V1, but the models take I,II,V2"),
        ({"sampling_rate_hz": 500}, "has sampling_rate_hz 500, but the models take 100"),
        (
            {"images": {"folder": "gaf", "n_channels": 3, "size": 32}},
            "and stored images of 3 x 32 x 32, but the models were trained on leads",
        ),
        ({"n_samples": 1000}, "has n_samples 1000, but the models take 250"),
        ({"class_names": ["AF", "x"]}, "shares no class with the models: it has AF,x, they predict NORM,MI,STTC,CD,HYP"),
    ],
)
def test_data_that_do_not_fit_the_models_are_refused_and_stay_sealed(own, other, facts, message):
    before = read_ledger(other)
    with pytest.raises(DataError, match=message):
        external_view(own, changed(other, **facts))
    assert read_ledger(other) == before


def test_data_whose_shared_classes_no_record_has_are_refused(own, other):
    counts = {split: {**numbers, "NORM": 0} for split, numbers in other.manifest["counts"].items()}
    with pytest.raises(DataError, match=r"no class that it shares with the models \(NORM\) has records with it and records without it"):
        external_view(own, changed(other, class_names=["NORM", "AF"], counts=counts))


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
