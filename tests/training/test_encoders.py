"""Fusion started from trained encoders, free and frozen."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg_tune.cli.main import run
from ecg_tune.config import ImageConfig, TrainingConfig, TrialConfig
from ecg_tune.errors import ConfigError
from ecg_tune.models import FusionConfig, ResNetConfig, RNNConfig
from ecg_tune.training.encoders import with_local_encoders
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.learner import Learner, learning_data
from ecg_tune.training.model_file import build_predictor, load_saved, save_model
from ecg_tune.training.refit import refit_model

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


def test_encoders_rest_for_their_first_epochs_and_then_train(files, toy_data):
    learner = Learner(fusion(files, freeze_epochs=1), learning_data(toy_data, torch.device("cpu")), seed=0)
    before = weights_of(learner.model.image.network)
    learner.train_epoch()
    first = weights_of(learner.model.image.network)
    assert all(torch.equal(before[key], first[key]) for key in before)
    learner.train_epoch()
    second = weights_of(learner.model.image.network)
    assert not all(torch.equal(first[key], second[key]) for key in first if "running" not in key)


def test_a_resumed_training_knows_whether_its_encoders_still_rest(files, toy_data):
    data = learning_data(toy_data, torch.device("cpu"))
    config = fusion(files, freeze_epochs=1)
    config = replace(config, training=replace(TRAINING, max_epochs=3))
    whole, first, second = (Learner(config, data, seed=0) for _ in range(3))
    for _ in range(2):
        whole.step()
    first.step()
    second.load_state_dict(first.state_dict())
    second.step()
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(second.model.state_dict()[name], value, rtol=0, atol=0)


@pytest.mark.parametrize("schedule", ["plateau", "one_cycle", "cosine"])
def test_encoders_learn_at_their_share_of_the_rate_under_every_schedule(files, toy_data, schedule):
    config = fusion(files, encoder_learning_rate=0.1)
    config = replace(config, training=replace(TRAINING, schedule=schedule, max_epochs=3))
    learner = Learner(config, learning_data(toy_data, torch.device("cpu")), seed=0)
    for _ in range(2):
        head, encoders = learner.optimizer.param_groups
        assert encoders["lr"] == pytest.approx(0.1 * head["lr"])
        learner.step()
    n_encoders = sum(1 for side in (learner.model.signal, learner.model.image) for _ in side.network.parameters())
    assert len(encoders["params"]) == n_encoders
    assert len(head["params"]) + n_encoders == sum(1 for _ in learner.model.parameters())


def test_with_the_signal_models_own_head_training_starts_from_its_predictions(files, toy_data):
    learner = Learner(fusion(files, signal_head=True), learning_data(toy_data, torch.device("cpu")), seed=0)
    alone = build_predictor(load_saved(files["RNNModel"]))
    validation = toy_data.validation.signals_uv[:6]
    signals = torch.from_numpy(np.array(validation)).float() / 1000
    with torch.inference_mode():
        torch.testing.assert_close(learner.predictor.eval()(signals), alone(signals))
    learner.step()
    with torch.inference_mode():
        assert not torch.allclose(learner.predictor.eval()(signals), alone(signals))


@pytest.mark.parametrize("changes", [{"signal_head": True}, {"freeze_epochs": 1, "encoder_learning_rate": 0.1, "signal_head": True}])
def test_such_a_fusion_is_saved_opened_and_refitted(files, toy_data, tmp_path, changes):
    config = replace(fusion(files, **changes), training=replace(TRAINING, max_epochs=2))
    fit = train_model(config, toy_data)
    model = saved_model(fit, toy_data, name="JointFusion")
    save_model(tmp_path / "fusion.pth", model)
    signals = torch.from_numpy(np.array(toy_data.validation.signals_uv[:6])).float() / 1000
    with torch.inference_mode():
        torch.testing.assert_close(build_predictor(load_saved(tmp_path / "fusion.pth"))(signals), fit.model(signals))
    refitted = refit_model(model, toy_data)
    assert refitted.epochs == model.best_epoch
    changed = any(not torch.equal(refitted.state[key], load_saved(files["ResNet"]).state[key.removeprefix("image.network.")])
                  for key in refitted.state if key.startswith("image.network.") and "head" not in key)  # fmt: skip
    assert changed == (model.best_epoch > config.model.freeze_epochs)


def test_a_signal_head_needs_a_trained_signal_model():
    with pytest.raises(ConfigError, match="signal_head is the classifier of a trained signal model: give signal_checkpoint"):
        FusionConfig(signal_head=True)


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
