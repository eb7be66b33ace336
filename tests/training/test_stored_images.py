"""Training on images that come with the data: what the networks see, what is refused, and a model that says what it takes."""

from __future__ import annotations

import dataclasses
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ecg_tune.config import STORED, ImageConfig, TrialConfig
from ecg_tune.data.exchange.layout import DATASET
from ecg_tune.data.exchange.reader import import_tree
from ecg_tune.data.exchange.writer import export_tree
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared
from ecg_tune.errors import ConfigError, DataError
from ecg_tune.models.cost import cost
from ecg_tune.training.costs import COSTS, epoch_cost_s
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.inputs import IMAGE_FAMILIES, check_families, takes_signals
from ecg_tune.training.learner import Learner, learning_data
from ecg_tune.training.model_file import load_model, load_saved, save_model
from ecg_tune.training.predictor import predict_probabilities, signal_format
from ecg_tune.training.refit import refit_model
from search_spaces import SPACES, SpaceContext, resolve
from tests.commands import ecg_tune
from tests.conftest import make_toy_data

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the same records twice: with signals and the images made of them ("both"), and as images alone ("alone")."""
    root = tmp_path_factory.mktemp("stored")
    export_tree(make_toy_data(root / "source", n_records=(40, 16, 8)), root / "tree", images=("gaf",), image_size=32, include_test=True)
    import_tree(root / "tree", root / "both", images="gaf")
    shutil.rmtree(root / "tree" / "signals")
    (root / "tree" / DATASET).unlink()
    import_tree(root / "tree", root / "alone")
    return root


@pytest.fixture(scope="module")
def alone(folder: Path) -> PreparedData:
    return open_prepared(folder / "alone")


@pytest.fixture(scope="module")
def both(folder: Path) -> PreparedData:
    return open_prepared(folder / "both")


def config_of(family: str, *, image: dict[str, Any] | None = None, **training: Any) -> TrialConfig:
    """Return the family's default of the profile small on stored images of 32 pixels."""
    config = resolve(family, SPACES[family].defaults["small"], SpaceContext("small", 2, images=(3, 32)))
    changed = dataclasses.replace(config.training, **training)
    assert config.image is not None
    return dataclasses.replace(config, training=changed, image=dataclasses.replace(config.image, **(image or {})))


@pytest.mark.parametrize("family", IMAGE_FAMILIES)
def test_images_alone_train_every_image_family(alone, family):
    result = Learner(config_of(family), learning_data(alone, CPU), seed=0).step()
    assert math.isfinite(result.train_loss + result.validation_loss)


def test_stored_images_train_as_the_same_images_computed(both):
    computed = config_of("resnet", image={"kind": "gasf", "scale": "series"})
    losses = [Learner(config, learning_data(both, CPU), seed=0).step().train_loss for config in (config_of("resnet"), computed)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_a_fusion_sees_each_signal_beside_its_own_image(both):
    config = config_of("fusion", batch_size=8)
    learner = Learner(config, learning_data(both, CPU), seed=0)
    standardised = both.train.signals_uv / np.float32(1000 * both.normalisation["scale_mv"])
    for signal, image, labels in learner.loader:
        for one, picture, label in zip(signal.numpy(), image.numpy(), labels.numpy(), strict=True):
            (row,) = np.flatnonzero(np.isclose(standardised, one, atol=1e-5).all(axis=(1, 2)))
            np.testing.assert_array_equal(picture, both.train.images.read(np.array([row]))[0])
            np.testing.assert_array_equal(label, both.train.labels[row])
    assert math.isfinite(learner.step().validation_loss)


def test_a_fusion_with_stored_images_is_not_exported_and_the_refusal_says_what_to_do(both, tmp_path):
    save_model(
        tmp_path / "JointFusion.pth", saved_model(train_model(config_of("fusion", max_epochs=1), both, seed=0), both, name="JointFusion")
    )
    said = ecg_tune("export-onnx", tmp_path / "JointFusion.pth", tmp_path / "x.onnx")
    assert (said.code, said.err.count("\n")) == (2, 1), said.err
    assert "takes stored images, which an exported file can't make from millivolts: export a model that" in said.err
    assert not (tmp_path / "x.onnx").exists()


@pytest.mark.parametrize("training", [{"mixup": 0.4}, {"micro_batch": 5}, {"averaging": "ema"}])
def test_settings_of_training_hold_for_stored_images_too(alone, training):
    result = Learner(config_of("resnet", **training), learning_data(alone, CPU), seed=0).step()
    assert math.isfinite(result.train_loss + result.validation_loss)


def test_a_model_file_of_images_alone_predicts_its_data_and_refits_but_takes_no_recording(alone, tmp_path):
    fit = train_model(config_of("vgg"), alone, seed=1)
    save_model(tmp_path / "VGGNet.pth", saved_model(fit, alone, name="VGGNet"))
    model = load_model(tmp_path / "VGGNet.pth")
    probabilities = predict_probabilities(model, alone.validation)
    np.testing.assert_allclose(probabilities, predict_probabilities(fit.model, alone.validation), atol=1e-6)
    assert probabilities.shape == (16, 5)
    with pytest.raises(DataError, match="takes stored images, and how they are made from a recording is not known"):
        signal_format(model)
    with pytest.raises(DataError, match="takes stored images"):
        predict_probabilities(model, dataclasses.replace(alone.validation, images=None))
    saved = load_saved(tmp_path / "VGGNet.pth")
    assert saved.data["images"] == {"folder": "gaf", "n_channels": 3, "size": 32}
    refit = refit_model(saved, alone)
    assert refit.epochs == saved.best_epoch
    assert all(math.isfinite(row["train_loss"]) for row in refit.history)


def test_a_model_refuses_images_of_another_shape(alone):
    model = train_model(config_of("resnet", max_epochs=1), alone).model
    with pytest.raises(DataError, match=r"takes stored images of \(3, 32, 32\), but got \(3, 48, 48\)"):
        model(torch.zeros(2, 0, 0), torch.zeros(2, 3, 48, 48))


def test_costs_are_those_of_the_stored_images(alone):
    config, data = config_of("resnet"), learning_data(alone, CPU)
    learner = Learner(config, data, seed=0)
    size = cost(config, n_leads=0, n_samples=0, sampling_rate_hz=0)
    assert size.inputs == "3 x 32 x 32 image"
    assert COSTS["macs"](learner.predictor, data) == size.macs
    assert COSTS["latency_ms"](learner.predictor, data) > 0
    assert epoch_cost_s(config, data) > 0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (config_of("resnet", image={"size": 48}), "3 channels of 32 pixels a side, but image.channels=3 and image.size=48: set them"),
        (config_of("resnet", image={"channels": 12}), "but image.channels=12"),
        (config_of("resnet", image={"kind": "gasf"}), "resnet needs signals to compute its images, and the data hold stored images alone"),
        (config_of("fusion"), "fusion needs signals, and the data hold stored images alone"),
        (resolve("rnn", SPACES["rnn"].defaults["small"], SpaceContext("small", 2)), "rnn needs signals, and the data hold"),
    ],
)
def test_a_config_that_images_alone_can_not_feed_is_refused(alone, config, message):
    with pytest.raises(ConfigError, match=message):
        Learner(config, learning_data(alone, CPU), seed=0)


def test_stored_images_are_refused_where_there_are_none(few_data):
    with pytest.raises(ConfigError, match="the data have no stored images: take another image kind than stored"):
        Learner(config_of("resnet"), learning_data(few_data, CPU), seed=0)


@pytest.mark.parametrize("training", [{"crop_s": 2.5}, {"augment": dataclasses.replace(config_of("resnet").training.augment, noise=0.1)}])
def test_stored_images_are_neither_cropped_nor_augmented(training):
    with pytest.raises(ConfigError, match="takes stored images, which show whole, unchanged records: leave crop_s and augment out"):
        config_of("resnet", **training)


def test_families_that_need_signals_are_named_with_those_that_do_not():
    assert {family for family in SPACES.built_in if not takes_signals(family)} == set(IMAGE_FAMILIES)
    with pytest.raises(ConfigError, match="DATA holds images and no signals, and rnn needs signals: choose of alexnet, vgg, resnet"):
        check_families(["vgg", "rnn"], leads=(), where="DATA")
    check_families(["vgg", "rnn"], leads=("I",), where="DATA")


def test_the_kind_stored_has_the_channels_of_its_data():
    assert ImageConfig(kind=STORED, channels=12).channels == 12
