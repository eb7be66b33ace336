"""Checkpoints: where a search keeps them, and bounded across trials: those of unfinished trials, and of each family's `TOP` best.

A kept checkpoint holds the whole state of its training: the best epoch's weights for a fusion to start from, and the last
epoch's for a lengthened trial to go on from. Below a place of its own (`--checkpoints`, the study's attribute of that name) a
study has a folder of its name; else they lie in the study's folder, wherever that is moved.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from ecg_tune.config import SearchSettings
from ecg_tune.errors import StudyError, UsageError
from ecg_tune.search.resume import CHECKPOINTS
from ecg_tune.search.stopping.budget import ENDS
from ecg_tune.storage import LocalStorage, Storage, open_storage
from ecg_tune.study.database import database_of
from ecg_tune.study.study import find_study, newest_trials, objective

TOP = 3
PROBE = "checkpoints_can_be_written"


def place_of(study: optuna.Study, folder: Path) -> Storage:
    """Return the place to which the paths of a study's checkpoints are relative.

    Args:
        folder: The study's.
    """
    where = study.user_attrs.get("checkpoints")
    return open_storage(where).child(study.study_name) if where else LocalStorage(folder.resolve())


def place_for(folder: Path, settings: SearchSettings) -> Storage:
    """Return the same for a search that has not begun: where its settings say, else where its study says."""
    return _place(find_study(folder, database_of(folder, settings.storage)), folder, settings)


def check_place(folder: Path, settings: SearchSettings, say: Callable[[str], None]) -> None:
    """Refuse, before a search begins, a place for checkpoints that it can't use.

    Args:
        say: Is told when the study's checkpoints lie elsewhere so far.

    Raises:
        UsageError: Nothing can be written there from here.
        StudyError: It holds another study's checkpoints.
    """
    study = find_study(folder, database_of(folder, settings.storage))
    place = _place(study, folder, settings)
    if str(place) == str(LocalStorage(folder.resolve())):
        return
    if study is not None and str(place_of(study, folder)) != str(place):
        say(f"checkpoints go to {place}; so far they went to {place_of(study, folder)}: without a copy of them open trials begin anew")
    try:
        strangers = place.names(CHECKPOINTS) if study is None else []
        place.write(PROBE, lambda file: file.write(b"ecg-tune"))
        place.remove(PROBE)
    except OSError as error:
        keys = (
            "" if isinstance(place, LocalStorage) else " and that AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws, may write there"
        )
        reason = error.strerror if isinstance(place, LocalStorage) and error.strerror else " ".join(str(error).split())
        raise UsageError(f"checkpoints can't be written to {place}: {reason}: check that it exists{keys}") from error
    if strangers:
        raise StudyError(f"{place} holds checkpoints of another study of this name: remove them, or give another --checkpoints or STUDY")


def _place(study: optuna.Study | None, folder: Path, settings: SearchSettings) -> Storage:
    if settings.checkpoints:
        return open_storage(settings.checkpoints).child(study.study_name if study else folder.resolve().name)
    return place_of(study, folder) if study else LocalStorage(folder.resolve())


class CheckpointRetention:
    """Removes what can't matter any more, as soon as a trial ends.

    Attributes:
        kept: Family → its best rows, best first.
    """

    def __init__(self, study: optuna.Study, folder: Path) -> None:
        self.place = place_of(study, folder)
        self.kept: dict[str, list[FrozenTrial]] = defaultdict(list)
        rows = newest_trials(study)
        used = {row.user_attrs.get("path") for row in rows}
        lengthened_anew = {row.user_attrs.get("path") for row in study.get_trials(deepcopy=False)} - used
        gone = lengthened_anew | {path for row in rows for path in self._without_use(row)}
        for name in self._there():
            if f"{CHECKPOINTS}/{name}" in gone:
                self._remove(f"{CHECKPOINTS}/{name}")

    def ended(self, row: FrozenTrial) -> None:
        """Take in a finished row: remove its checkpoints or those of the one that it displaces.

        Rows that run, or wait for more budget, are left alone.
        """
        for path in self._without_use(row):
            self._remove(path)

    def _without_use(self, row: FrozenTrial) -> list[str]:
        """Take in a row and return the paths that matter no more."""
        if not row.state.is_finished() or "path" not in row.user_attrs:
            return []
        if row.state != TrialState.COMPLETE:
            return [] if row.user_attrs.get("ended_by") in ENDS else [str(row.user_attrs["path"])]
        best = self.kept[str(row.user_attrs.get("family"))]
        best.append(row)
        best.sort(key=lambda r: (-objective(r), r.number))
        displaced = [str(r.user_attrs["path"]) for r in best[TOP:]]
        del best[TOP:]
        return displaced

    def _there(self) -> list[str]:
        with suppress(OSError):  # it is looked for again when the search goes on the next time
            return self.place.names(CHECKPOINTS)
        return []

    def _remove(self, path: str) -> None:
        with suppress(OSError):  # as above: a search does not end because something too much is kept
            self.place.remove(path)
