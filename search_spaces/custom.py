"""A space narrowed, fixed or widened by hand: the `space:` of a search.yaml.

::

    space:
      rnn.hidden_size: 64                               # fixed
      rnn.cell: [gru]                                   # another set of choices
      resnet.learning_rate: {low: 0.001, high: 0.01}    # another range; `log` and `step` stay as they are unless given
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import optuna
from optuna.samplers import RandomSampler
from optuna.trial import BaseTrial

from ecg_tune.config.parsing import nearest
from ecg_tune.errors import ConfigError

RANGE_KEYS = ("low", "high", "log", "step")
N_CHECKED_DRAWS = 200
"""Random draws by which a space's names are found and a changed one is tried out; conditions are two deep at most."""


class _Custom:
    """A trial that draws the named parameters from the user's rules and everything else as the space says."""

    def __init__(self, trial: BaseTrial, rules: Mapping[str, Any]) -> None:
        self.trial, self.rules = trial, rules

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False) -> float:
        if name not in self.rules:
            return self.trial.suggest_float(name, low, high, step=step, log=log)
        return float(self._draw(name, {"log": log, "step": step}, whole=False))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        if name not in self.rules:
            return self.trial.suggest_int(name, low, high, step=step, log=log)
        return int(self._draw(name, {"log": log, "step": step}, whole=True))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        if name not in self.rules:
            return self.trial.suggest_categorical(name, choices)
        return self._draw(name, {"log": False, "step": None}, whole=all(isinstance(choice, int) for choice in choices))

    def _draw(self, name: str, usual: Mapping[str, Any], *, whole: bool) -> Any:
        rule = self.rules[name]
        if not isinstance(rule, Mapping):
            return self.trial.suggest_categorical(name, tuple(rule) if isinstance(rule, list) else (rule,))
        low, high, log = rule["low"], rule["high"], rule.get("log", usual["log"])
        step = rule.get("step", None if log else usual["step"])
        if whole:
            return self.trial.suggest_int(name, low, high, log=log, step=step or 1)
        return self.trial.suggest_float(name, low, high, log=log, step=step)


def customised(trial: BaseTrial, rules: Mapping[str, Any]) -> BaseTrial:
    """Return the trial as a space sees it under the user's rules."""
    return cast(BaseTrial, _Custom(trial, rules)) if rules else trial


def default_under(params: Mapping[str, Any], rules: Mapping[str, Any]) -> dict[str, Any]:
    """Return a default config moved into the rules: clipped to a range, or the first choice where its own is gone."""
    return {name: _moved(value, rules[name]) if name in rules else value for name, value in params.items()}


def _moved(value: Any, rule: Any) -> Any:
    if isinstance(rule, Mapping):
        return min(max(value, rule["low"]), rule["high"])
    choices = rule if isinstance(rule, list) else [rule]
    return value if value in choices else choices[0]


def parameter_names(draw: Any) -> set[str]:
    """Return the names that a space can draw.

    Args:
        draw: A function of a trial.
    """
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    names: set[str] = set()
    for _ in range(N_CHECKED_DRAWS):
        trial = study.ask()
        draw(trial)
        names |= set(trial.params)
    return names


def check_rules(rules: Mapping[str, Any], draw: Any) -> None:
    """Refuse rules with unknown names or values that no config takes.

    Args:
        draw: The unchanged space, a function of a trial.

    Raises:
        ConfigError: Names the rule, and the nearest valid name or what is wrong with its value.
    """
    names = parameter_names(draw) - {"family"} if rules else set()
    for name, rule in rules.items():
        if name not in names:
            raise ConfigError(f"space: unknown parameter {name!r}: {nearest(name, names)}")
        if isinstance(rule, Mapping):
            if not {"low", "high"} <= set(rule) <= set(RANGE_KEYS):
                raise ConfigError(f"space: {name}: a range has the keys low, high and maybe log, step, but got {dict(rule)}")
            if not all(isinstance(rule[key], (int, float)) for key in ("low", "high")) or rule["low"] > rule["high"]:
                raise ConfigError(f"space: {name}: low and high must be numbers, low not above high, but got {dict(rule)}")
        elif isinstance(rule, list) and not rule:
            raise ConfigError(f"space: {name}: give at least one choice")
    if not rules:
        return
    try:
        parameter_names(lambda trial: draw(customised(trial, rules)))
    except (ValueError, TypeError, KeyError) as error:  # ConfigError is a ValueError
        raise ConfigError(f"space: no config takes these values: {error}") from error
