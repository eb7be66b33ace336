"""Averaged weights, mixup, warm-up, and what ends a training: each against plain arithmetic, and across an interruption."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
import torch
from torch import nn

from ecg_tune.config import TrainingConfig, TrialConfig
from ecg_tune.errors import ConfigError
from ecg_tune.metrics import macro_auc
from ecg_tune.models import CNN1DConfig
from ecg_tune.training.averaging import AveragedWeights
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.learner import Learner, learning_data
from ecg_tune.training.mixup import beta, mixup
from ecg_tune.training.predictor import predict_probabilities
from ecg_tune.training.refit import refit_model


def config(**training) -> TrialConfig:
    settings = {"max_epochs": 4, "learning_rate": 5e-3, "crop_s": 1.0, "batch_size": 16, **training}
    return TrialConfig("cnn1d", CNN1DConfig(filters=4, depth=2), TrainingConfig(**settings))


@pytest.fixture(scope="module")
def few(few_data):
    return learning_data(few_data, torch.device("cpu"))


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine"])
def test_one_cycle_and_cosine_run_to_their_last_epoch_whatever_the_patience(few, schedule):
    learner = Learner(config(max_epochs=30, learning_rate=0.5, gradient_clip=0.0, patience=1, schedule=schedule), few, seed=0)
    while not learner.ended_by:
        learner.step()
    losses = [result.validation_loss for result in learner.history]
    assert any(losses[at] >= min(losses[:at]) for at in range(1, 29))  # there patience would have ended it
    assert (learner.epoch, learner.ended_by) == (30, "max_epochs")


def walk(n_steps: int, kind: str, *, n_epochs: int) -> tuple[list[float], AveragedWeights]:
    """Let one weight take the values 1, 2, 3, …, as many steps an epoch, and average them."""
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average, values = AveragedWeights(network, TrainingConfig(averaging=kind, max_epochs=n_epochs)), []
    for step in range(1, n_steps * n_epochs + 1):
        with torch.no_grad():
            network.weight.fill_(float(step))
        average.step_done(network)
        if step % n_steps == 0:
            average.epoch_done(network)
            values.append(average.network.weight.item())
    return values, average


def test_the_exponential_mean_is_that_of_its_formula():
    expected, mean = [], 0.0
    for n in range(12):
        weight = 1.0 if n == 0 else 1 - min(0.99, (1 + n) / (10 + n))
        mean += weight * (n + 1 - mean)
        expected.append(mean)
    assert walk(3, "ema", n_epochs=4)[0] == pytest.approx(expected[2::3], rel=1e-5)


def test_the_equal_mean_is_of_the_last_quarter_of_epochs():
    values, average = walk(2, "swa", n_epochs=8)
    assert average.first_epoch == 6
    assert values == pytest.approx([2, 4, 6, 8, 10, 12, (12 + 14) / 2, (12 + 14 + 16) / 3])


def test_statistics_are_averaged_and_counters_copied():
    network = nn.BatchNorm1d(2)
    average = AveragedWeights(network, TrainingConfig(averaging="ema"))
    for _ in range(3):
        network(torch.randn(8, 2, generator=torch.Generator().manual_seed(0)) + 5)
        average.step_done(network)
    assert int(average.network.num_batches_tracked) == int(network.num_batches_tracked) == 3
    assert (average.network.running_mean < network.running_mean).all()  # the mean comes behind


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_what_is_validated_and_saved_are_the_averaged_weights(few, few_data, kind):
    fit = train_model(config(averaging=kind, max_epochs=4), few_data, seed=0)
    plain = train_model(config(max_epochs=4), few_data, seed=0)
    assert [r.train_loss for r in fit.history] == [r.train_loss for r in plain.history]  # training itself is the same
    assert fit.history[-1].validation_loss != plain.history[-1].validation_loss
    probabilities = predict_probabilities(fit.model, few_data.validation.signals_uv)
    assert macro_auc(few_data.validation.labels, probabilities) == pytest.approx(fit.best.metrics["macro_auc"], abs=1e-6)
    learner = Learner(config(averaging=kind, max_epochs=4), few, seed=0)
    while not learner.ended_by:
        learner.step()
    saved = saved_model(fit, few_data, name="CNN1D").state
    assert all(torch.equal(saved[name], tensor) for name, tensor in learner.best_state.items())


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_a_refit_saves_averaged_weights_too(few_data, kind):
    reference, plain = (
        dataclasses.replace(
            saved_model(train_model(config(averaging=each, schedule="cosine"), few_data), few_data, name="CNN1D"), best_epoch=4
        )
        for each in (kind, "none")
    )
    one, other = refit_model(reference, few_data), refit_model(plain, few_data)
    assert any(not torch.equal(one.state[name], other.state[name]) for name in other.state)
    assert one.history[0]["train_loss"] == other.history[0]["train_loss"]


RECIPES = {
    "ema": {"averaging": "ema"},
    "swa": {"averaging": "swa", "max_epochs": 5},
    "mixup": {"mixup": 0.4},
    "warm-up before plateau": {"warmup_epochs": 3},
    "warm-up before cosine": {"warmup_epochs": 2, "schedule": "cosine"},
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_an_interrupted_training_equals_an_uninterrupted_one_to_the_bit(few, recipe):
    whole, first, second = (Learner(config(**recipe), few, seed=3) for _ in range(3))
    for _ in range(4):
        whole.step()
    for _ in range(2):
        first.step()
    torch.save(first.state_dict(), file := io.BytesIO())
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))  # as a checkpoint
    for _ in range(2):
        second.step()
    for name, tensor in whole.validated.state_dict().items():
        assert torch.equal(tensor, second.validated.state_dict()[name]), name
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[name]), name
    assert [r.validation_loss for r in whole.history] == [r.validation_loss for r in second.history]


@pytest.mark.parametrize("schedule", ["plateau", "cosine"])
def test_the_learning_rate_rises_to_its_value_in_the_warm_up(few, schedule):
    plain, warm = (Learner(config(schedule=schedule, warmup_epochs=n), few, seed=0) for n in (0, 3))
    n_steps = 3 * len(warm.loader)
    rates = []
    for learner in (plain, warm):
        rates.append([])
        for _ in range(n_steps + 2):
            rates[-1].append(learner.optimizer.param_groups[0]["lr"])
            learner.optimizer.step()
            learner.schedule.batch_done()
    expected = [min(1.0, (step + 1) / (n_steps + 1)) for step in range(n_steps + 2)]
    np.testing.assert_allclose(np.array(rates[1]) / rates[0], expected, rtol=1e-6)


def test_one_cycle_takes_no_warm_up_beside_its_own():
    with pytest.raises(ConfigError, match="one_cycle warms up by itself: leave it out"):
        config(schedule="one_cycle", warmup_epochs=2)


def test_mixup_mixes_records_and_labels_by_one_share():
    signal, labels = torch.eye(6)[:, :, None].expand(6, 6, 2).contiguous(), torch.eye(6)
    (mixed, image), targets = mixup((signal, signal.mT), labels, 0.4, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(mixed[:, :, 0], targets)  # record i is one-hot at i, as is its label
    torch.testing.assert_close(targets.sum(1), torch.ones(6))
    assert ((targets > 0).sum(1) <= 2).all()
    assert mixed.shape == signal.shape
    torch.testing.assert_close(image, mixed.mT)  # a stored image is mixed as its signal is


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0])
def test_the_share_has_the_beta_distributions_moments(alpha):
    generator = torch.Generator().manual_seed(0)
    drawn = np.array([beta(alpha, generator=generator) for _ in range(4000)])
    assert drawn.mean() == pytest.approx(0.5, abs=0.03)
    assert drawn.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)
