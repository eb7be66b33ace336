"""The search spaces: one entry a family, and how several families share a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, cast

from optuna.trial import BaseTrial, FixedTrial

from ecg_tune.config import PROFILES, TrialConfig, to_dict
from ecg_tune.config.search import SPACE_VERSION
from ecg_tune.errors import ConfigError
from ecg_tune.models import MODELS, check_family, trial_config
from ecg_tune.models.plugins import Registry, named
from ecg_tune.search.space import Proposal, SearchSpace
from search_spaces import alexnet, cnn1d, cnn1d_rnn, fusion, inception1d, resnet, resnet1d, rnn, vgg
from search_spaces.configs import checked_configs
from search_spaces.custom import RuledTrial, check_rules, default_under, priors_in
from search_spaces.memory import state_gb
from search_spaces.suggestions import NO_SQUEEZE_OR_DILATION, RECIPE_DEFAULTS, Space, SpaceContext
from search_spaces.training_rules import classic_values, training_names, with_training_rules

__all__ = ["SPACES", "Space", "SpaceContext", "in_order", "resolve", "search_space"]

ALL = "all"
SINCE = {"inception1d": 2}
"""Families that "all" takes only from this edition of the spaces on: studies of an older one were searched without them."""


def _space_of_package(family: str) -> Space:
    """Import a plug-in's space and check it by its defaults.

    Raises:
        ConfigError: It is no `Space`, or a default config is not the family's.
    """
    space = named(MODELS[family].space)
    if not isinstance(space, Space):
        raise ConfigError(f"{MODELS[family].space} must be a search_spaces.Space, but is a {type(space).__name__}")
    for profile in PROFILES:
        if profile not in space.defaults:
            raise ConfigError(f"its space has no defaults for the profile {profile!r}")
        trial = FixedTrial(dict(space.defaults[profile]))
        config = space.suggest(trial, SpaceContext(profile, 1))
        if config.family != family or not isinstance(config.model, MODELS[family].config):
            found = f"{config.family!r} with a {type(config.model).__name__}"
            raise ConfigError(f"its space must suggest configs of {family!r} with a {MODELS[family].config.__name__}, but suggests {found}")
        for name in {*trial.params, *space.defaults[profile]}:
            if name not in trial.params or not name.startswith(f"{family}."):
                raise ConfigError(f"its space and defaults must use the same parameters, all named {family}.…, but one is {name!r}")
        _check_suggested_model(space, config, profile)
    return space


def _check_suggested_model(space: Space, config: TrialConfig, profile: str) -> None:
    """Check that a plug-in's `suggest_model` gives the default config's network under another prefix.

    Raises:
        ConfigError: It gives another network.
    """
    if space.suggest_model is None:
        return
    trial = FixedTrial({f"{fusion.FAMILY}.{name}": value for name, value in space.defaults[profile].items()})
    size = {"size": config.image.size} if config.image else {}
    model = space.suggest_model(trial, f"{fusion.FAMILY}.{config.family}", SpaceContext(profile, 1), **size)
    if model != config.model:
        raise ConfigError(f"its space's suggest_model must give the network of suggest, {config.model}, but gives {model}")


SPACES: Registry[Space] = Registry(
    {
        "rnn": rnn.SPACE,
        "cnn1d": cnn1d.SPACE,
        "resnet1d": resnet1d.SPACE,
        "cnn1d_rnn": cnn1d_rnn.SPACE,
        "alexnet": alexnet.SPACE,
        "vgg": vgg.SPACE,
        "resnet": resnet.SPACE,
        "fusion": fusion.SPACE,
        "inception1d": inception1d.SPACE,
    },
    cache(_space_of_package),
)


def in_order(families: Sequence[str], *, version: int | None = None) -> tuple[str, ...]:
    """Check the chosen families and sort them in the order of `SPACES`.

    "all" takes every built-in family. Those of installed packages are named by hand: installing one must not change the families
    of a study that `--families all` began.

    Args:
        families: Their names, or "all".
        version: Edition of the spaces, which says what "all" means; None takes the newest.

    Raises:
        ConfigError: Unknown family.
        PluginError: A family's package can't be used.
    """
    every = [family for family in SPACES.built_in if SINCE.get(family, 1) <= (version or SPACE_VERSION)]
    chosen = {family for family in families if family != ALL} | set(every if ALL in families else ())
    for family in chosen:
        check_family(family, also=(ALL,))
        SPACES[family]
    return (*(family for family in SPACES.built_in if family in chosen), *sorted(chosen - set(SPACES.built_in)))


def resolve(family: str, params: Mapping[str, Any], context: SpaceContext) -> TrialConfig:
    """Build the complete config from a trial's parameters."""
    return _suggested(FixedTrial(dict(params)), family, context)


def search_space(families: Sequence[str], context: SpaceContext, *, queued: Sequence[Mapping[str, Any]] = ()) -> SearchSpace:
    """Join the spaces of the chosen families; with several the family itself is a parameter.

    Args:
        queued: Configs to try after the defaults, each by its parameters.

    Raises:
        ConfigError: The context's rules or a queued config name an unknown parameter or give a value that no config takes.
    """
    chosen = in_order(families)
    _check_stored_images(chosen, context)
    context = replace(context, package_spaces={family: SPACES[family] for family in chosen if family not in SPACES.built_in})
    ranges = check_rules(
        context.rules,
        lambda trial: [SPACES[family].suggest(trial, context) for family in chosen],
        lambda trial: [trial_config(to_dict(_suggested(trial, family, context))) for family in chosen],
        more=training_names(chosen),
    )

    def suggest(trial: BaseTrial) -> Proposal:
        family = trial.suggest_categorical("family", chosen) if len(chosen) > 1 else chosen[0]
        return Proposal(family=family, config=to_dict(_suggested(trial, family, context)))

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
        params = classic_values(classic, context.rules) | _asked_defaults(family, context)
        return choice | default_under(params, context.rules, ranges)

    defaults = tuple(default(family) for family in chosen)
    space = SearchSpace(
        suggest=suggest,
        defaults=defaults,
        older=_older(chosen),
        stated=lambda config: classic_values(trial_config(dict(config)), context.rules),
        extended=extended,
        priors=priors_in(context.rules),
    )
    return replace(space, queued=checked_configs(queued, space, chosen))


def _older(families: Sequence[str]) -> dict[str, Any]:
    """Say what a trial of an older edition of the spaces had where today there is a parameter."""
    old = [family for family in families if family in SPACES.built_in and family not in SINCE]
    encoders = [f"{fusion.FAMILY}.{family}" for family in fusion.SIGNAL] if fusion.FAMILY in old else []
    values = RECIPE_DEFAULTS | NO_SQUEEZE_OR_DILATION | fusion.FINE_TUNING_DEFAULTS
    return {f"{prefix}.{name}": value for prefix in (*old, *encoders) for name, value in values.items()}


def _asked_defaults(family: str, context: SpaceContext) -> dict[str, Any]:
    """Look up the parameters of a family's classic config, without those that the space does not ask for.

    With stored images it does not ask how images are computed, and an older edition of the spaces asked for less.
    """
    params = dict(SPACES[family].defaults[context.profile])
    trial = FixedTrial(params)
    SPACES[family].suggest(trial, replace(context, rules={}, memory_gb=float("inf"), encoders=None))
    return {name: value for name, value in params.items() if name in trial.params}


def _check_stored_images(families: Sequence[str], context: SpaceContext) -> None:
    """Refuse a package's family whose space computes images where the data's stored ones are to be taken.

    Raises:
        ConfigError: Names the family and what its space should use.
    """
    for family in families if context.images else ():
        classic = resolve(family, SPACES[family].defaults[context.profile], replace(context, rules={}, encoders=None))
        if classic.image is not None and not classic.stored_images:
            raise ConfigError(
                f"{family} can't take the data's stored images: its space must make them by search_spaces.suggestions.image and image_crop"
            )


def extended(config: Mapping[str, Any], epochs: int) -> tuple[dict[str, Any], bool]:
    """Change the last epoch of a trial's config.

    Returns:
        The new config, with all settings of today, and whether the training so far can be kept as its beginning. It can with the
        plateau schedule; the learning rates of one-cycle and cosine depend on the last epoch from the first one on, and so does the
        epoch from which `swa` averages weights.

    Raises:
        ConfigError: It is no config.
    """
    complete = to_dict(trial_config(dict(config)))  # an older version knew fewer settings
    training = complete["training"]
    same = training["max_epochs"] == epochs or (training["schedule"] == "plateau" and training["averaging"] != "swa")
    return {**complete, "training": {**training, "max_epochs": epochs}}, same


def _suggested(trial: BaseTrial, family: str, context: SpaceContext) -> TrialConfig:
    if not context.rules:
        return SPACES[family].suggest(trial, context)
    ruled = RuledTrial(trial, context.rules)
    return with_training_rules(ruled, SPACES[family].suggest(cast(BaseTrial, ruled), context))
