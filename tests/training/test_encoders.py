"""Fusion started from trained encoders, free and frozen."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from ecg_tune.cli.main import run
from ecg_tune.config import ImageConfig, TrainingConfig, TrialConfig
from ecg_tune.errors import ConfigError
from ecg_tune.models import FusionConfig, ResNetConfig, RNNConfig
from ecg_tune.training.encoders import with_local_encoders
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.learner import Learner, learning_data
from ecg_tune.training.model_file import load_saved, save_model

TRAINING = TrainingConfig(max_epochs=1, crop_s=1.0)
RNN, RESNET, IMAGE = RNNConfig(hidden_size=8, num_layers=1), ResNetConfig(layers=(1,), width=4, stem="small"), ImageConfig(size=32)


@pytest.fixture(scope="module")
def files(toy_data, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("encoders")
    configs = {"RNNModel": TrialConfig("rnn", RNN, TRAINING), "ResNet": TrialConfig("resnet", RESNET, TRAINING, IMAGE)}
    for name, config in configs.items():
        save_model(folder / f"{name}_best.pth", saved_model(train_model(config, toy_data), toy_data, name=name))
    return {name: folder / f"{name}_best.pth" for name in configs}


def fusion(files: dict[str, Path], *, frozen: bool = False, **changes) -> TrialConfig:
    weights = {"signal_checkpoint": str(files["RNNModel"]), "image_checkpoint": str(files["ResNet"])}
    model = FusionConfig(**{"signal": RNN, "image": RESNET, "frozen": frozen, "hidden_size": 8, **weights, **changes})
    return TrialConfig("fusion", model, TRAINING, IMAGE)


def weights_of(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in network.state_dict().items()}


def test_encoders_start_with_the_trained_weights(files, toy_data):
    learner = Learner(fusion(files), learning_data(toy_data, torch.device("cpu")), seed=0)
    for side, name in (("signal", "RNNModel"), ("image", "ResNet")):
        expected = load_saved(files[name]).state
        for key, value in weights_of(getattr(learner.model, side).network).items():
            torch.testing.assert_close(value, expected[key], rtol=0, atol=0)


@pytest.mark.parametrize("frozen", [True, False])
def test_only_frozen_encoders_stay_as_they_are_batch_statistics_included(files, toy_data, frozen):
    learner = Learner(fusion(files, frozen=frozen), learning_data(toy_data, torch.device("cpu")), seed=0)
    before = weights_of(learner.model.image.network)
    learner.step()
    after = weights_of(learner.model.image.network)
    assert all(torch.equal(before[key], after[key]) for key in before) == frozen


def test_a_file_with_another_network_is_refused(files, toy_data):
    with pytest.raises(ConfigError, match="holds another network than the fusion's rnn encoder"):
        Learner(fusion(files, signal=RNNConfig(hidden_size=12)), learning_data(toy_data, torch.device("cpu")), seed=0)


def test_frozen_without_weights_is_refused():
    with pytest.raises(ConfigError, match="frozen encoders need weights"):
        FusionConfig(frozen=True)


def test_a_study_that_was_brought_home_starts_from_the_files_beside_it(files, tmp_path):
    paths = {
        "RNNModel": Path("/shared/study/encoders/RNNModel_best.pth"),
        "ResNet": Path("s3://bucket/encoders/ResNet_best.pth?scheme=http"),
    }
    assert with_local_encoders(fusion(paths), tmp_path) == fusion(paths)
    shutil.copytree(files["RNNModel"].parent, tmp_path / "encoders")
    assert with_local_encoders(fusion(paths), tmp_path) == fusion({name: tmp_path / "encoders" / path.name for name, path in files.items()})
    assert with_local_encoders(TrialConfig("rnn", RNN, TRAINING), tmp_path) == TrialConfig("rnn", RNN, TRAINING)


def test_the_train_command_takes_networks_and_images_from_the_files(files, toy_data, tmp_path, capsys):
    sides = ["--signal-from", str(files["RNNModel"]), "--image-from", str(files["ResNet"]), "--frozen"]
    flags = ["--data", str(toy_data.folder), "--profile", "small", "--max-epochs", "1", "--out", str(tmp_path)]
    assert run(["train", "fusion", *flags, *sides]) == 0, capsys.readouterr().err
    saved = load_saved(tmp_path / "JointFusion_best.pth")
    assert (saved.config.model.signal, saved.config.model.image, saved.config.image) == (RNN, RESNET, IMAGE)
    assert run(["train", "rnn", *flags, "--frozen"]) == 2
    assert "are for fusion, not for rnn" in capsys.readouterr().err
    assert run(["train", "fusion", *flags, "--signal-from", str(files["ResNet"])]) == 2
    assert "give one that takes signals" in capsys.readouterr().err
