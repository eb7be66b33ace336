"""Check the configs that a user wants tried (`--enqueue`) before a search begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ecg_tune.config.parsing import nearest
from ecg_tune.errors import ConfigError
from ecg_tune.search.sampling.history import SamplerHistory
from ecg_tune.search.space import SearchSpace
from search_spaces.custom import parameters


def checked_configs(
    configs: Sequence[Mapping[str, Any]], space: SearchSpace, families: Sequence[str], *, where: str = "enqueue"
) -> tuple[dict[str, Any], ...]:
    """Check configs, and say their family where it is searched: the names' prefix tells it. The only family need not be said, but may.

    Args:
        where: What holds the configs, for messages.

    Raises:
        ConfigError: An unknown name, a value outside of the space, or a parameter that the config has no use for.
    """
    names = set(parameters(space.suggest)) if configs else set()
    return tuple(_checked(_of_families(config, families, where), space, families, names, where) for config in configs)


def _of_families(config: Mapping[str, Any], families: Sequence[str], where: str) -> dict[str, Any]:
    """Leave `family` out where only one is searched: it is no parameter then."""
    if len(families) > 1 or "family" not in config:
        return dict(config)
    only, family = families[0], config["family"]
    if family != only:
        raise ConfigError(f"{where}: family must be {only}, the only one searched, but got {family!r}: queue configs of {only}")
    return {name: value for name, value in config.items() if name != "family"}


def _checked(config: dict[str, Any], space: SearchSpace, families: Sequence[str], names: set[str], where: str) -> dict[str, Any]:
    for name in config:
        if name not in names:
            raise ConfigError(f"{where}: unknown parameter {name!r}: {nearest(name, names)}")
    if len(families) > 1 and "family" not in config:
        prefixes = sorted({name.split(".")[0] for name in config})
        if len(prefixes) > 1:
            raise ConfigError(f"{where}: one config has parameters of {' and '.join(prefixes)}: give `family`, and its parameters only")
        config = {"family": prefixes[0], **config}
    view = SamplerHistory("random", seed=0, families=families)
    try:
        unused = set(config) - set(view.propose(0, space.suggest, families=families, fixed=config))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    if unused:
        raise ConfigError(f"{where}: {', '.join(sorted(unused))} has no use beside the other values of {config}: leave it out")
    return config
