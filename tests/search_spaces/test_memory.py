"""Widths bounded by the memory that the settings give."""

from __future__ import annotations

import optuna
import pytest

from ecg_tune.errors import ConfigError
from ecg_tune.models import MODELS, build_model, n_parameters
from search_spaces import SPACES, SpaceContext, search_space
from search_spaces.memory import BYTES_A_PARAMETER, state_gb


def suggested(family: str, context: SpaceContext, n: int) -> list:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [SPACES[family].suggest(study.ask(), context) for _ in range(n)]


@pytest.mark.parametrize(
    ("family", "memory_gb"),
    [("rnn", 0.05), ("cnn1d", 0.1), ("resnet1d", 0.08), ("cnn1d_rnn", 0.06), ("alexnet", 0.2), ("vgg", 0.4), ("resnet", 0.3)],
)
@pytest.mark.slow
def test_no_suggestion_exceeds_the_limit_and_a_wider_limit_has_wider_ones(family, memory_gb):
    tight, wide = (
        [state_gb(config.model, family, 3) for config in suggested(family, SpaceContext("full", 5, memory_gb=limit), 30)]
        for limit in (memory_gb, 2.0)
    )
    assert max(tight) <= memory_gb < max(wide) <= 2.0


def test_fusion_shares_its_limit_between_the_encoders():
    assert max(state_gb(config.model, "fusion", 3) for config in suggested("fusion", SpaceContext("full", 5, memory_gb=1.0), 30)) <= 1.0


@pytest.mark.parametrize("family", list(MODELS))
@pytest.mark.slow
def test_what_a_network_takes_is_that_of_all_its_parameters(family):
    config = MODELS[family].config()
    network = build_model(config, family=family, n_leads=3, n_channels=3, n_classes=5)
    assert state_gb(config, family, 3) == n_parameters(network) * BYTES_A_PARAMETER / 1e9


@pytest.mark.parametrize("family", list(SPACES))
@pytest.mark.parametrize("profile", ["full", "small"])
def test_the_default_limit_takes_nothing_away(family, profile):
    params = [
        {name: d.choices for name, d in trial.distributions.items() if isinstance(d, optuna.distributions.CategoricalDistribution)}
        for trial in (one_trial(family, SpaceContext(profile, 5, memory_gb=limit)) for limit in (2.0, 1e6))
    ]
    assert params[0] == params[1]


def one_trial(family: str, context: SpaceContext) -> optuna.trial.BaseTrial:
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    SPACES[family].suggest(trial, context)
    return trial


def test_a_limit_below_the_classic_config_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"the classic vgg needs 0\.557 GB: raise memory_gb=0\.5, or leave vgg out"):
        search_space(("rnn", "vgg"), SpaceContext("full", 5, memory_gb=0.5))
