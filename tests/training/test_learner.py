"""The training loop: what ends it, what it reports, what it keeps."""

from __future__ import annotations

import copy
import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from ecg_tune.config import AugmentConfig, ImageConfig, TrainingConfig, TrialConfig
from ecg_tune.errors import NonFiniteLossError
from ecg_tune.metrics import macro_auc, per_class_metrics
from ecg_tune.models import CNN1DConfig, ResNetConfig, RNNConfig
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.learner import Learner, learning_data
from ecg_tune.training.model_file import load_weights
from ecg_tune.training.numerics import mixed_precision
from ecg_tune.training.predictor import predict_probabilities

CPU = torch.device("cpu")


def config(**training) -> TrialConfig:
    settings = {"max_epochs": 4, "learning_rate": 5e-3, "crop_s": 1.0, **training}
    return TrialConfig("rnn", RNNConfig(hidden_size=8, num_layers=1, dropout=0.1), TrainingConfig(**settings))


@pytest.fixture(scope="module")
def loaded(toy_data):
    return learning_data(toy_data, CPU)


@pytest.fixture(scope="module")
def few(few_data):
    return learning_data(few_data, CPU)


def test_training_learns_what_can_be_learnt(toy_data):
    network = TrialConfig("cnn1d", CNN1DConfig(filters=8, depth=2), TrainingConfig(max_epochs=15, learning_rate=5e-3))
    fit = train_model(network, toy_data, seed=0)
    assert fit.best.metrics["macro_auc"] > 0.8
    assert fit.history[-1].train_loss < fit.history[0].train_loss


def test_reported_metrics_are_those_of_the_predictions(loaded, toy_data):
    learner = Learner(config(), loaded, seed=0)
    result = learner.step()
    probabilities = predict_probabilities(learner.predictor, toy_data.validation.signals_uv)
    assert result.metrics["macro_auc"] == pytest.approx(macro_auc(toy_data.validation.labels, probabilities), abs=1e-6)
    expected = per_class_metrics(toy_data.validation.labels, probabilities)
    for name, values in expected.items():
        np.testing.assert_allclose(result.per_class[name], values, atol=1e-6, err_msg=name)


def test_a_checkpoint_with_the_auc_of_each_class_alone_is_resumed(few):
    learner = Learner(config(max_epochs=2), few, seed=0)
    learner.step()
    state = copy.deepcopy(learner.state_dict())
    for row in state["history"]:
        row["per_class_auc"] = row.pop("per_class")["auc"]  # as earlier versions wrote it
    resumed = Learner(config(max_epochs=2), few, seed=0)
    resumed.load_state_dict(state)
    assert list(resumed.history[0].per_class) == ["auc"]
    assert resumed.step().train_loss == learner.step().train_loss


@pytest.mark.parametrize(("crop_s", "rows"), [(None, [8, 8]), (1.0, [8] * 8)])
def test_validation_takes_twice_the_batch_and_gives_the_same_for_any(few, crop_s, rows):
    learners = [Learner(config(crop_s=crop_s, batch_size=size), few, seed=0) for size in (4, 32)]
    sizes: list[int] = []
    learners[0].model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    (loss, probabilities), (other_loss, other_probabilities) = (learner.validate() for learner in learners)
    assert sizes == rows  # 16 records, whole or of 4 crops each
    assert loss == pytest.approx(other_loss, abs=1e-6)
    np.testing.assert_allclose(probabilities, other_probabilities, atol=1e-6)


@pytest.mark.parametrize(("capability", "convolutions", "recurrent"), [("amx_bf16", 1, 1), ("avx512_bf16", 1, 0), ("avx512_f", 0, 0)])
def test_bfloat16_is_used_where_it_is_faster(few, monkeypatch, capability, convolutions, recurrent):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {capability: True})
    network = TrialConfig("cnn1d", CNN1DConfig(filters=4, depth=1), TrainingConfig(max_epochs=1))
    for settings, expected in ((network, convolutions), (config(), recurrent)):
        with mixed_precision(Learner(settings, few, seed=0).model, CPU):
            assert torch.is_autocast_enabled("cpu") == bool(expected)


def test_the_last_epoch_says_why_training_ended(few):
    learner = Learner(config(max_epochs=2), few, seed=0)
    assert [learner.step().ended_by for _ in range(2)] == [None, "max_epochs"]


def test_patience_counts_epochs_since_the_lowest_validation_loss(few):
    learner = Learner(config(max_epochs=100, learning_rate=0.5, gradient_clip=0.0, patience=3), few, seed=0)
    while not learner.ended_by:
        learner.step()
    losses = [r.validation_loss for r in learner.history]
    assert learner.ended_by == "patience"
    assert len(losses) - 1 - losses.index(min(losses)) == 3


@pytest.mark.slow
def test_the_plateau_schedule_halves_the_rate_after_two_epochs_without_gain(few):
    learner = Learner(config(max_epochs=100, learning_rate=0.5, gradient_clip=0.0, patience=5), few, seed=0)
    while not learner.ended_by:
        learner.step()
    assert learner.history[-1].learning_rate < 0.5


def test_one_cycle_warms_up_and_anneals_over_the_whole_run(few):
    learner = Learner(config(schedule="one_cycle", max_epochs=6, learning_rate=1e-2), few, seed=0)
    rates = [learner.step().learning_rate for _ in range(6)]
    assert max(rates) <= 1e-2
    assert rates[0] < max(rates) > rates[-1]


def test_a_loss_that_is_not_finite_is_a_named_failure(loaded):
    broken = dataclasses.replace(loaded, normalisation={"kind": "global", "scale_mv": 1e-45})
    with pytest.raises(NonFiniteLossError, match=r"training loss is (nan|inf) in epoch 1: try a lower learning rate"):
        Learner(config(), broken, seed=0).step()


@pytest.mark.slow
def test_the_best_epochs_weights_are_kept(toy_data):
    fit = train_model(config(max_epochs=6, learning_rate=3e-2), toy_data, seed=1)
    probabilities = predict_probabilities(fit.model, toy_data.validation.signals_uv)
    best = max(r.metrics["macro_auc"] for r in fit.history)
    assert macro_auc(toy_data.validation.labels, probabilities) == pytest.approx(best, abs=1e-6)
    assert fit.history[fit.best_epoch - 1].metrics["macro_auc"] == best


def test_another_metric_chooses_another_best_epoch_by_its_own_values(few):
    learner = Learner(config(max_epochs=5, learning_rate=3e-2), few, seed=2, metric="macro_f1")
    while not learner.ended_by:
        learner.step()
    scores = [r.metrics["macro_f1"] for r in learner.history]
    assert learner.best_epoch == scores.index(max(scores)) + 1


def test_learning_data_holds_no_test_record(toy_data, loaded):
    assert len(loaded.train) == len(toy_data.train)
    assert len(loaded.validation) == len(toy_data.validation)
    assert {f.name for f in dataclasses.fields(loaded)} == {"train", "validation", "normalisation", "sampling_rate_hz"}


def test_training_leaves_the_processs_own_randomness_alone(few):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    Learner(config(), few, seed=0).step()
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["gasf", "triple"])
def test_images_are_trained_on_from_the_signal(loaded, kind):
    image = TrialConfig(
        "resnet",
        ResNetConfig(layers=(1,), width=4, stem="small"),
        TrainingConfig(max_epochs=1, crop_s=1.0),
        ImageConfig(kind=kind, size=32),
    )
    assert math.isfinite(Learner(image, loaded, seed=0).step().train_loss)


def test_a_model_file_holds_validation_thresholds_and_the_history(toy_data):
    fit = train_model(config(max_epochs=2), toy_data, seed=0)
    saved = saved_model(fit, toy_data, name="RNNModel")
    assert saved.thresholds["half"] == [0.5] * 5
    assert all(0 <= t <= 1 for t in saved.thresholds["f1"])
    assert [row["epoch"] for row in saved.history] == [1, 2]
    assert saved.data["fingerprint"] == toy_data.fingerprint
    assert saved.data["n_records"] == {"train": 96, "validation": 48}


@pytest.mark.slow
def test_deterministic_mode_gives_identical_weights_in_two_processes(toy_data, tmp_path):
    code = """
import sys, torch
from pathlib import Path
from ecg_tune.config import AugmentConfig, ImageConfig, TrainingConfig, TrialConfig
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.models import ResNetConfig
from ecg_tune.training.learner import Learner, learning_data
torch.set_num_threads(2)
training = TrainingConfig(max_epochs=1, crop_s=1.0, deterministic=True)
config = TrialConfig("resnet", ResNetConfig(layers=(1,), width=4, stem="small"), training, ImageConfig(size=32))
learner = Learner(config, learning_data(open_prepared(Path(sys.argv[1])), torch.device("cpu")), seed=0)
learner.step()
torch.save(learner.model.state_dict(), sys.argv[2])
"""
    for name in ("a", "b"):
        subprocess.run([sys.executable, "-c", code, str(toy_data.folder), str(tmp_path / name)], check=True)
    first, second = (load_weights(tmp_path / name) for name in ("a", "b"))
    for key, value in first.items():
        torch.testing.assert_close(value, second[key], rtol=0, atol=0)


def test_augmentation_smoothing_weights_and_cosine_train(few):
    changes = {"augment": AugmentConfig(0.1, 0.1, 0.1, 0.1), "label_smoothing": 0.1, "class_weights": True, "schedule": "cosine"}
    learner = Learner(config(optimizer="adamw", **changes), few, seed=0)
    assert math.isfinite(learner.step().train_loss)


@pytest.mark.slow
def test_a_compiled_network_trains_as_the_plain_one(loaded, monkeypatch):
    """Really traced and differentiated ahead of time; only code generation, which wants a C++ compiler, is left out."""
    network = TrialConfig("cnn1d", CNN1DConfig(filters=4, depth=2), config().training)
    compiling = dataclasses.replace(network, training=dataclasses.replace(network.training, compile=True))
    real, compiled = torch.compile, []

    def without_code_generation(model):
        compiled.append(real(model, backend="aot_eager"))
        return compiled[-1]

    monkeypatch.setattr(torch, "compile", without_code_generation)
    plain, fast = Learner(network, loaded, seed=0).step(), Learner(compiling, loaded, seed=0).step()
    assert len(compiled) == 1
    assert fast.train_loss == pytest.approx(plain.train_loss, rel=1e-3)
    assert fast.metrics == pytest.approx(plain.metrics, abs=0.02)
