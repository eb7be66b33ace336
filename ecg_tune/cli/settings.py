"""The settings of a search, read from a file and from flags, and the search space that they define."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ecg_tune.cli.flags import warn_deprecated
from ecg_tune.cli.options import read_yaml, split_commas
from ecg_tune.config import SearchSettings, from_dict
from ecg_tune.config.deprecations import rename_settings
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.errors import ConfigError
from ecg_tune.search.encoders import encoders_of
from ecg_tune.search.sampling.history import SamplerHistory
from ecg_tune.search.space import SearchSpace
from ecg_tune.study.checkpoints import planned_storage
from search_spaces import SpaceContext, in_order, search_space

LISTS = ("families", "minimise")
"""Settings that a file or a flag may give as one text with commas."""


def read_settings(config: Path | None, flags: Mapping[str, Any]) -> SearchSettings:
    """Read a settings file, flags winning over it.

    Raises:
        ConfigError: Unknown name, a value that is not allowed, or a file that can't be read.
    """
    in_file = rename_settings(read_yaml(config), lambda old, new: warn_deprecated(f"{config}: {old}", new)) if config else {}
    merged = {"families": SearchSettings().families, **in_file, **flags}
    for name in LISTS:
        merged[name] = _names(merged.get(name, ()), f"{config}: {name}")
    merged["families"] = in_order(merged["families"])
    if isinstance(merged.get("enqueue"), str):
        merged["enqueue"] = read_configs(Path(merged["enqueue"]))
    settings = from_dict(SearchSettings, merged, where=str(config or ""))
    directions = ("maximize", *["minimize"] * len(settings.minimise))
    SamplerHistory(settings.sampler, seed=settings.seed, families=settings.families, directions=directions)  # refuses what it can't
    return settings


def read_configs(path: Path) -> list[dict[str, Any]]:
    """Read the file of `--enqueue`: one config (a mapping of parameters to values), or a list of them.

    Raises:
        ConfigError: Missing, not YAML, or neither.
    """
    content = read_yaml(path, expected=(list, dict))
    configs = content if isinstance(content, list) else [content]
    if not configs:
        raise ConfigError(f"{path} holds no config: give parameters with values, or leave --enqueue out")
    for config in configs:
        if not isinstance(config, dict) or not config:
            raise ConfigError(f"{path}: expected parameters with values, e.g. `rnn.hidden_size: 64`, but got {config!r}")
    return configs


def make_space(settings: SearchSettings, prepared: PreparedData, study: Path) -> SearchSpace:
    """Build the search space, and check the queued configs against it.

    Raises:
        ConfigError: A rule or a queued config is not of this space.
    """
    context = SpaceContext(settings.profile, settings.epochs, settings.rules, len(prepared.leads), settings.memory_gb)
    if settings.fusion_from:
        source, storage = Path(settings.fusion_from), planned_storage(study, settings)
        context = replace(context, encoders=encoders_of(source, prepared, into=storage, own=source.resolve() == study.resolve()))
    return search_space(settings.families, context, queued=settings.enqueue)


def _names(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, (str, list, tuple)) or not all(isinstance(name, str) for name in value):
        raise ConfigError(f"{where}: expected names, but got {value!r}")
    return split_commas(value) if isinstance(value, str) else tuple(value)
