"""What every family must do, run once for all of them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import optuna
import pytest
import torch

from ecg_tune.config import CLASS_NAMES, TrialConfig, to_dict
from ecg_tune.data.loaders import DeviceSplit
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.models import MODELS, build_model, n_parameters, trial_config
from ecg_tune.training.learner import Learner, LearningData, learning_data
from ecg_tune.training.model_file import load_weights, save_atomic
from ecg_tune.training.predictor import Predictor
from ecg_tune.transforms.images import n_channels
from search_spaces import SPACES, SpaceContext, resolve, search_space
from trainables import TRAINABLES

FAMILIES = list(MODELS)
LARGEST = 60_000_000
"""Parameters that no suggestion may exceed: with Adam's two moments and gradients about 1 GB."""

CLASSIC_PARAMETERS = {
    "rnn": 402_437,
    "cnn1d": 305_253,
    "resnet1d": 465_285,
    "cnn1d_rnn": 834_917,
    "alexnet": 12_964_933,
    "vgg": 27_833_925,
    "resnet": 11_179_077,
    "fusion": 11_742_277,
}


def small_default(family: str, **training: Any) -> TrialConfig:
    config = resolve(family, SPACES[family].defaults["small"], SpaceContext("small", 4))
    return dataclasses.replace(config, training=dataclasses.replace(config.training, **training))


def built(config: TrialConfig, device: str = "cpu") -> torch.nn.Module:
    channels = n_channels(config.image, 3) if config.image else 0
    with torch.device(device):
        return build_model(config.model, family=config.family, n_leads=3, n_channels=channels, n_classes=len(CLASS_NAMES))


@pytest.fixture(scope="module")
def loaded(toy_data: PreparedData) -> LearningData:
    return learning_data(toy_data, torch.device("cpu"))


def test_every_family_has_a_row_in_every_table():
    assert set(MODELS) == set(SPACES), f"rows differ: {set(MODELS) ^ set(SPACES)}"
    assert set(MODELS) == set(TRAINABLES), f"rows differ: {set(MODELS) ^ set(TRAINABLES)}"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_classic_config_has_the_documented_parameters(family):
    config = resolve(family, SPACES[family].defaults["full"], SpaceContext("full", 50))
    assert n_parameters(built(config, "meta")) == CLASSIC_PARAMETERS[family]
    training = config.training
    assert (training.batch_size, training.max_epochs, training.learning_rate, training.weight_decay) == (32, 50, 1e-3, 1e-4)
    assert (training.patience, training.optimizer, training.schedule, training.crop_s) == (5, "adam", "plateau", None)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("profile", ["full", "small"])
def test_defaults_name_exactly_the_parameters_that_the_space_suggests(family, profile):
    params = SPACES[family].defaults[profile]
    trial = optuna.trial.FixedTrial(dict(params))
    SPACES[family].suggest(trial, SpaceContext(profile, 5))
    assert trial.params == params


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("profile", ["full", "small"])
@pytest.mark.slow
def test_200_suggestions_build_within_the_parameter_bound_and_survive_the_way_through_plain_data(family, profile):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    context = SpaceContext(profile, 9)
    for _ in range(200):
        trial = study.ask()
        config = SPACES[family].suggest(trial, context)
        assert n_parameters(built(config, "meta")) <= LARGEST
        assert trial_config(to_dict(config)) == config
        assert resolve(family, trial.params, context) == config


@pytest.mark.parametrize("family", FAMILIES)
def test_five_suggestions_of_the_small_space_take_a_real_step(family, loaded):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=2))
    for _ in range(5):
        config = SPACES[family].suggest(study.ask(), SpaceContext("small", 3))
        result = Learner(config, loaded, seed=0).step()
        assert math.isfinite(result.train_loss + result.validation_loss)
        assert 0 <= result.metrics["macro_auc"] <= 1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_learner_goes_on_exactly_where_it_stood(family, loaded, tmp_path):
    whole = Learner(small_default(family), loaded, seed=3)
    expected = [dataclasses.replace(whole.step(), seconds=0.0) for _ in range(3)]
    first = Learner(small_default(family), loaded, seed=3)
    first.step()
    save_atomic(tmp_path / "last.pt", first.state_dict())
    second = Learner(small_default(family), loaded, seed=99)  # the seed must not matter any more
    second.load_state_dict(load_weights(tmp_path / "last.pt"))
    for _ in range(2):
        torch.manual_seed(7)  # nor what else happened in the process
        second.step()
    assert [dataclasses.replace(r, seconds=0.0) for r in second.history] == expected
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(value, second.model.state_dict()[name], rtol=0, atol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_equal_seeds_train_equally_and_others_do_not(family, loaded):
    def losses(seed: int) -> float:
        return Learner(small_default(family), loaded, seed=seed).step().train_loss

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.slow
def test_sixteen_records_can_be_learnt_by_heart(family, loaded):
    few = DeviceSplit(loaded.train.signals_uv[:16], loaded.train.labels[:16])
    data = dataclasses.replace(loaded, train=few, validation=few)
    config = small_default(family, max_epochs=60, learning_rate=5e-3, weight_decay=0.0, patience=60)
    model = dataclasses.replace(config.model, dropout=0.0)
    if family == "fusion":
        sides = {side: dataclasses.replace(getattr(model, side), dropout=0.0) for side in ("signal", "image")}
        model = dataclasses.replace(model, **sides)
    learner = Learner(dataclasses.replace(config, model=model), data, seed=0)
    while not learner.ended_by and (not learner.history or learner.history[-1].train_loss > 0.05):
        learner.step()
    assert learner.history[-1].train_loss < 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_the_predictor_takes_raw_signals_of_any_sufficient_length(family):
    config = small_default(family)
    predictor = Predictor(built(config), config, normalisation={"kind": "global", "scale_mv": 0.25}, sampling_rate_hz=100).eval()
    for n_samples in (250, 1000):
        assert predictor(torch.randn(2, n_samples, 3)).shape == (2, len(CLASS_NAMES))


def test_several_families_share_a_study_with_the_family_as_a_parameter():
    space = search_space(["fusion", "rnn"], SpaceContext("small", 3))
    assert [params["family"] for params in space.defaults] == ["rnn", "fusion"]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    proposal = space.suggest(trial)
    assert trial.params["family"] == proposal.family
    assert all(name == "family" or name.startswith(f"{proposal.family}.") for name in trial.params)


def test_a_study_of_one_family_has_no_family_parameter():
    space = search_space(["rnn"], SpaceContext("small", 3))
    assert "family" not in space.defaults[0]
