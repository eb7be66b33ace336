"""A study is made, or gone on with if it fits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.study import StudyDirection
from sqlalchemy.engine import URL

from ecg_tune.config import SearchSettings, to_dict
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.errors import StudyError
from ecg_tune.search.stopping.schedulers import SCHEDULERS
from ecg_tune.storage import open_storage
from ecg_tune.study.database import DATABASE, database_of, on_server, open_database, remember
from ecg_tune.study.study import find_study, open_study

FIXED = ("data_fingerprint", "metric", "minimise", "families", "profile", "space", "memory_gb")
"""Attributes that a continued search must share with its study: its rows could not be compared otherwise."""


def create_study(folder: Path, attributes: Mapping[str, Any], url: URL | None = None) -> optuna.Study:
    """Make a study, or open the one that is there and check that it fits.

    Args:
        url: Of its database, where the folder does not tell it yet. It is remembered there, and a study of the folder's name
            that this database holds already is gone on with.

    Raises:
        StudyError: The study was made with other data, metric, families, profile or epochs.
    """
    url = url or database_of(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if on_server(url):
        open_database(url, create=True)
    study = find_study(folder, url)
    if study is not None:
        _check_fits(study, attributes, folder)
    else:
        directions = [StudyDirection.MAXIMIZE, *[StudyDirection.MINIMIZE] * len(attributes["minimise"])]
        study = _made_on_server(folder, url, directions) if on_server(url) else _made_in_file(folder, directions)
    for name, value in attributes.items():
        study.set_user_attr(name, value)
    if on_server(url):
        remember(folder, url)
    return study


def _made_in_file(folder: Path, directions: list[StudyDirection]) -> optuna.Study:
    """Make a study's database under another name and rename it: who looks at the folder meanwhile sees none or a whole one."""
    scratch, name = folder / f".{DATABASE}.part", folder.resolve().name
    scratch.unlink(missing_ok=True)
    storage = open_database(URL.create("sqlite", database=str(scratch)))
    optuna.create_study(storage=storage, study_name=name, directions=directions)
    storage.engine.dispose()
    scratch.replace(folder / DATABASE)
    return open_study(folder)


def _made_on_server(folder: Path, url: URL, directions: list[StudyDirection]) -> optuna.Study:
    return optuna.create_study(storage=open_database(url), study_name=folder.resolve().name, directions=directions)


def _check_fits(study: optuna.Study, attributes: Mapping[str, Any], folder: Path) -> None:
    empty = not study.get_trials(deepcopy=False)  # stopped before its first trial: nothing has to be compared yet
    if "settings" not in study.user_attrs and not empty:
        raise StudyError(f"{folder} holds a study that was not made by `ecg-tune search`: give another folder")
    for name in ("minimise",) if empty else FIXED:
        old, new = study.user_attrs.get(name, attributes[name]), attributes[name]
        if old != new:
            shown = [str(v)[:12] if name == "data_fingerprint" else v for v in (old, new)]
            raise StudyError(
                f"{folder} was searched with {name}={shown[0]!r}, this is {shown[1]!r}: give it the same, or start another study"
            )
    longest = study.user_attrs.get("max_epochs", attributes["max_epochs"])
    if longest > attributes["max_epochs"] and not empty:
        raise StudyError(
            f"{folder} was searched with max_epochs={longest}, this is {attributes['max_epochs']}: trials can be lengthened, "
            "not shortened; give as many or more, or start another study"
        )


def study_attributes(data: PreparedData, settings: SearchSettings) -> dict[str, Any]:
    """Return what a study says about its data and settings."""
    return {
        "data_fingerprint": data.fingerprint,
        "data_path": data.location,
        "split": data.manifest["split"],
        "leads": list(data.leads),
        "class_names": list(data.class_names),
        "n_records": {"train": len(data.train), "validation": len(data.validation)},
        "synthetic": data.synthetic,
        "metric": settings.metric,
        "minimise": list(settings.minimise),
        "profile": settings.profile,
        "families": list(settings.families),
        "max_epochs": settings.epochs,
        "space": dict(settings.space),
        "memory_gb": settings.memory_gb,
        "rungs": list(SCHEDULERS[settings.scheduler](settings).marks),
        "scheduler": settings.scheduler,
        "sampler": settings.sampler,
        "seed": settings.seed,
        "settings": to_dict(settings),
        **({"checkpoints": str(open_storage(settings.checkpoints))} if settings.checkpoints else {}),
    }
