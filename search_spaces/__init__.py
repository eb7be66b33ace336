"""The search spaces: one row a family, and how several share a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import BaseTrial, FixedTrial

from ecg_tune.config import TrialConfig, check_choice, to_dict
from ecg_tune.search.space import Proposal, SearchSpace
from search_spaces import fusion, resnet, rnn
from search_spaces.shared import Space, SpaceContext

__all__ = ["SPACES", "Space", "SpaceContext", "in_order", "resolve", "search_space"]

SPACES: dict[str, Space] = {
    "rnn": rnn.SPACE,
    "resnet": resnet.SPACE,
    "fusion": fusion.SPACE,
}


def in_order(families: Sequence[str]) -> tuple[str, ...]:
    """Return the chosen families in the order of `SPACES`; "all" takes every one.

    Raises:
        ConfigError: Unknown family.
    """
    if tuple(families) == ("all",):
        return tuple(SPACES)
    for family in families:
        check_choice("family", family, [*SPACES, "all"])
    return tuple(family for family in SPACES if family in families)


def resolve(family: str, params: Mapping[str, Any], context: SpaceContext) -> TrialConfig:
    """Return the complete config that a trial's parameters stand for."""
    return SPACES[family].suggest(FixedTrial(dict(params)), context)


def search_space(families: Sequence[str], context: SpaceContext) -> SearchSpace:
    """Return the space of a study; with several families the family itself is a parameter."""
    chosen = in_order(families)

    def suggest(trial: BaseTrial) -> Proposal:
        family = trial.suggest_categorical("family", chosen) if len(chosen) > 1 else chosen[0]
        return Proposal(family=family, config=to_dict(SPACES[family].suggest(trial, context)))

    def default(family: str) -> dict[str, Any]:
        choice = {"family": family} if len(chosen) > 1 else {}
        return choice | dict(SPACES[family].defaults[context.profile])

    return SearchSpace(suggest=suggest, defaults=tuple(default(family) for family in chosen))
