"""The Optuna study, single source of truth of a search: create, open, check, read.

A study is a folder; `study.db` is SQLite and its name there is the folder's name. Attributes of a study: data_fingerprint,
data_path, split, leads, class_names, n_records, synthetic, metric, minimise, profile, families, max_epochs, rungs, scheduler,
sampler, seed, settings. Attributes of a trial: see `ecg_tune.search.book`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from ecg_tune.config import SearchSettings, to_dict
from ecg_tune.data.prepared import PreparedData
from ecg_tune.errors import StudyError
from ecg_tune.search.schedulers import SCHEDULERS

DATABASE = "study.db"
FIXED = ("data_fingerprint", "metric", "minimise", "families", "profile", "space", "memory_gb")
"""Attributes that a continued search must share with its study: its rows could not be compared otherwise."""

optuna.logging.set_verbosity(optuna.logging.WARNING)


def _storage(folder: Path) -> optuna.storages.RDBStorage:
    return optuna.storages.RDBStorage(f"sqlite:///{folder / DATABASE}", engine_kwargs={"connect_args": {"timeout": 60}})


def study_exists(folder: Path) -> bool:
    """Return whether `folder` holds a study."""
    return (folder / DATABASE).is_file()


def open_study(folder: Path) -> optuna.Study:
    """Open a study.

    Raises:
        StudyError: There is none, or its database can't be read.
    """
    if not study_exists(folder):
        raise StudyError(f"{folder} is not a study ({DATABASE} is missing): `ecg-tune search {folder} --data DATA` makes one")
    names = _names(folder)
    if not names:
        raise StudyError(f"{folder / DATABASE} is still empty: its search has just begun, or died in its first second; run it (again)")
    if len(names) > 1:
        raise StudyError(f"{folder / DATABASE} holds {len(names)} studies ({', '.join(names)}), one was expected")
    return optuna.load_study(study_name=names[0], storage=_storage(folder))


def _names(folder: Path) -> list[str]:
    try:
        return list(optuna.get_all_study_names(_storage(folder)))
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError, RuntimeError, sqlite3.DatabaseError) as error:
        raise StudyError(f"{folder / DATABASE} can't be read: {str(error).splitlines()[0]}") from error


def data_folder(study: optuna.Study, folder: Path) -> Path:
    """Return where the study's data lay when it was searched.

    Raises:
        StudyError: The study does not say: it was not made by `ecg-tune search`, or died in its first second.
    """
    if "settings" not in study.user_attrs:
        raise StudyError(
            f"{folder} was not made by `ecg-tune search`, or died in its first second: it does not say what it was searched on"
        )
    return Path(study.user_attrs["data_path"])


def create_study(folder: Path, attributes: Mapping[str, Any]) -> optuna.Study:
    """Make a study, or open the one that is there and check that it fits.

    Raises:
        StudyError: The folder's study was made with other data, metric, families, profile or epochs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if study_exists(folder) and _names(folder):
        study = open_study(folder)
        _check_fits(study, attributes, folder)
    else:
        _make_database(folder, n_costs=len(attributes["minimise"]))
        study = open_study(folder)
    for name, value in attributes.items():
        study.set_user_attr(name, value)
    return study


def _make_database(folder: Path, *, n_costs: int) -> None:
    """Make a study's database under another name and rename it: who looks at the folder meanwhile sees none or a whole one."""
    scratch = folder / f".{DATABASE}.part"
    scratch.unlink(missing_ok=True)
    storage = optuna.storages.RDBStorage(f"sqlite:///{scratch}")
    directions = [StudyDirection.MAXIMIZE, *[StudyDirection.MINIMIZE] * n_costs]
    optuna.create_study(storage=storage, study_name=folder.resolve().name, directions=directions)
    storage.engine.dispose()
    scratch.replace(folder / DATABASE)


def _check_fits(study: optuna.Study, attributes: Mapping[str, Any], folder: Path) -> None:
    if "settings" not in study.user_attrs and study.get_trials(deepcopy=False):
        raise StudyError(f"{folder} holds a study that was not made by `ecg-tune search`: give another folder")
    for name in FIXED:
        old, new = study.user_attrs.get(name, attributes[name]), attributes[name]
        if old != new:
            shown = [str(v)[:12] if name == "data_fingerprint" else v for v in (old, new)]
            raise StudyError(
                f"{folder} was searched with {name}={shown[0]!r}, this is {shown[1]!r}: give it the same, or start another study"
            )
    longest = study.user_attrs.get("max_epochs", attributes["max_epochs"])
    if longest > attributes["max_epochs"]:
        raise StudyError(
            f"{folder} was searched with max_epochs={longest}, this is {attributes['max_epochs']}: trials can be lengthened, "
            "not shortened; give as many or more, or start another study"
        )


def study_attributes(data: PreparedData, settings: SearchSettings) -> dict[str, Any]:
    """Return what a study says about its data and settings."""
    return {
        "data_fingerprint": data.fingerprint,
        "data_path": str(data.folder.resolve()),
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
    }


def newest_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the rows that count, by number: a lengthened trial's older row is left out.

    That a row goes on with an older one is written into the new row when it is made, so that both never count; the older
    one's `superseded_by` is for other readers of the file.
    """
    rows = study.get_trials(deepcopy=False)
    older = {row.user_attrs["continued_from"] for row in rows if "continued_from" in row.user_attrs}
    return [row for row in rows if row.number not in older and "superseded_by" not in row.user_attrs]


def best_trials(study: optuna.Study, k: int | None = None) -> list[FrozenTrial]:
    """Return the COMPLETE rows, highest value of the metric first, ties by number; at most `k` of them."""
    complete = [trial for trial in newest_trials(study) if trial.state == TrialState.COMPLETE]
    return sorted(complete, key=lambda trial: (-objective(trial), trial.number))[:k]


def objective(trial: FrozenTrial) -> float:
    """Return a COMPLETE row's value of the metric: the only objective, or the first of several."""
    return float(trial.values[0])


def pareto_front(study: optuna.Study) -> list[FrozenTrial]:
    """Return the COMPLETE rows that no other one dominates, best value of the metric first.

    Optuna's `best_trials` would count the older rows of lengthened trials too.
    """
    signs = [1.0 if direction == StudyDirection.MAXIMIZE else -1.0 for direction in study.directions]

    def dominated(row: FrozenTrial, by: FrozenTrial) -> bool:
        gains = [sign * (theirs - mine) for sign, mine, theirs in zip(signs, row.values, by.values, strict=True)]
        return bool(min(gains) >= 0 and max(gains) > 0)

    complete = best_trials(study)
    return [row for row in complete if not any(dominated(row, other) for other in complete)]


def set_attrs(study: optuna.Study, number: int, attributes: Mapping[str, Any]) -> None:
    """Set attributes of a row, all in one transaction: Optuna would make one of each, and a transaction waits for the disk.

    Finished rows too, which Optuna itself refuses to touch. A study in memory has no transactions, and its finished rows stay.
    """
    storage = getattr(study._storage, "_backend", study._storage)
    trial_id = row_id(study, number)
    if not isinstance(storage, optuna.storages.RDBStorage):
        if not get_row(study, number).state.is_finished():
            for name, value in attributes.items():
                storage.set_trial_user_attr(trial_id, name, value)
        return
    rows = [{"trial_id": trial_id, "key": name, "value_json": json.dumps(value)} for name, value in attributes.items()]
    with storage.engine.begin() as connection:
        connection.execute(text("DELETE FROM trial_user_attributes WHERE trial_id = :trial_id AND key = :key"), rows)
        connection.execute(
            text("INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES (:trial_id, :key, :value_json)"), rows
        )


def get_row(study: optuna.Study, number: int) -> FrozenTrial:
    """Return a row as it stands."""
    return study._storage.get_trial(row_id(study, number))


def row_id(study: optuna.Study, number: int) -> int:
    """Return what the storage calls a row."""
    return study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)


def last_failure(study: optuna.Study) -> str:
    """Return the last FAIL row's number, reason and last line of its text; "" when there is none."""
    failed = [trial for trial in newest_trials(study) if trial.state == TrialState.FAIL]
    if not failed:
        return ""
    attrs = failed[-1].user_attrs
    text = str(attrs.get("failure", "")).strip().splitlines()
    return f"trial {failed[-1].number} failed ({attrs.get('fail_reason')}): {text[-1] if text else ''}"


def count_states(study: optuna.Study) -> dict[str, int]:
    """Return how many rows that count are in each state."""
    states = [trial.state for trial in newest_trials(study)]
    return {state.name: states.count(state) for state in TrialState}
