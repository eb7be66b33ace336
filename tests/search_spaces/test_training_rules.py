"""Settings of training that a family's space leaves alone: searched by `space:`, fixed for all families by `training:`, and refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import optuna
import pytest

from ecg_tune.config import AugmentConfig, SearchSettings, TrainingConfig, to_dict
from ecg_tune.config.training_rules import TRAINING_SETTINGS
from ecg_tune.errors import ConfigError
from ecg_tune.models import trial_config
from search_spaces import SpaceContext, resolve, search_space
from search_spaces.suggestions import AUGMENTATIONS

FAMILIES = ("cnn1d", "rnn")


def trials(rules: dict[str, Any], *, families: tuple[str, ...] = FAMILIES, n: int = 40) -> list[tuple[dict[str, Any], TrainingConfig]]:
    """Draw trials after the defaults; return each one's parameters and settings of training."""
    context = SpaceContext("small", 5, rules)
    space = search_space(families, context)
    study, found = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)), []
    for params in space.defaults:
        study.enqueue_trial(params)
    for _ in range(n):
        trial = study.ask()
        proposal = space.suggest(trial)
        config = trial_config(proposal.config)
        assert resolve(proposal.family, trial.params, context) == config
        found.append((trial.params, config.training))
    return found


def of(family: str, found: list[tuple[dict[str, Any], TrainingConfig]]) -> list[TrainingConfig]:
    return [training for params, training in found if params["family"] == family]


def test_a_list_searches_a_setting_of_one_family_and_leaves_the_others():
    found = trials({"cnn1d.mixup": [0.0, 0.2, 0.4]})
    assert {training.mixup for training in of("cnn1d", found)} == {0.0, 0.2, 0.4}
    assert {training.mixup for training in of("rnn", found)} == {0.0}
    assert all(params["cnn1d.mixup"] == training.mixup for params, training in found if params["family"] == "cnn1d")


def test_a_range_searches_augmentation_and_whole_numbers_stay_whole():
    found = of(
        "cnn1d",
        trials(
            {
                "cnn1d.augmentation": "off",
                "cnn1d.augment.noise": {"low": 0.0, "high": 0.2},
                "cnn1d.warmup_epochs": {"low": 0, "high": 3},
                "cnn1d.schedule": ["cosine"],
            }
        ),
    )
    assert len({training.augment.noise for training in found}) > 10
    assert {training.warmup_epochs for training in found} == {0, 1, 2, 3}
    assert all(training.augment.shift_s == 0 for training in found)


def test_the_default_trial_keeps_its_value_where_the_rule_has_it():
    found = trials({"cnn1d.averaging": ["none", "ema"], "cnn1d.mixup": {"low": 0.1, "high": 0.4}, "cnn1d.patience": 9}, n=2)
    training = of("cnn1d", found)[0]
    assert (training.averaging, training.mixup, training.patience) == ("none", 0.1, 9)


def test_a_rule_may_take_what_the_family_searches_by_itself():
    assert {training.schedule for training in of("cnn1d", trials({"cnn1d.schedule": ["plateau", "one_cycle", "cosine"]}))} == {
        "plateau",
        "one_cycle",
        "cosine",
    }


@pytest.mark.parametrize("setting", TRAINING_SETTINGS)
def test_every_setting_of_training_can_be_fixed(setting):
    part, _, field = setting.rpartition(".")
    default = getattr(AugmentConfig() if part else TrainingConfig(), field)
    choices = {"optimizer": "adamw", "schedule": "cosine", "averaging": "swa", "crop_s": 2.0, "micro_batch": 4, "class_weights": True}
    choices |= {"deterministic": True, "compile": True, "warmup_epochs": 1, "patience": 7, "batch_size": 16}
    value = choices.get(field, 0.25)
    rules = {f"cnn1d.{setting}": value} | ({"cnn1d.schedule": "cosine"} if field == "warmup_epochs" else {})
    for training in of("cnn1d", trials(rules, n=6)):
        assert getattr(training.augment if part else training, field) == value != default


def test_training_of_a_settings_file_holds_for_every_family_and_space_wins():
    settings = SearchSettings(
        FAMILIES, training={"averaging": "ema", "augment": {"noise": 0.05}}, space={"rnn.averaging": "swa", "rnn.cell": "gru"}
    )
    assert settings.rules == {
        "cnn1d.averaging": "ema",
        "rnn.averaging": "swa",
        "cnn1d.augment.noise": 0.05,
        "rnn.augment.noise": 0.05,
        "rnn.cell": "gru",
    }
    found = trials(settings.rules, n=30)
    assert {training.averaging for training in of("cnn1d", found)} == {"ema"}
    assert {training.augment for _, training in found} == {dataclasses.replace(strength, noise=0.05) for strength in AUGMENTATIONS.values()}


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"label_smothing": 0.1}, r"training: unknown setting 'label_smothing': did you mean 'label_smoothing'\?"),
        ({"max_epochs": 9}, r"max_epochs is a setting of the search: give --max-epochs"),
        ({"augment": 0.1}, r"augment must be settings with values, e\.g\. \{noise: 0\.05\}"),
        ({"augment": {"nois": 0.1}}, r"unknown setting 'augment.nois': did you mean 'augment.noise'\?"),
    ],
)
def test_what_is_no_setting_of_training_is_refused(training, message):
    with pytest.raises(ConfigError, match=message):
        SearchSettings(FAMILIES, training=training)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"cnn1d.mixup": 3.0}, r"no config takes these values: mixup must be 0\.\.1, but got mixup=3"),
        ({"cnn1d.averaging": ["ema", "polyak"]}, r"no config takes these values: unknown averaging 'polyak'"),
        ({"cnn1d.mixup": {"prior": 0.2}}, r"cnn1d.mixup is not searched by itself: give low and high beside its prior"),
        ({"cnn1d.class_weights": "no"}, r"no config takes these values: .*class_weights: expected bool, but got 'no'"),
        ({"cnn1d.compile": "x"}, r"compile: expected bool"),
        ({"cnn1d.patience": 2.5}, r"patience: expected int"),
        ({"cnn1d.class_weights": {"low": 0, "high": 1}}, r"class_weights: expected bool"),
        ({"cnn1d.warmup_epochs": 2}, r"one_cycle warms up by itself: leave it out, or fix schedule"),
        ({"cnn1d.max_epochs": 9}, r"unknown parameter 'cnn1d.max_epochs'"),
        ({"resnet1d.mixup": 0.2}, r"unknown parameter 'resnet1d.mixup'"),
        (
            {"cnn1d.augmentation": "huge"},
            r"cnn1d.augmentation must be one of off, mild, strong, but got 'huge'",
        ),
    ],
)
def test_rules_that_make_no_sense_are_refused(rules, message):
    with pytest.raises(ConfigError, match=message) as raised:
        search_space(FAMILIES, SpaceContext("small", 5, rules))
    assert len(str(raised.value)) <= 300


@pytest.mark.parametrize(("averaging", "kept"), [("none", True), ("ema", True), ("swa", False)])
def test_a_training_is_the_beginning_of_a_longer_one_unless_the_last_epoch_decides_what_is_averaged(averaging, kept):
    config = to_dict(trial_config({"family": "cnn1d", "training": {"max_epochs": 8, "averaging": averaging}}))
    longer, same = search_space(("cnn1d",), SpaceContext("small", 16)).extended(config, 16)
    assert (longer["training"]["max_epochs"], same) == (16, kept)


def test_a_config_of_an_older_version_is_completed_when_it_is_compared():
    config = to_dict(trial_config({"family": "cnn1d", "training": {"max_epochs": 8}}))
    older = {**config, "training": {k: v for k, v in config["training"].items() if k not in ("averaging", "mixup", "warmup_epochs")}}
    assert search_space(("cnn1d",), SpaceContext("small", 8)).extended(older, 8) == (config, True)
