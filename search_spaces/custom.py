"""Change a space by hand: fix, narrow or widen parameters, or say what you believe in, by the `space:` of a search.yaml.

::

    space:
      rnn.hidden_size: 64                               # fixed
      rnn.cell: [gru]                                   # another set of choices
      resnet.learning_rate: {low: 0.001, high: 0.01}    # another range; `log` and `step` stay as they are unless given
      cnn1d.learning_rate: {prior: 0.003, confidence: high}    # drawn around this value at first; low, medium or high
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.trial import BaseTrial

from ecg_tune.config.parsing import nearest
from ecg_tune.errors import ConfigError
from ecg_tune.search.sampling.priors import CONFIDENCES, Prior
from ecg_tune.search.sampling.samplers import check_value

RANGE_KEYS = ("low", "high", "log", "step")
PRIOR_KEYS = ("prior", "confidence")
CHOICE = bool | int | float | str | None
"""What a choice may be: Optuna stores these."""
MOST_STEPS = 100_000
N_TRIED = 200
"""Random trials that find a space's parameters and try out a changed space; conditions are at most two deep."""


class RuledTrial:
    """Suggests the parameters that have a rule by that rule, and all others as the space says. A prior alone changes no range.

    Attributes:
        asked: Names of all that were suggested.
    """

    def __init__(self, trial: BaseTrial, rules: Mapping[str, Any]) -> None:
        self.trial, self.rules, self.asked = trial, rules, set[str]()

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False) -> float:
        if not self._ruled(name):
            return self.trial.suggest_float(name, low, high, step=step, log=log)
        return float(self._number(name, {"log": log, "step": step}, int | float))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        if not self._ruled(name):
            return self.trial.suggest_int(name, low, high, step=step, log=log)
        return int(self._number(name, {"log": log, "step": step}, int))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        if not self._ruled(name):
            return self.trial.suggest_categorical(name, choices)
        return self._suggest(name, {"log": False, "step": None}, whole=all(isinstance(choice, int) for choice in choices))

    def suggest_by_rule(self, name: str, *, whole: bool) -> Any:
        """Suggest what only a rule knows; `whole` where a range is of whole numbers.

        Raises:
            ConfigError: The rule is a prior alone.
        """
        if not self._ruled(name):
            raise ConfigError(f"{name} is not searched by itself: give low and high beside its prior")
        return self._suggest(name, {"log": False, "step": None}, whole=whole)

    def _ruled(self, name: str) -> bool:
        self.asked.add(name)
        rule = self.rules.get(name)
        return name in self.rules and (not isinstance(rule, Mapping) or "low" in rule)

    def _number(self, name: str, usual: Mapping[str, Any], kind: Any) -> Any:
        """Suggest a number by its rule; a fixed value or a choice may be of another type.

        Raises:
            ConfigError: It is.
        """
        value = self._suggest(name, usual, whole=kind is int)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ConfigError(f"{name} must be a {'whole ' if kind is int else ''}number, but got {value!r}")
        return value

    def _suggest(self, name: str, usual: Mapping[str, Any], *, whole: bool) -> Any:
        rule = self.rules[name]
        if not isinstance(rule, Mapping):
            return self.trial.suggest_categorical(name, tuple(rule) if isinstance(rule, list) else (rule,))
        low, high, log = rule["low"], rule["high"], rule.get("log", usual["log"])
        step = rule.get("step", None if log else usual["step"])
        if step and step > 0:
            high = min(high, low + math.floor((high - low) / step + 1e-8) * step)  # Optuna would do so, with a warning a trial
        if whole:
            return self.trial.suggest_int(name, low, high, log=log, step=step or 1)
        return self.trial.suggest_float(name, low, high, log=log, step=step)


def priors_in(rules: Mapping[str, Any]) -> dict[str, Prior]:
    """Return the priors that rules state, by parameter."""
    stated = {name: rule for name, rule in rules.items() if isinstance(rule, Mapping) and "prior" in rule}
    return {name: Prior(rule["prior"], rule.get("confidence", Prior.confidence)) for name, rule in stated.items()}


def default_under(params: Mapping[str, Any], rules: Mapping[str, Any], ranges: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """Move a default config into the rules: to the nearest value of a range; the prior, or the first choice where their own is gone.

    Args:
        ranges: What the parameters are suggested from under the rules.
    """
    return {name: _moved(value, rules[name], ranges.get(name)) if name in rules else value for name, value in params.items()}


def _moved(value: Any, rule: Any, range_: BaseDistribution | None) -> Any:
    if isinstance(rule, Mapping) and "prior" in rule:
        return rule["prior"]
    if isinstance(rule, Mapping):
        if not isinstance(range_, FloatDistribution | IntDistribution):
            return value
        inside = range_.high if value is None else min(max(value, range_.low), range_.high)
        return inside if not range_.step else min(range_.low + round((inside - range_.low) / range_.step) * range_.step, range_.high)
    choices = rule if isinstance(rule, list) else [rule]
    return value if value in choices else choices[0]


def parameters(suggest: Callable[[BaseTrial], Any]) -> dict[str, BaseDistribution]:
    """Find the parameters that a space may suggest, with their ranges.

    Args:
        suggest: The space, a function of a trial.
    """
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    found: dict[str, BaseDistribution] = {}
    for _ in range(N_TRIED):
        trial = study.ask()
        suggest(trial)
        found |= trial.distributions
    return found


def check_rules(
    rules: Mapping[str, Any],
    suggest: Callable[[BaseTrial], Any],
    ruled: Callable[[BaseTrial], Any],
    *,
    more: Collection[str] = (),
) -> dict[str, BaseDistribution]:
    """Refuse rules with unknown names or values that no config takes.

    Args:
        suggest: The unchanged space, a function of a trial.
        ruled: The space under the rules.
        more: Names that rules may bring in.

    Returns:
        What each parameter is suggested from under the rules; nothing without rules.

    Raises:
        ConfigError: Names the rule, and the nearest valid name or what is wrong with its value.
    """
    if not rules:
        return {}
    own = parameters(suggest)
    names = {*own, *more} - {"family"}
    for name, rule in rules.items():
        if name not in names:
            raise ConfigError(f"space: unknown parameter {name!r}: {nearest(name, names)}")
        _check_rule(name, rule)
        _check_kind(name, rule, own.get(name))
    try:
        ranges = parameters(ruled)
    except ConfigError as error:
        raise ConfigError(f"space: no config takes these values: {error}") from error
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:  # what a network says of its settings is no text for people
        raise ConfigError(f"space: no config takes these values of {', '.join(rules)}: leave some out to find which") from error
    for name, prior in priors_in(rules).items():
        if name not in ranges:
            raise ConfigError(f"space: {name} has a prior, but no config under these rules has a use for it: leave it out")
        try:
            check_value(name, prior.value, ranges[name])
        except ConfigError as error:
            raise ConfigError(f"space: the prior of {error}") from error
    return ranges


def _check_kind(name: str, rule: Any, own: BaseDistribution | None) -> None:
    """Refuse values of another kind than the parameter's own: texts in the place of numbers, or numbers in the place of texts."""
    usual = own.choices if isinstance(own, CategoricalDistribution) else (0,)
    if own is None or isinstance(rule, Mapping):
        return
    for value in rule if isinstance(rule, list) else [rule]:
        if _is_number(value) != _is_number(usual[0]) and all(_is_number(usual[0]) == _is_number(choice) for choice in usual):
            raise ConfigError(f"space: {name} must be {'a number' if _is_number(usual[0]) else 'one of ' + repr(usual)}, but got {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_rule(name: str, rule: Any) -> None:
    """Refuse a rule that has not the form of one."""
    if isinstance(rule, Mapping):
        given = set(rule)
        if given & set(PRIOR_KEYS):
            _check_confidence(name, rule)
            given -= set(PRIOR_KEYS)
            if not given:
                return
        if not {"low", "high"} <= given <= set(RANGE_KEYS):
            raise ConfigError(f"space: {name}: a range has the keys low, high and maybe log, step, prior, confidence, but got {dict(rule)}")
        _check_range(name, rule)
    elif isinstance(rule, list) and not rule:
        raise ConfigError(f"space: {name}: give at least one choice")
    elif not all(isinstance(choice, CHOICE) for choice in (rule if isinstance(rule, list) else [rule])):
        raise ConfigError(f"space: {name}: each choice must be a number, a text, true, false or null, but got {rule!r}")


def _check_range(name: str, rule: Mapping[str, Any]) -> None:
    if not all(_is_finite(rule[key]) for key in ("low", "high")) or rule["low"] > rule["high"]:
        raise ConfigError(f"space: {name}: low and high must be numbers, low not above high, but got {dict(rule)}")
    if not isinstance(rule.get("log", False), bool):
        raise ConfigError(f"space: {name}: log must be true or false, but got {rule['log']!r}")
    step = rule.get("step")
    if step is not None and (not _is_finite(step) or step <= 0 or rule["high"] - rule["low"] > MOST_STEPS * step):
        raise ConfigError(f"space: {name}: step must be a number above 0, with at most {MOST_STEPS} steps in the range, but got {step!r}")


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_confidence(name: str, rule: Mapping[str, Any]) -> None:
    if "prior" not in rule:
        raise ConfigError(f"space: {name}: confidence goes with a prior: give `prior: VALUE` too")
    if not isinstance(confidence := rule.get("confidence", Prior.confidence), str) or confidence not in CONFIDENCES:
        raise ConfigError(f"space: {name}: confidence must be one of {', '.join(CONFIDENCES)}, but got {confidence!r}")
