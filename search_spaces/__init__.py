"""The search spaces: one row a family, and how several share a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from optuna.trial import BaseTrial, FixedTrial

from ecg_tune.config import TrialConfig, check_choice, to_dict
from ecg_tune.errors import ConfigError
from ecg_tune.search.space import Proposal, SearchSpace
from search_spaces import alexnet, cnn1d, cnn1d_rnn, fusion, resnet, resnet1d, rnn, vgg
from search_spaces.configs import checked_configs
from search_spaces.custom import check_rules, customised, default_under
from search_spaces.memory import state_gb
from search_spaces.shared import Space, SpaceContext

__all__ = ["SPACES", "Space", "SpaceContext", "in_order", "resolve", "search_space"]

SPACES: dict[str, Space] = {
    "rnn": rnn.SPACE,
    "cnn1d": cnn1d.SPACE,
    "resnet1d": resnet1d.SPACE,
    "cnn1d_rnn": cnn1d_rnn.SPACE,
    "alexnet": alexnet.SPACE,
    "vgg": vgg.SPACE,
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
    return _drawn(FixedTrial(dict(params)), family, context)


def search_space(families: Sequence[str], context: SpaceContext, *, queued: Sequence[Mapping[str, Any]] = ()) -> SearchSpace:
    """Return the space of a study; with several families the family itself is a parameter.

    Args:
        queued: Parameters of configs to try after the defaults.

    Raises:
        ConfigError: The context's rules or a queued config name an unknown parameter or give a value that no config takes.
    """
    chosen = in_order(families)
    check_rules(context.rules, lambda trial: [SPACES[family].suggest(trial, context) for family in chosen])

    def suggest(trial: BaseTrial) -> Proposal:
        family = trial.suggest_categorical("family", chosen) if len(chosen) > 1 else chosen[0]
        return Proposal(family=family, config=to_dict(_drawn(trial, family, context)))

    def default(family: str) -> dict[str, Any]:
        choice = {"family": family} if len(chosen) > 1 else {}
        if family == fusion.FAMILY and context.encoders:
            choice[f"{family}.start"] = "scratch"  # the classic config, whatever encoders there are
        classic = resolve(
            family, SPACES[family].defaults[context.profile], replace(context, rules={}, memory_gb=float("inf"), encoders=None)
        )
        needed = state_gb(classic.model, family, context.n_leads)
        if needed > context.memory_gb:
            raise ConfigError(f"the classic {family} needs {needed:.3g} GB: raise memory_gb={context.memory_gb:g}, or leave {family} out")
        return choice | default_under(SPACES[family].defaults[context.profile], context.rules)

    space = SearchSpace(suggest=suggest, defaults=tuple(default(family) for family in chosen), extended=extended)
    return replace(space, queued=checked_configs(queued, space, chosen))


def extended(config: Mapping[str, Any], epochs: int) -> tuple[dict[str, Any], bool]:
    """Return a trial's config with another last epoch, and whether its training so far is the beginning of that longer one.

    It is with the plateau schedule; one-cycle and cosine depend on the last epoch.
    """
    training = config["training"]
    same = training["schedule"] == "plateau" or training["max_epochs"] == epochs
    return {**config, "training": {**training, "max_epochs": epochs}}, same


def _drawn(trial: BaseTrial, family: str, context: SpaceContext) -> TrialConfig:
    return SPACES[family].suggest(customised(trial, context.rules), context)
