"""The settings of a search as flags and as a file: the same for every command that takes them."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from ecg_tune.cli.options import given, read_yaml, words
from ecg_tune.config import SearchSettings, check_choice, from_dict
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.errors import ConfigError
from ecg_tune.metrics import METRICS
from ecg_tune.search.encoders import encoders_of
from ecg_tune.search.sampling.history import SamplerHistory
from ecg_tune.search.sampling.samplers import SAMPLERS
from ecg_tune.search.space import SearchSpace
from ecg_tune.search.stopping.schedulers import SCHEDULERS
from ecg_tune.study.retention import place_for
from search_spaces import SpaceContext, in_order, search_space

FLAGS: dict[str, tuple[type, str]] = {
    "families": (str, "Comma-separated, or all; several make the family a searched choice."),
    "profile": (str, "full, or small: minutes on a laptop."),
    "trials": (int, "Trials the study shall have in the end, earlier ones counted."),
    "max_epochs": (int, "Epochs a trial may run; default 50 full, 10 small. More than before lengthens the finished ones."),
    "metric": (str, "Validation metric: macro_auc, macro_auc_pr, macro_f1."),
    "minimise": (str, "Further objectives, comma-separated: parameters, macs, latency_ms."),
    "sampler": (str, "tpe, gp, cmaes, nsgaii, qmc or random."),
    "scheduler": (str, "asha, hyperband, median or none."),
    "grace_epochs": (int, "First rung; default 3 full, 1 small."),
    "reduction_factor": (int, "One trial in so many goes on from a rung."),
    "min_results": (int, "Results of a family at a rung before anything is cut there."),
    "seed": (int, "Seed; with one slot, equal seeds give equal trials."),
    "max_hours": (float, "Wall time of this run; trials in progress are kept."),
    "total_epochs": (int, "Epochs over all trials, earlier runs counted."),
    "gpu_hours": (float, "GPU time over all trials, shares and earlier runs counted."),
    "target": (float, "Value of the metric that is good enough to end the search."),
    "slots": (int, "Trials at once; default what fits."),
    "cpus_per_trial": (int, "CPU threads of a trial."),
    "gpus_per_trial": (float, "GPU share of a trial, e.g. 0.25; default 1 if there is a GPU."),
    "gpu_share": (str, "auto: measure each family's GPU memory and share GPUs accordingly."),
    "retries": (int, "How often a trial goes on after its worker or node was lost."),
    "silence_s": (float, "Seconds without a report after which a trial is taken from its worker; default from epoch times."),
    "family_failures": (int, "Failures in a row after which a family is drawn no more."),
    "memory_gb": (float, "GB that a draw's parameters may take in training; default 2."),
    "fusion_from": (str, "Study whose best signal and image trials fusions start from; may be STUDY itself."),
    "storage": (str, "postgresql://USER@HOST:PORT/DATABASE for the study; default: a file in STUDY. It is remembered."),
    "checkpoints": (str, "Folder that all nodes reach, or s3://BUCKET/PREFIX; default STUDY. It is remembered."),
    "enqueue": (str, "YAML with parameters (one mapping or a list) of configs to try right after the defaults."),
}
LISTS = ("families", "minimise")


def takes_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags of a search and `--config`; it gets `config` and, as `flags`, those that the user gave."""
    own = inspect.signature(command, eval_str=True)
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, typer.Option(help=text)])
        for name, (kind, text) in FLAGS.items()
    ]

    @wraps(command)
    def with_flags(**values: Any) -> None:
        flags = given(**{name: values.pop(name) for name in FLAGS})
        command(**values, flags=flags)

    kept = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own.parameters.values() if parameter.name != "flags"]
    with_flags.__signature__ = own.replace(parameters=[*kept, *options])  # type: ignore[attr-defined]
    with_flags.__annotations__ = {parameter.name: parameter.annotation for parameter in (*kept, *options)}
    return with_flags


def read_settings(config: Path | None, flags: Mapping[str, Any]) -> SearchSettings:
    """Return a file's settings with the flags over them.

    Raises:
        ConfigError: Unknown name, value out of range, or a file that can't be read.
    """
    merged = {"families": SearchSettings().families, **(read_yaml(config) if config else {}), **flags}
    for name in LISTS:
        merged[name] = _names(merged.get(name, ()), f"{config}: {name}")
    merged["families"] = in_order(merged["families"])
    if isinstance(merged.get("enqueue"), str):
        merged["enqueue"] = read_configs(Path(merged["enqueue"]))
    settings = from_dict(SearchSettings, merged, where=str(config or ""))
    check_choice("metric", settings.metric, METRICS)
    check_choice("sampler", settings.sampler, SAMPLERS)
    check_choice("scheduler", settings.scheduler, SCHEDULERS)
    directions = ("maximize", *["minimize"] * len(settings.minimise))
    SamplerHistory(settings.sampler, seed=settings.seed, families=settings.families, directions=directions)  # refuses what it can't
    return settings


def read_configs(path: Path) -> list[dict[str, Any]]:
    """Return the configs of a file: a list of parameters, or those of one config.

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
    """Return the space of a search, its queued configs checked.

    Raises:
        ConfigError: A rule or a queued config is not of this space.
    """
    context = SpaceContext(settings.profile, settings.epochs, settings.space, len(prepared.leads), settings.memory_gb)
    if settings.fusion_from:
        source, place = Path(settings.fusion_from), place_for(study, settings)
        context = replace(context, encoders=encoders_of(source, prepared, into=place, own=source.resolve() == study.resolve()))
    return search_space(settings.families, context, queued=settings.enqueue)


def command_line(name: str, folder: Path, data: str, config: Path | None, flags: Mapping[str, Any]) -> str:
    """Return the command that was given, to be given again."""
    config_words = ["--config", str(config)] if config else []
    return shlex.join(["ecg-tune", name, str(folder), "--data", data, *config_words, *flag_words(flags)])


def flag_words(flags: Mapping[str, Any]) -> list[str]:
    """Return flags as words of a command line."""
    found: list[str] = []
    for flag, value in flags.items():
        option = "--" + flag.replace("_", "-")
        found += [option] if value is True else [option, str(value)]
    return found


def _names(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, (str, list, tuple)) or not all(isinstance(name, str) for name in value):
        raise ConfigError(f"{where}: expected names, but got {value!r}")
    return words(value) if isinstance(value, str) else tuple(value)
