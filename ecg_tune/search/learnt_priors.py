"""What studies on other data teach a search: values to believe in. Their trials' values don't compare, so none of them is taken.

The study remembers the values, so that a resumed search believes in them too, as far as its space still holds them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution

from ecg_tune.errors import ConfigError
from ecg_tune.search.queue import suggested
from ecg_tune.search.sampling.priors import Prior
from ecg_tune.search.space import SearchSpace
from ecg_tune.search.space_change import holds
from ecg_tune.study.study import Study


def learnt_values(other: Study, space: SearchSpace, families: Sequence[str]) -> dict[str, Any]:
    """Take the parameters of the other study's best trial of each family, as far as this space has and allows them.

    Args:
        other: The other study.
        space: This one's.
        families: This one's.
    """
    best = {trial.family: trial.params for trial in reversed(other.best_trials())}
    return _held(best, space, families)


def with_priors(space: SearchSpace, learnt: Mapping[str, Any], families: Sequence[str]) -> SearchSpace:
    """Let a space believe in learnt values, as far as it holds them; priors that the user states win.

    Args:
        learnt: Parameter → value. A parameter begins with its family's name and a dot.
        families: The space's.
    """
    own = {family: {name: value for name, value in learnt.items() if name.startswith(f"{family}.")} for family in families}
    held = _held(own, space, families)
    return dataclasses.replace(space, priors={**{name: Prior(value) for name, value in held.items()}, **space.priors})


def _held(values: Mapping[str, Mapping[str, Any]], space: SearchSpace, families: Sequence[str]) -> dict[str, Any]:
    """Keep the values, given by family, that the space has a parameter for and allows."""
    found: dict[str, Any] = {}
    for default, family in zip(space.defaults, families, strict=True):
        own = values.get(family, {})
        ranges = _distributions(space, {**default, **own, "family": family}).items()
        found |= {name: own[name] for name, range_ in ranges if name != "family" and name in own and holds(range_, own[name])}
    return found


def _distributions(space: SearchSpace, params: Mapping[str, object]) -> Mapping[str, BaseDistribution]:
    """Look up what this space suggests a trial's parameters from; nothing where it can't take them together."""
    try:
        return suggested(space, params)[1]
    except (ValueError, ConfigError):
        return {}
