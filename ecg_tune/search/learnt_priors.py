"""What a study on other data teaches a search: values to believe in. Its trials' values don't compare, so none of them is taken."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from optuna.distributions import BaseDistribution

from ecg_tune.errors import ConfigError
from ecg_tune.search.queue import suggested
from ecg_tune.search.sampling.priors import Prior
from ecg_tune.search.space import SearchSpace
from ecg_tune.study.study import Study


def learnt_priors(other: Study, space: SearchSpace, families: Sequence[str]) -> dict[str, Prior]:
    """Take the parameters of the other study's best trial of each family as priors, as far as this space has and allows them.

    Args:
        other: The other study.
        space: This one's.
        families: This one's.
    """
    found: dict[str, Prior] = {}
    best = other.best_trials()
    for number, family in enumerate(families):
        trial = next((trial for trial in best if trial.family == family), None)
        if trial is not None:
            params = {**space.defaults[number], **trial.params, "family": family}
            found |= {
                name: Prior(trial.params[name])
                for name, distribution in _distributions(space, params).items()
                if name != "family" and name in trial.params and _holds(distribution, trial.params[name])
            }
    return found


def with_priors(space: SearchSpace, learnt: Mapping[str, Prior]) -> SearchSpace:
    """Add learnt priors to a space; those that the user states win."""
    return dataclasses.replace(space, priors={**learnt, **space.priors})


def _distributions(space: SearchSpace, params: Mapping[str, object]) -> Mapping[str, BaseDistribution]:
    """Look up what this space suggests a trial's parameters from; nothing where it can't take them together."""
    try:
        return suggested(space, params)[1]
    except (ValueError, ConfigError):
        return {}


def _holds(distribution: BaseDistribution, value: object) -> bool:
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except (ValueError, TypeError):
        return False
