"""Teachers with more leads: what they say is of networks that have not seen the record, and reaches the training labels alone."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from analysis.retraining.folds import train_folds
from analysis.retraining.training_jobs import Fold, Job
from ecg_tune.api.settings import make_space
from ecg_tune.api.teach import teach
from ecg_tune.cli.main import run
from ecg_tune.config import SearchSettings, TrainingConfig, TrialConfig, to_dict
from ecg_tune.data.loaders import to_device
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared, open_test, read_ledger
from ecg_tune.data.prepared.describe import describe, describe_text
from ecg_tune.data.prepared.writer import write_prepared
from ecg_tune.errors import ConfigError, DataError, UsageError
from ecg_tune.models import CNN1DConfig
from ecg_tune.search.attributes import study_attributes
from ecg_tune.storage import S3Storage
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.learner import Learner, learning_data
from ecg_tune.training.loss import make_loss, with_teachers
from ecg_tune.training.model_file import build_predictor, load_saved, save_model
from ecg_tune.training.predictor import predict_probabilities
from ecg_tune.training.refit import refit_model
from tests.conftest import make_toy_data
from tests.servers import s3_running

CONFIG = TrialConfig("cnn1d", CNN1DConfig(filters=8, depth=2), TrainingConfig(max_epochs=2, crop_s=1.0))


def few_of(many: PreparedData, folder: Path, **changes: object) -> PreparedData:
    """Write the same records with the first lead alone."""
    parts = {split.name: dataclasses.replace(split, signals_uv=split.signals_uv[:, :, :1]) for split in (many.train, many.validation)}
    parts["test"] = dataclasses.replace(
        parts["validation"], name="test", records={**many.validation.records, "ecg_id": np.arange(900, 916)}
    )
    write_prepared(folder, parts, {**many.manifest, "leads": ["I"], **changes})
    return open_prepared(folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `many` (three leads), `few` (one lead, its test split opened once) and `study`, of many, with one trial."""
    folder = tmp_path_factory.mktemp("teachers")
    many = make_toy_data(folder / "many", n_records=(60, 16, 8))
    open_test(few_of(many, folder / "few"), "evaluate", "an earlier study")
    attributes = study_attributes(many, SearchSettings(("cnn1d",), profile="small", max_epochs=2))
    with Study.create(folder / "study", attributes) as study:
        study.add(Trial(0, "COMPLETE", family="cnn1d", config=to_dict(CONFIG), seed=1, intermediate={2: 0.6}, values=(0.6,)))
    return folder


@pytest.fixture(scope="module")
def taught(place: Path) -> PreparedData:
    """Return data that three teachers, trained one after the other, have taught."""
    teach(place / "few", place / "taught", place / "study", folds=3, device="cuda:0" if torch.cuda.is_available() else "cpu")
    return open_prepared(place / "taught")


@pytest.mark.ray
def test_each_record_is_taught_by_the_network_that_has_not_seen_it(place: Path, taught: PreparedData) -> None:
    many, found = open_prepared(place / "many"), taught.train.taught
    assert found is not None
    for fold in train_folds(many, 3):
        saved = load_saved(place / "study" / "models" / f"CNN1D_trial0_fold{fold.number}of3.pth")
        rows = list(fold.rows)
        np.testing.assert_allclose(found[rows], predict_probabilities(build_predictor(saved), many.train.signals_uv[rows]), atol=1e-6)
    assert taught.manifest["taught"]["data"] == many.fingerprint


@pytest.mark.ray
def test_all_else_is_the_data_that_were_copied_and_their_ledger_comes_with_them(place: Path, taught: PreparedData) -> None:
    few = open_prepared(place / "few")
    for name in ("train", "validation", "test"):
        for path in (few.folder / name).iterdir():
            assert (taught.folder / name / path.name).read_bytes() == path.read_bytes()
    assert {path.name for path in (taught.folder / "train").iterdir()} - {path.name for path in (few.folder / "train").iterdir()} == {
        "taught.npy"
    }
    assert taught.fingerprint != few.fingerprint
    assert len(read_ledger(taught)) == len(read_ledger(few)) == 1
    assert "teachers     trial 0 (cnn1d) of study, leads I, II, V2, 3 folds of train" in describe_text(describe(taught.folder))
    assert (few.train.taught, taught.validation.taught) == (None, None)


@pytest.mark.ray
def test_an_export_says_that_what_they_say_stays_behind(taught: PreparedData, tmp_path: Path, capsys) -> None:
    assert run(["data", "export", str(taught.folder), str(tmp_path / "tree"), "--images", "none"]) == 0
    assert "the test split stays sealed; what teachers say is left out; SYNTHETIC" in capsys.readouterr().out


@pytest.mark.ray
def test_the_report_says_who_taught_the_models(taught: PreparedData, tmp_path: Path) -> None:
    data = open_prepared(shutil.copytree(taught.folder, tmp_path / "data"))  # its test split is opened
    config = dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, distillation=0.5))
    save_model(tmp_path / "models" / "CNN1D_best.pth", saved_model(train_model(config, data, seed=0), data, name="CNN1D"))
    words = [str(tmp_path / "models"), "--data", str(data.folder), "--out", str(tmp_path / "out"), "--bootstrap", "100"]
    assert run(["evaluate", *words]) == 0
    said = " ".join((tmp_path / "out" / "EVALUATION_SUMMARY.txt").read_text().split())
    assert "train with a share of 0.5 of each label from teachers: trial 0 (cnn1d) of study, leads I, II, V2, 3 folds of train" in said
    for name in ("report.html", "MODEL_CARD.md"):
        assert "of each label from teachers: trial 0 (cnn1d) of study" in (tmp_path / "out" / name).read_text()


@pytest.mark.ray
def test_an_interrupted_command_keeps_the_teachers_that_were_trained(place: Path, taught: PreparedData, tmp_path: Path, capsys) -> None:
    models = [place / "study" / "models" / f"CNN1D_trial0_fold{fold}of3.pth" for fold in range(3)]
    before = [path.stat().st_mtime_ns for path in models]
    models[1].unlink()
    assert run(["data", "teach", str(place / "few"), str(tmp_path / "out"), "--study", str(place / "study"), "--folds", "3"]) == 0
    out = capsys.readouterr().out
    assert "1 training to do, 2 were finished before" in out
    assert "(SYNTHETIC data)" in out
    assert [models[k].stat().st_mtime_ns for k in (0, 2)] == [before[0], before[2]]
    np.testing.assert_allclose(open_prepared(tmp_path / "out").train.taught, taught.train.taught, atol=1e-6)


@pytest.mark.ray
@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: np.save(path, np.full((60, 5), 0.5, np.float32)),
        lambda path: np.save(path, np.full((60, 5), 1.5, np.float32)),
        lambda path: np.save(path, np.full((60, 5), np.nan, np.float32)),
        lambda path: np.save(path, np.zeros((59, 5), np.float32)),
        lambda path: np.save(path, np.zeros((60, 5), np.float64)),
    ],
    ids=["gone", "cut", "changed", "above 1", "NaN", "a record less", "doubles"],
)
def test_what_teachers_said_is_read_whole_and_unchanged_or_refused(taught: PreparedData, harm) -> None:
    path = taught.folder / "train" / "taught.npy"
    whole = path.read_bytes()
    harm(path)
    try:
        with pytest.raises(
            DataError, match=r"taught\.npy (can't be read|differs from what the manifest recorded).*`ecg-tune data teach` again"
        ):
            open_prepared(taught.folder)
    finally:
        path.write_bytes(whole)


@pytest.mark.ray
@pytest.mark.slow
def test_they_come_from_a_bucket_with_the_data(taught: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with s3_running() as s3:
        where = s3.uri("taught")
        for path in (path for path in taught.folder.rglob("*") if path.is_file()):
            content = path.read_bytes()
            S3Storage(where).write(path.relative_to(taught.folder).as_posix(), lambda file, content=content: file.write(content))
        np.testing.assert_array_equal(open_prepared(where).train.taught, taught.train.taught)
        with pytest.raises(UsageError, match="lies in a bucket: copy it into a folder first"):
            teach(where, tmp_path / "out", taught.folder.parent / "study")


@pytest.mark.ray
def test_labels_are_mixed_with_what_teachers_say_in_training_alone(taught: PreparedData) -> None:
    config = dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, distillation=0.5))
    learner = Learner(config, learning_data(taught, torch.device("cpu")), seed=0)
    said = torch.from_numpy(taught.train.taught)
    torch.testing.assert_close(learner.loader.split.labels, (torch.from_numpy(taught.train.labels).float() + said) / 2)
    assert torch.equal(learner.data.validation.labels, torch.from_numpy(taught.validation.labels).float())
    plain = Learner(CONFIG, learning_data(taught, torch.device("cpu")), seed=0)
    assert learner.train_epoch() != plain.train_epoch()
    saved = saved_model(train_model(config, taught, seed=0), taught, name="CNN1D", trial=0)
    refit = refit_model(saved, taught)
    assert refit.epochs == saved.best_epoch
    assert build_predictor(refit).class_names == taught.class_names


def test_the_loss_with_mixed_labels_is_the_weighted_sum_of_both(few_data: PreparedData) -> None:
    generator = torch.Generator().manual_seed(0)
    split = to_device(few_data.train, torch.device("cpu"))
    said, logits = (torch.rand(split.labels.shape, generator=generator) for _ in range(2))
    mixed = with_teachers(dataclasses.replace(split, taught=said), 0.3)
    both = [nn.functional.binary_cross_entropy_with_logits(logits, target) for target in (split.labels, said)]
    torch.testing.assert_close(make_loss(TrainingConfig(), split.labels)(logits, mixed.labels), 0.7 * both[0] + 0.3 * both[1])
    assert with_teachers(split, 0.0) is split


def test_without_teachers_it_is_refused_before_the_first_trial(few_data: PreparedData, tmp_path: Path) -> None:
    settings = SearchSettings(("cnn1d",), profile="small", training={"distillation": 0.5})
    with pytest.raises(ConfigError, match="distillation needs data with teachers"):
        make_space(settings, few_data, tmp_path / "study")
    config = dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, distillation=0.5))
    with pytest.raises(ConfigError, match="distillation needs data with teachers"):
        train_model(config, few_data)
    with pytest.raises(UsageError, match="trial 0 learns from teachers that were trained on all of the train split"):
        Job("CNN1D", 0, None, config, 0, tmp_path / "CNN1D_trial0_seed0.pth").on_fold(Fold(0, 3, (0,)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{place}/few", "{place}/many"], "holds prepared data, or their test split's ledger: name a new folder"),
        (["{place}/few", "{place}/study"], "holds something else"),
        (["{place}/few", "{new}", "--trial", "7"], "trial 7 does not exist"),
        (["{place}/other", "{new}"], "differ in their labels: prepare both from one source"),
        (["{place}/fewer", "{new}"], "differ in their train records: prepare both from one source"),
        (["{place}/elsewhere", "{new}"], "differ in their sources: prepare both from one source"),
        (["{place}/study", "{new}"], "it is a study: give the folder that `ecg-tune data prepare` wrote"),
        (["{place}/few", "{new}", "--folds", "1"], "greater than or equal to 2"),
    ],
)
def test_what_can_not_be_taught_is_refused_before_anything_is_trained_or_written(
    place: Path, tmp_path: Path, capsys, arguments: list[str], message: str
) -> None:
    if not (place / "other").exists():
        many = open_prepared(place / "many")
        few_of(dataclasses.replace(many, train=dataclasses.replace(many.train, labels=1 - many.train.labels)), place / "other")
        make_toy_data(place / "fewer", n_records=(50, 16, 8))
        few_of(many, place / "elsewhere", source={"name": "another"})
    words = [word.format(place=place, new=tmp_path / "new") for word in arguments]
    assert run(["data", "teach", *words, "--study", str(place / "study")]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "new").exists()


@pytest.mark.ray
@pytest.mark.slow
def test_a_search_learns_from_teachers(taught: PreparedData, tmp_path: Path, capsys, joined_ray: None) -> None:
    (tmp_path / "search.yaml").write_text("training: {distillation: 0.5}\n")
    search = ["search", str(tmp_path / "study"), "--data", str(taught.folder), "--config", str(tmp_path / "search.yaml")]
    assert run([*search, "--families", "cnn1d", "--trials", "1", "--max-epochs", "1"]) == 0
    with Study.open(tmp_path / "study") as study:
        assert study.best is not None
        assert study.best.config["training"]["distillation"] == 0.5
    assert json.loads((taught.folder / "manifest.json").read_text())["taught"]["folds"] == 3
