"""What every family must do: the conformance suite, run once for all built-in families."""

from __future__ import annotations

import optuna
import pytest

from ecg_tune.models import MODELS, n_parameters
from search_spaces import SPACES, SpaceContext, resolve, search_space
from search_spaces.conformance import CHECKS, network_of
from trainables import TRAINABLES

FAMILIES = list(MODELS.built_in)
SLOW = ("suggestions", "overfits", "encoder", "real_steps", "resume", "seeds", "export")
QUICK = {("export", "cnn1d"), ("resume", "cnn1d"), ("seeds", "cnn1d"), ("real_steps", "cnn1d")}
"""What trains in a second is checked with the fast tests too."""

CLASSIC_PARAMETERS = {
    "rnn": 402_437,
    "cnn1d": 305_253,
    "resnet1d": 465_285,
    "cnn1d_rnn": 834_917,
    "alexnet": 12_964_933,
    "vgg": 27_833_925,
    "resnet": 11_179_077,
    "fusion": 11_742_277,
    "inception1d": 410_629,
}


def test_every_family_has_an_entry_in_every_registry():
    assert list(MODELS.built_in) == list(SPACES.built_in)
    assert list(MODELS.built_in) == list(TRAINABLES.built_in)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_classic_config_has_the_documented_parameters(family):
    config = resolve(family, SPACES[family].defaults["full"], SpaceContext("full", 50))
    assert n_parameters(network_of(config, device="meta")) == CLASSIC_PARAMETERS[family]
    training = config.training
    assert (training.batch_size, training.max_epochs, training.learning_rate, training.weight_decay) == (32, 50, 1e-3, 1e-4)
    assert (training.patience, training.optimizer, training.schedule, training.crop_s) == (5, "adam", "plateau", None)


@pytest.mark.parametrize(
    ("check", "family"),
    [
        pytest.param(check, family, marks=[pytest.mark.slow] if check in SLOW and (check, family) not in QUICK else [])
        for check in CHECKS
        for family in FAMILIES
    ],
)
def test_a_family_keeps_the_contract(check, family):
    CHECKS[check](family)


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
