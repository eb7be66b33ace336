"""Where a study keeps its checkpoints: in its own folder, or below a place of its own (`--checkpoints`) in a folder of its name.

In the study's folder they move with it. A place of its own stands in the study's attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ecg_tune.config import SearchSettings
from ecg_tune.errors import StudyError, UsageError
from ecg_tune.storage import LocalStorage, Storage, open_storage
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.database import database_of, find_study
from ecg_tune.study.database_faults import damage_said
from ecg_tune.study.schema import read_study

CHECKPOINTS = "checkpoints"
PROBE = "checkpoints_can_be_written"


def trial_path(number: int) -> str:
    """Name the folder of a trial's checkpoints, relative to where its study keeps them."""
    return f"{CHECKPOINTS}/trial_{number:05d}"


def checkpoint_storage(attributes: StudyAttributes, name: str, folder: Path) -> Storage:
    """Return the storage that the paths of a study's checkpoints are relative to.

    Args:
        name: The study's, in its database.
        folder: The study's.
    """
    return open_storage(attributes.checkpoints).child(name) if attributes.checkpoints else LocalStorage(folder.resolve())


def planned_storage(folder: Path, settings: SearchSettings) -> Storage:
    """Return the same for a search that has not begun: what its settings say, else what its study says, else its folder."""
    return _planned(*_present(folder, settings), folder, settings)


def check_checkpoints(folder: Path, settings: SearchSettings, say: Callable[[str], None]) -> None:
    """Refuse, before a search begins, a storage for checkpoints that it can't use.

    Args:
        say: Is told when the study's checkpoints lie elsewhere so far.

    Raises:
        UsageError: Nothing can be written there from here.
        StudyError: It holds another study's checkpoints.
    """
    name, attributes = _present(folder, settings)
    storage = _planned(name, attributes, folder, settings)
    if str(storage) == str(LocalStorage(folder.resolve())):
        return
    before = None if attributes is None else checkpoint_storage(attributes, name, folder)
    if before is not None and str(before) != str(storage):
        say(f"checkpoints go to {storage}; so far they went to {before}: without a copy of them open trials begin anew")
    try:
        strangers = storage.names(CHECKPOINTS) if before is None else []
        storage.write(PROBE, lambda file: file.write(b"ecg-tune"))
        storage.remove(PROBE)
    except OSError as error:
        local = isinstance(storage, LocalStorage)
        keys = "" if local else " and that AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws, may write there"
        reason = error.strerror if local and error.strerror else " ".join(str(error).split())
        raise UsageError(f"checkpoints can't be written to {storage}: {reason}: check that it exists{keys}") from error
    if strangers:
        raise StudyError(f"{storage} holds checkpoints of another study of this name: remove them, or give another --checkpoints or STUDY")


def _present(folder: Path, settings: SearchSettings) -> tuple[str, StudyAttributes | None]:
    """Return the name of the study that a search would continue, and what it says; the folder's name and None for a new one."""
    url = database_of(folder, settings.storage)
    study = find_study(folder, url)
    with damage_said(url):
        return (folder.resolve().name, None) if study is None else (study.study_name, read_study(study))


def _planned(name: str, attributes: StudyAttributes | None, folder: Path, settings: SearchSettings) -> Storage:
    if settings.checkpoints:
        return open_storage(settings.checkpoints).child(name)
    return LocalStorage(folder.resolve()) if attributes is None else checkpoint_storage(attributes, name, folder)
