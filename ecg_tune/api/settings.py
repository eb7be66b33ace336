"""The settings of a search, read from flags, a file and the study that is there, and the search space that they define."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ecg_tune.api.study_data import open_study_data
from ecg_tune.api.yaml_file import read_yaml
from ecg_tune.config import PROFILES, SearchSettings, from_dict, stored_settings, to_dict
from ecg_tune.config.deprecations import rename_settings, warn_deprecated
from ecg_tune.config.parsing import split_commas
from ecg_tune.config.search import AUTO
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared
from ecg_tune.errors import ConfigError, UsageError
from ecg_tune.search.encoders import encoders_of
from ecg_tune.search.sampling.history import SamplerHistory
from ecg_tune.search.space import SearchSpace
from ecg_tune.search.space_change import change_text, fit_text, set_aside
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.checkpoints import planned_storage
from ecg_tune.study.study import Study
from ecg_tune.training.auxiliary import NO_STATEMENTS
from ecg_tune.training.inputs import IMAGE_FAMILIES, check_families
from ecg_tune.training.loss import NO_CERTAINTY, NO_TEACHERS
from search_spaces import SpaceContext, in_order, search_space
from search_spaces.custom import parameters

LISTS = ("families", "minimise")
"""Settings that a file or a flag may give as one text with commas."""
OF_ONE_RUN = ("max_hours", "storage", "checkpoints")
"""Settings that a resumed search does not take from its study: of one run, or remembered by the study in another way."""
LONGEST_SHOWN = 40
"""Characters of a setting's value in the line that says what changes."""


@dataclass(frozen=True)
class Request:
    """What a search is asked for.

    Attributes:
        settings: All settings, the profile chosen.
        data: The prepared data.
        note: A line for the user: what was chosen for them, or what changes in a study that is there; "" when there is nothing to say.
        learnt_priors: Parameter → value that the study learnt from studies on other data.
    """

    settings: SearchSettings
    data: PreparedData
    note: str
    learnt_priors: Mapping[str, Any] = field(default_factory=dict)


def read_request(
    study: Path, config: Path | None, flags: Mapping[str, Any], data: str | None, *, has_gpu: Callable[[], bool] = torch.cuda.is_available
) -> Request:
    """Read what a search is asked for: flags, then the settings file, then what the study was searched with, then the defaults.

    Where the data are images alone, "all" families, and those of a search that names none, are the image families.

    Args:
        study: Folder of a study, which need not be there yet.
        data: Prepared data; None takes those of the study.
        has_gpu: Looks whether trials can get a GPU.

    Raises:
        ConfigError: As `read_settings`, or a family that the data can't train.
        DataError: Not prepared data.
        UsageError: No data are given, and there is no study that names them.
    """
    given = _given(config, flags)
    with _found(study, given.get("storage")) as before:
        stored = {} if before is None else _stored(before.attributes)
        settings = _settings({**stored, **given}, str(config or ""))
        learnt = (before.attributes.learnt_priors if before else None) or {}
        if before is not None:
            settings = _without_leftovers(settings, given, before)
            prepared = open_study_data(before, data)
        elif data is not None:
            prepared = open_prepared(data)
        else:
            raise UsageError(f"{study} is a new study: name its data with --data DIR (`ecg-tune data prepare` makes them)")
    if not prepared.leads:
        named = _names({**stored, **given}.get("families") or "all", f"{config}: families")
        families = in_order([*(IMAGE_FAMILIES if "all" in named else ()), *(name for name in named if name != "all")])
        check_families(families, leads=prepared.leads, where=prepared.location)
        settings = replace(settings, families=families)
    note = "" if before is None else _changes(stored, settings)
    if settings.profile == AUTO:
        settings, note = _with_profile(settings, has_gpu, stored.get("profile"), note)
    return Request(settings, prepared, note, learnt)


def read_settings(config: Path | None, flags: Mapping[str, Any]) -> SearchSettings:
    """Read a settings file, flags winning over it.

    Raises:
        ConfigError: Unknown name, a value that is not allowed, or a file that can't be read.
    """
    return _settings(_given(config, flags), str(config or ""))


def _settings(given: Mapping[str, Any], where: str) -> SearchSettings:
    """Check settings, those that are missing at their defaults."""
    merged = {"families": SearchSettings().families, **given}
    for name in LISTS:
        merged[name] = _names(merged.get(name, ()), f"{where}: {name}")
    merged["families"] = in_order(merged["families"], version=merged.get("space_version"))
    if isinstance(merged.get("enqueue"), str):
        merged["enqueue"] = read_configs(Path(merged["enqueue"]))
    settings = from_dict(SearchSettings, merged, where=where)
    directions = ("maximize", *["minimize"] * len(settings.minimise))
    SamplerHistory(settings.sampler, seed=settings.seed, families=settings.families, directions=directions)  # refuses what it can't
    return settings


def _given(config: Path | None, flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that the user gave, flags winning over the file."""
    in_file = rename_settings(read_yaml(config), lambda old, new: warn_deprecated(f"{config}: {old}", new)) if config else {}
    return {**in_file, **flags}


def _without_leftovers(settings: SearchSettings, given: Mapping[str, Any], study: Study) -> SearchSettings:
    """Leave out what only the study's own settings say: rules of families that are searched no more, and queued configs that were tried.

    The user may change the families or the space without repeating these.
    """
    if "space" not in given:
        settings = replace(settings, space={name: rule for name, rule in settings.space.items() if name.split(".")[0] in settings.families})
    if "enqueue" not in given and settings.enqueue:
        tried = [json.loads(trial.queued).items() for trial in study.all_trials() if trial.queued.startswith("{")]
        left = [config for config in settings.enqueue if not any(config.items() <= params for params in tried)]
        settings = replace(settings, enqueue=tuple(left))
    return settings


@contextmanager
def _found(folder: Path, storage: Any) -> Iterator[Study | None]:
    """Open the study that an earlier search made; None where there is none."""
    found = Study.find(folder, storage=storage if isinstance(storage, str) else None)
    if found is None:
        yield None
        return
    with found:
        yield found if found.attributes.made_by_search else None


def _stored(study: StudyAttributes) -> dict[str, Any]:
    """Return the settings that a resumed search takes from its study."""
    return {name: value for name, value in to_dict(stored_settings(study.settings or {})).items() if name not in OF_ONE_RUN}


def _changes(stored: Mapping[str, Any], settings: SearchSettings) -> str:
    """Say which settings of a study change."""
    now = to_dict(settings)
    changed = [_change(name, was, now[name]) for name, was in stored.items() if now[name] not in (was, AUTO)]
    return f"settings of the study, with {', '.join(changed)}" if changed else "settings of the study"


def _change(name: str, was: Any, now: Any) -> str:
    """Say how a setting changes; of rules in a mapping only which ones: what they change is said when the space is made."""
    if not isinstance(now, dict) or not isinstance(was, dict):
        return f"{name} {_brief(was)} → {_brief(now)}"
    return f"{name} {_brief([rule for rule in sorted({*was, *now}) if was.get(rule) != now.get(rule)])}"


def _brief(value: Any) -> str:
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        return "1 config" if len(value) == 1 else f"{len(value)} configs"
    text = (",".join(map(str, value)) or "none") if isinstance(value, list) else str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _with_profile(settings: SearchSettings, has_gpu: Callable[[], bool], before: str | None, note: str) -> tuple[SearchSettings, str]:
    """Choose the profile: the study's, else `full` where trials get a GPU, else `small`."""
    if before in PROFILES:
        return replace(settings, profile=before), note
    if settings.gpus != 0 and (settings.gpus or has_gpu()):
        return replace(settings, profile="full"), "profile full, since trials get a GPU (`--profile small`: narrow networks, short crops)"
    return replace(settings, profile="small"), "profile small, since trials get no GPU (`--profile full`: wide networks, whole records)"


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


def space_context(prepared: PreparedData, profile: str, max_epochs: int) -> SpaceContext:
    """Tell the spaces what they must know of the data: leads, and stored images."""
    return SpaceContext(profile, max_epochs, n_leads=len(prepared.leads), images=prepared.image_shape)


def make_space(settings: SearchSettings, prepared: PreparedData, study: Path) -> SearchSpace:
    """Build the search space, and check the queued configs against it.

    Raises:
        ConfigError: A rule or a queued config is not of this space.
    """
    context = space_context(prepared, settings.profile, settings.epochs)
    context = replace(context, rules=settings.rules, memory_gb=settings.memory_gb, version=settings.space_version)
    for name, known, lacking in (
        ("soft_labels", prepared.train.certainty, NO_CERTAINTY),
        ("distillation", prepared.train.taught, NO_TEACHERS),
        ("auxiliary", prepared.train.statements, NO_STATEMENTS),
    ):
        if known is None and any(rule and key.endswith(f".{name}") for key, rule in settings.rules.items()):
            raise ConfigError(lacking)
    if settings.fusion_from:
        source, storage = Path(settings.fusion_from), planned_storage(study, settings)
        context = replace(context, encoders=encoders_of(source, prepared, into=storage, own=source.resolve() == study.resolve()))
    return search_space(settings.families, context, queued=settings.enqueue)


def take_up_space(
    study: Study, folder: Path, settings: SearchSettings, prepared: PreparedData, space: SearchSpace, say: Callable[[str], None]
) -> None:
    """Set the trials aside that don't fit the space of today, and say what changed when it is new.

    Args:
        study: Whose attributes are today's.
        folder: Its folder, of which it may be a copy.
        say: Is given the lines for the user.
    """
    set_aside(study, space, settings.epochs)
    attributes = study.attributes
    if not attributes.earlier_spaces or attributes.space_since < len(study.all_trials()):
        return
    try:
        earlier = _earlier(settings, attributes.earlier_spaces[-1])
        before = parameters(make_space(earlier, prepared, folder).suggest)
    except ConfigError:  # of a package that is gone, say
        before = {name: range_ for trial in study.all_trials() for name, range_ in trial.distributions.items()}
    say(change_text(before, parameters(space.suggest)))
    say(fit_text(study.newest_trials()))


def _earlier(settings: SearchSettings, space: Mapping[str, Any]) -> SearchSettings:
    """Return settings with a space that the study was searched in before.

    Raises:
        ConfigError: It was changed by hand.
    """
    return replace(
        settings,
        families=tuple(space["families"]),
        training={},
        space=space.get("space", {}),
        space_version=space.get("space_version", 1),
        memory_gb=space.get("memory_gb", settings.memory_gb),
        enqueue=(),
    )


def _names(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, (str, list, tuple)) or not all(isinstance(name, str) for name in value):
        raise ConfigError(f"{where}: expected names, but got {value!r}")
    return split_commas(value) if isinstance(value, str) else tuple(value)
