"""Check the configs that a user wants tried (`--enqueue`) before a search begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ecg_tune.config.parsing import nearest
from ecg_tune.errors import ConfigError
from ecg_tune.search.sampling.history import SamplerHistory
from ecg_tune.search.space import SearchSpace
from search_spaces.custom import parameters


def checked_configs(configs: Sequence[Mapping[str, Any]], space: SearchSpace, families: Sequence[str]) -> tuple[dict[str, Any], ...]:
    """Check configs and add their family where it is missing: the names' prefix tells it.

    Raises:
        ConfigError: An unknown name, a value outside of the space, or a parameter that the config has no use for.
    """
    names = set(parameters(space.suggest)) if configs else set()
    return tuple(_checked(dict(config), space, families, names) for config in configs)


def _checked(config: dict[str, Any], space: SearchSpace, families: Sequence[str], names: set[str]) -> dict[str, Any]:
    for name in config:
        if name not in names:
            raise ConfigError(f"enqueue: unknown parameter {name!r}: {nearest(name, names)}")
    if len(families) > 1 and "family" not in config:
        prefixes = sorted({name.split(".")[0] for name in config})
        if len(prefixes) > 1:
            raise ConfigError(f"enqueue: one config has parameters of {' and '.join(prefixes)}: give `family`, and its parameters only")
        config = {"family": prefixes[0], **config}
    view = SamplerHistory("random", seed=0, families=families)
    try:
        unused = set(config) - set(view.propose(0, space.suggest, families=families, fixed=config))
    except ConfigError as error:
        raise ConfigError(f"enqueue: {error}") from error
    if unused:
        raise ConfigError(f"enqueue: {', '.join(sorted(unused))} has no use beside the other values of {config}: leave it out")
    return config
