"""Make a study, or continue the one that is there if it fits."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.study import StudyDirection
from sqlalchemy.engine import URL

from ecg_tune.errors import StudyError, UsageError
from ecg_tune.study.attributes import SPACE, StudyAttributes
from ecg_tune.study.database import ADDRESS, DATABASE, find_study, open_database, open_study, remember
from ecg_tune.study.extensions import may_end_at
from ecg_tune.study.lock import LOCK, Held
from ecg_tune.study.schema import read_study, read_trial, study_attributes, write_study
from ecg_tune.study.server_url import on_server

FIXED = ("data_fingerprint", "metric", "minimise", "profile")
"""Attributes that a continued search must share with its study: its trials could not be compared otherwise."""


def create_study(folder: Path, attributes: StudyAttributes, url: URL) -> optuna.Study:
    """Make a study, or open the one that is there and check that it fits.

    Args:
        url: Of its database. The folder remembers a server's; a study of the folder's name that it holds already is continued.

    Raises:
        StudyError: The study was made with other data, metric, profile or epochs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if on_server(url):
        open_database(url, create=True)
    study = find_study(folder, url)
    if study is not None:
        _check_fits(study, attributes, folder)
        attributes = with_earlier_spaces(read_study(study), attributes, len(study.get_trials(deepcopy=False)))
    else:
        directions = [StudyDirection.MAXIMIZE, *[StudyDirection.MINIMIZE] * len(attributes.minimise)]
        study = _made_on_server(folder, url, directions) if on_server(url) else _made_in_file(folder, directions)
    write_study(study, attributes)
    if on_server(url):
        remember(folder, url)
    return study


def _made_in_file(folder: Path, directions: list[StudyDirection]) -> optuna.Study:
    """Make a study's database under another name and rename it: who looks at the folder meanwhile sees none or a whole one."""
    scratch, name = folder / f".{DATABASE}.part", folder.resolve().name
    scratch.unlink(missing_ok=True)
    storage = open_database(URL.create("sqlite", database=str(scratch)), create=True)
    optuna.create_study(storage=storage, study_name=name, directions=directions)
    storage.engine.dispose()
    scratch.replace(folder / DATABASE)
    return open_study(folder)


def _made_on_server(folder: Path, url: URL, directions: list[StudyDirection]) -> optuna.Study:
    return optuna.create_study(storage=open_database(url), study_name=folder.resolve().name, directions=directions)


def _check_fits(study: optuna.Study, attributes: StudyAttributes, folder: Path) -> None:
    empty = not study.get_trials(deepcopy=False)  # stopped before its first trial: nothing has to be compared yet
    before = read_study(study)
    if not before.made_by_search and not empty:
        raise StudyError(f"{folder} holds a study that was not made by `ecg-tune search`: give another folder")
    if found := misfits(before, attributes, ("minimise",) if empty else FIXED):
        name, was, now = found[0]
        raise StudyError(f"{folder} was searched with {name}={was!r}, this is {now!r}: give it the same, or start another study")
    longest, wanted = before.max_epochs or 0, attributes.max_epochs or 0
    if longest > wanted and not empty and not may_end_at([read_trial(frozen) for frozen in study.get_trials(deepcopy=False)], wanted):
        raise StudyError(
            f"{folder} was searched with max_epochs={longest}, this is {wanted}: trials can be extended, "
            "not shortened; give as many or more, or start another study"
        )


def with_earlier_spaces(before: StudyAttributes, now: StudyAttributes, n_trials: int) -> StudyAttributes:
    """Add to a study's new facts the space that it leaves, if its trials were suggested from another one than this.

    Args:
        before: What the study says of itself.
        n_trials: All trials that it has.
    """
    earlier = before.earlier_spaces or ()
    if n_trials > before.space_since and misfits(before, now, SPACE):  # a space without trials of its own is not worth a mention
        old = study_attributes(before)
        earlier = (*earlier, {"trials": n_trials, **{name: old[name] for name in SPACE if name in old}})
    return dataclasses.replace(now, earlier_spaces=earlier or None)


def misfits(before: StudyAttributes, now: StudyAttributes, names: Sequence[str] = FIXED) -> list[tuple[str, Any, Any]]:
    """Return the attributes in which a continued search differs from its study, as (name, before, now)."""
    old, new = study_attributes(before), study_attributes(now)
    different = [name for name in names if old.get(name, new.get(name)) != new.get(name)]
    return [(name, _short(name, old[name]), _short(name, new.get(name))) for name in different]


def _short(name: str, value: Any) -> Any:
    """Shorten a fingerprint, which nobody reads to its end."""
    return str(value)[:12] if name == "data_fingerprint" else value


def take_back(folder: Path, url: URL, locked: Held, new_folder: bool, kind: type[BaseException] | None, *_: object) -> None:
    """Remove a study that was just made when its command was refused before the first trial; called while it is locked."""
    if kind is None or not issubclass(kind, UsageError) or not locked.still():
        return
    study = find_study(folder, url)
    if study is not None and study.get_trials(deepcopy=False):
        return
    if study is not None and on_server(url):
        optuna.delete_study(study_name=study.study_name, storage=study._storage)
    for name in (DATABASE, ADDRESS, *([LOCK] if new_folder else [])):
        (folder / name).unlink(missing_ok=True)
    if new_folder and not any(folder.iterdir()):
        folder.rmdir()
