"""Search or fix any setting of training that a family's own space leaves alone, by `space:` or `training:` of a settings file.

::

    space:
      cnn1d.label_smoothing: [0.0, 0.05, 0.1]      # searched, for one family
      cnn1d.augment.noise: {low: 0.0, high: 0.1}
    training:
      averaging: ema                               # fixed, for every family
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Any

from ecg_tune.config import TrialConfig
from ecg_tune.config.training_rules import AUGMENT, TRAINING_SETTINGS, WHOLE_NUMBERS
from search_spaces.custom import RuledTrial


def training_names(families: Iterable[str]) -> set[str]:
    """Name the parameters that rules may bring in."""
    return {f"{family}.{setting}" for family in families for setting in TRAINING_SETTINGS}


def with_training_rules(trial: RuledTrial, config: TrialConfig) -> TrialConfig:
    """Suggest the settings of training that have a rule and that the family's space did not suggest."""
    own, augment = dict[str, Any](), dict[str, Any]()
    for name in trial.rules:
        family, _, setting = name.partition(".")
        if family == config.family and setting in TRAINING_SETTINGS and name not in trial.asked:
            value = trial.suggest_by_rule(name, whole=setting in WHOLE_NUMBERS)
            group, _, field = setting.rpartition(".")
            (augment if group else own)[field] = value
    if augment:
        own[AUGMENT] = replace(config.training.augment, **augment)
    return replace(config, training=replace(config.training, **own)) if own else config


def classic_values(config: TrialConfig, rules: Mapping[str, Any]) -> dict[str, Any]:
    """Look up what a config has where rules name settings of its family's training."""
    named = {name: name.partition(".")[2] for name in rules if name.startswith(f"{config.family}.")}
    return {name: attrgetter(setting)(config.training) for name, setting in named.items() if setting in TRAINING_SETTINGS}
