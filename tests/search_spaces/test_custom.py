"""Spaces changed by hand: fixed, narrowed, widened, and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from ecg_tune.config import SearchSettings, from_dict
from ecg_tune.errors import ConfigError
from ecg_tune.models import trial_config
from ecg_tune.search.sampling.history import SamplerHistory
from ecg_tune.search.sampling.priors import Prior
from search_spaces import SPACES, SpaceContext, resolve, search_space
from search_spaces.custom import parameters

ROOT = Path(__file__).parents[2]


def suggested(rules: dict[str, Any], *, families: tuple[str, ...] = ("rnn",), n: int = 30) -> list[optuna.trial.FrozenTrial]:
    context = SpaceContext("small", 5, rules)
    space = search_space(families, context)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for params in space.defaults:
        study.enqueue_trial(params)
    for _ in range(n):
        trial = study.ask()
        proposal = space.suggest(trial)
        assert resolve(proposal.family, trial.params, context) == trial_config(proposal.config)
        study.tell(trial, 0.5)
    return study.trials


def test_a_single_value_fixes_a_parameter_and_stays_visible_in_the_trial():
    assert {t.params["rnn.hidden_size"] for t in suggested({"rnn.hidden_size": 24})} == {24}


def test_a_list_gives_other_choices():
    assert {t.params["rnn.hidden_size"] for t in suggested({"rnn.hidden_size": [8, 128]})} == {8, 128}


def test_a_range_narrows_and_keeps_its_log_scale():
    trials = suggested({"rnn.learning_rate": {"low": 1e-3, "high": 2e-3}})
    assert all(1e-3 <= t.params["rnn.learning_rate"] <= 2e-3 for t in trials)
    assert trials[0].distributions["rnn.learning_rate"].log


def test_choices_can_become_a_range_of_whole_numbers():
    values = {t.params["rnn.hidden_size"] for t in suggested({"rnn.hidden_size": {"low": 8, "high": 32, "step": 4}})}
    assert values <= set(range(8, 33, 4))
    assert len(values) > 3


def test_the_default_is_moved_into_the_rules():
    trials = suggested({"rnn.learning_rate": {"low": 1e-4, "high": 5e-4}, "rnn.cell": ["lstm"]}, n=1)
    assert (trials[0].params["rnn.learning_rate"], trials[0].params["rnn.cell"]) == (5e-4, "lstm")


def test_the_default_takes_what_the_user_believes_and_the_range_stays():
    trials = suggested({"rnn.learning_rate": {"prior": 2e-3, "confidence": "high"}, "rnn.cell": {"prior": "gru"}})
    assert (trials[0].params["rnn.learning_rate"], trials[0].params["rnn.cell"]) == (2e-3, "gru")
    assert {t.params["rnn.cell"] for t in trials} == {"lstm", "gru"}


def test_a_prior_can_stand_in_another_range():
    space = search_space(("rnn",), SpaceContext("small", 5, {"rnn.learning_rate": {"low": 1e-3, "high": 1e-2, "prior": 2e-3}}))
    assert space.priors == {"rnn.learning_rate": Prior(2e-3, "medium")}


@pytest.mark.parametrize(
    ("rule", "moved"),
    [({"low": 0.1, "high": 0.5, "step": 0.15}, 0.25), ({"low": 0.0, "high": 0.1, "step": 0.03}, 0.09), ({"low": 0.35, "high": 0.5}, 0.35)],
)
def test_a_default_is_moved_onto_the_steps_of_a_range(rule, moved):
    space = search_space(("cnn1d",), SpaceContext("small", 5, {"cnn1d.dropout": rule}))
    assert space.defaults[0]["cnn1d.dropout"] == pytest.approx(moved)
    SamplerHistory("random", seed=0, families=("cnn1d",)).propose(0, space.suggest, families=("cnn1d",), fixed=space.defaults[0])


def test_a_prior_that_no_config_has_a_use_for_is_refused():
    rules = {"resnet.image_kind": "gasf", "resnet.mtf_bins": {"prior": 8}}
    with pytest.raises(ConfigError, match=r"resnet\.mtf_bins has a prior, but no config under these rules has a use for it"):
        search_space(("resnet",), SpaceContext("small", 5, rules))


def test_parameters_of_every_branch_are_known():
    names = parameters(lambda trial: SPACES["fusion"].suggest(trial, SpaceContext("full", 5)))
    for family in ("rnn", "cnn1d", "resnet1d", "cnn1d_rnn", "inception1d", "alexnet", "vgg", "resnet"):
        assert any(name.startswith(f"fusion.{family}.") for name in names), family
    assert "fusion.mtf_bins" in names


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"rnn.lr": 0.1}, r"unknown parameter 'rnn.lr': did you mean 'rnn.learning_rate'\?"),
        ({"rnn.hiden_size": 32}, r"unknown parameter 'rnn.hiden_size': did you mean 'rnn.hidden_size'\?"),
        ({"resnet.width": 32}, r"unknown parameter 'resnet.width'"),
        ({"rnn.hidden_size": 30}, r"no config takes these values: hidden_size must be a multiple of 4"),
        ({"rnn.cell": "transformer"}, r"no config takes these values: unknown cell 'transformer'"),
        ({"rnn.learning_rate": {"low": 1}}, r"a range has the keys low, high"),
        ({"rnn.learning_rate": {"low": 2, "high": 1}}, r"low not above high"),
        ({"rnn.cell": []}, r"give at least one choice"),
        ({"rnn.learning_rate": {"prior": 5.0}}, r"the prior of rnn.learning_rate must be 0.0001..0.01, but got 5.0"),
        ({"rnn.learning_rate": {"prior": "much"}}, r"the prior of rnn.learning_rate must be 0.0001..0.01, but got 'much'"),
        ({"rnn.num_layers": {"prior": 1.5}}, r"the prior of rnn.num_layers must be 1..2 in steps of 1, but got 1.5"),
        ({"rnn.cell": {"prior": "transformer"}}, r"the prior of rnn.cell must be one of gru, lstm, but got 'transformer'"),
        ({"rnn.cell": {"prior": "gru", "confidence": "sure"}}, r"confidence must be one of low, medium, high, but got 'sure'"),
        ({"rnn.cell": {"confidence": "high"}}, r"confidence goes with a prior"),
        ({"rnn.cell": {"prior": "gru", "confidence": ["high"]}}, r"confidence must be one of low, medium, high, but got \['high'\]"),
        ({1: 2}, r"unknown parameter 1: .*names are valid"),
        ({True: 1}, r"unknown parameter True: .*names are valid"),
        ({"rnn.dropout": {"low": 0.0, "high": float("inf")}}, r"low and high must be numbers"),
        ({"rnn.dropout": {"low": float("nan"), "high": 0.3}}, r"low and high must be numbers"),
        ({"rnn.dropout": {"low": False, "high": True}}, r"low and high must be numbers"),
        ({"rnn.learning_rate": {"low": 1e-3, "high": 1e-2, "prior": 1e-4}}, r"the prior of rnn.learning_rate must be 0.001..0.01"),
    ],
)
def test_rules_that_make_no_sense_are_refused(rules, message):
    with pytest.raises(ConfigError, match=message):
        search_space(("rnn",), SpaceContext("small", 5, rules))


def test_the_example_file_is_valid():
    import yaml

    settings = from_dict(SearchSettings, yaml.safe_load((ROOT / "examples" / "search.yaml").read_text()))
    space = search_space(settings.families, SpaceContext(settings.profile, settings.epochs, settings.space))
    assert space.defaults[0]["rnn.cell"] == "gru"
