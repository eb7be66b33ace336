"""Configs to try before anything is sampled: the families' defaults, then the user's own."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FixedTrial

from ecg_tune.search.space import Proposal, SearchSpace
from ecg_tune.study.schema import fixed_params
from ecg_tune.study.study import Study


@dataclass(frozen=True)
class Item:
    """What the next trial is given; nothing by default.

    Attributes:
        params: Parameters that are fixed; the rest is sampled.
        key: Name under which the study remembers it, so that it is tried once.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    is_default: bool = False


class Queue:
    """Hands the configs out in order, each once a study."""

    def __init__(self, space: SearchSpace, study: Study) -> None:
        trials = study.all_trials()
        known = {trial.queued for trial in trials} | {f"default {trial.family}" for trial in trials if trial.is_default}
        families = [params.get("family") or suggested(space, params)[0].family for params in space.defaults]
        items = [Item(params, f"default {family}", is_default=True) for params, family in zip(space.defaults, families, strict=True)]
        items += [Item(params, json.dumps(params, sort_keys=True)) for params in space.queued]
        frozen = study.optuna.get_trials(deepcopy=False)
        left_open = [trial.number for trial in trials if trial.handed_on]
        items += [Item(fixed_params(frozen[number]), f"row {number}") for number in left_open]
        self.items = [item for item in items if item.key not in known]

    @property
    def params(self) -> Mapping[str, Any]:
        """What the next trial is given."""
        return self.items[0].params if self.items else {}

    def next(self) -> Item:
        """Return the next one; an empty one when all were tried."""
        return self.items.pop(0) if self.items else Item()


def suggested(space: SearchSpace, params: Mapping[str, Any]) -> tuple[Proposal, dict[str, BaseDistribution]]:
    """Build the config of complete parameters, with the distributions that each is suggested from.

    Parameters that an older edition of the space did not have may be missing.
    """
    fixed = FixedTrial({**space.older, **params})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a value out of range: refused where the trial is added
        proposal = space.suggest(fixed)
    return proposal, dict(fixed.distributions)
