"""A tree of images alone, made elsewhere: from its import to the report, by the commands."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from ecg_tune.cluster.doctor import examine
from ecg_tune.data.exchange.layout import DATASET
from ecg_tune.data.exchange.writer import export_tree
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.models import trial_config
from ecg_tune.study.study import Study
from tests.commands import ecg_tune
from tests.conftest import make_toy_data

WORDS_OF_SIGNALS = ("leads", " Hz", "millivolt", "10 s ")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a tree of 32-pixel images that others might have made."""
    root = tmp_path_factory.mktemp("stored_images")
    data = make_toy_data(root / "source", n_records=(60, 30, 30))
    export_tree(data, root / "tree", images=("gaf",), image_size=32, include_test=True)
    shutil.rmtree(root / "tree" / "signals")
    (root / "tree" / DATASET).unlink()
    assert ecg_tune("data", "import", root / "tree", root / "data").code == 0
    return root


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["search", "{root}/s", "--data", "{root}/data", "--families", "vgg,rnn"], "holds images and no signals, and rnn needs signals"),
        (
            ["preview", "{root}/s", "--data", "{root}/data", "--families", "fusion"],
            "and fusion needs signals: choose of alexnet, vgg, resnet",
        ),
        (["train", "cnn1d", "--data", "{root}/data"], "and cnn1d needs signals"),
        (["data", "export", "{root}/data", "{root}/again", "--images", "none"], "which are written as they are"),
    ],
)
def test_what_needs_signals_is_refused_in_one_line(root, words, message):
    said = ecg_tune(*(word.format(root=root) for word in words))
    assert said.code == 2
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not (root / "s").exists()
    assert not (root / "again").exists()


def test_the_models_of_such_data_are_those_on_images(root):
    said = ecg_tune("models", "--data", root / "data", "--profile", "small")
    assert {line.split()[0] for line in said.out.splitlines()[1:]} == {"alexnet", "vgg", "resnet"}
    assert "3 x 32 x 32 image" in said.out


def test_one_model_is_trained_and_says_that_it_takes_no_recording(root, tmp_path):
    said = ecg_tune("train", "resnet", "--data", root / "data", "--profile", "small", "--max-epochs", "1", "--out", tmp_path)
    assert said.code == 0, said.err
    (tmp_path / "ecg.npy").write_bytes(b"")
    for command in (
        ["predict", tmp_path / "ResNet_best.pth", tmp_path / "ecg.npy"],
        ["export-onnx", tmp_path / "ResNet_best.pth", "x.onnx"],
    ):
        refused = ecg_tune(*command)
        assert (refused.code, refused.err.count("\n")) == (2, 1), refused.err
        assert "takes stored images" in refused.err


def test_stored_images_are_asked_for_only_where_there_are_some(root, tmp_path):
    (tmp_path / "train.yaml").write_text("image: {kind: stored}")
    said = ecg_tune(
        "train", "resnet", "--data", root / "source", "--profile", "small", "--config", tmp_path / "train.yaml", "--out", tmp_path
    )
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "the data have no stored images: take another image kind than stored" in said.err


@pytest.mark.ray
def test_a_cluster_whose_machines_can_not_read_the_images_is_refused(joined_ray, root):
    data = open_prepared(root / "data")
    for place, n_complaints in ((data.location, 0), ("/nothing/here", 1)):
        found = examine(data=place, fingerprint=data.fingerprint, data_needed=data.reads_images_here).complaints
        assert len([one for one in found if one.grave and "can't read the stored images (no data there)" in one.what]) == n_complaints


@pytest.mark.ray
@pytest.mark.slow
def test_images_alone_go_from_the_search_to_the_report(joined_ray, root):
    study, results = root / "study", root / "results"
    for words in (
        ["search", study, "--data", root / "data", "--profile", "small", "--trials", "3", "--max-epochs", "2"],
        ["dashboard", study],
        ["retrain", study, "--top", "2", "--seeds", "1"],
        ["retrain", study, "--top", "1", "--seeds", "1", "--on", "train+validation"],
        ["evaluate", study, "--out", results, "--bootstrap", "100"],
    ):
        said = ecg_tune(*words)
        assert said.code == 0, (words, said.err)
    trials = Study.open(study).trials()
    assert {trial.family for trial in trials} == {"alexnet", "vgg", "resnet"}
    assert all(trial_config(dict(trial.config)).stored_images for trial in trials)
    status = ecg_tune("status", study).out
    assert "stored images of 3 x 32 x 32" in status
    card = (results / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Input: stored images of 3 x 32 x 32, made elsewhere" in card
    reports = [status, card, (results / "EVALUATION_SUMMARY.txt").read_text(encoding="utf-8")]
    assert not [word for word in WORDS_OF_SIGNALS if any(word in text for text in reports)]
    page = (study / "dashboard.html").read_text(encoding="utf-8")
    assert "<dt>Stored images</dt><dd>3 x 32 x 32</dd>" in page
    assert "<dt>Leads</dt>" not in page
    explained = pd.read_csv(results / "21_explanations.csv")
    assert set(explained["Method"]) == {"Grad-CAM"}
    assert not list((results / "visualizations").glob("19_worst_record_*"))
