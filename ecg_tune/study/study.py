"""A study: the trials of a search, what it says of itself, its lock and its checkpoints.

A study is a folder. Its trials are in an Optuna study, the single source of truth: in `STUDY/study.db`, or in a PostgreSQL
database that `STUDY/study.url` names, under the folder's name (`ecg_tune.study.database`). Nothing is kept here that is not there.

Example:
    >>> with Study.open(Path("STUDY")) as study:
    ...     best = study.best(1)[0]
    ...     print(best.number, best.value, best.config)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState

from ecg_tune.errors import StudyError
from ecg_tune.storage import Storage
from ecg_tune.study import create, database, lock
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.checkpoints import checkpoint_storage
from ecg_tune.study.ranking import best_of, pareto_front
from ecg_tune.study.schema import frozen_trial, read_study, read_trial, trial_attributes
from ecg_tune.study.transactions import add_trial, write_trial
from ecg_tune.study.transactions import database as database_of
from ecg_tune.study.trial import State, Trial

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Study:
    """A study that is open. Use it as a context manager: its end closes the database and lets go of the lock.

    Attributes:
        folder: Where it lies; a study in memory has none.
        optuna: The Optuna study beneath, for samplers and for what Optuna itself offers.
    """

    def __init__(self, optuna_study: optuna.Study, folder: Path | None = None) -> None:
        self.optuna, self.folder = optuna_study, folder
        self._held = ExitStack()

    @classmethod
    def exists(cls, folder: Path) -> bool:
        """Return whether a folder holds a study, or says where it is."""
        return database.study_exists(folder)

    @classmethod
    def open(cls, folder: Path | str, *, read_only: bool = False) -> Study:
        """Open a study that is there; `read_only` makes nothing and does not wait long for who writes.

        Raises:
            StudyError: There is none, its database can't be read, or a newer version wrote it.
        """
        folder = Path(folder)
        return cls(database.open_study(folder, read_only=read_only), folder)._checked()

    @classmethod
    def find(cls, folder: Path, *, storage: str | None = None) -> Study | None:
        """Open a study if it is there.

        Args:
            storage: URL of the database that the user gave, for a folder that does not name one yet.
        """
        found = database.find_study(folder, database.database_of(folder, storage))
        return None if found is None else cls(found, folder)._checked()

    @classmethod
    def create(cls, folder: Path, attributes: StudyAttributes, *, storage: str | None = None) -> Study:
        """Make a study, or open the one that is there and check that it fits. Nothing keeps other searches off it.

        Args:
            storage: URL of a PostgreSQL database, which the folder remembers; None takes a file in the folder.

        Raises:
            StudyError: The study that is there was searched with other data, metric, families, profile or space, or more epochs.
        """
        url = database.database_of(folder, storage)
        return cls(create.create_study(folder, attributes, url), folder)._checked()

    @classmethod
    def open_or_create(cls, folder: Path, attributes: StudyAttributes, *, storage: str | None = None) -> Study:
        """Do what `create` does, and keep other searches off the study until it is closed.

        Raises:
            StudyError: Also when another search is running on it.
        """
        url = database.database_of(folder, storage)
        with ExitStack() as held:
            guard = held.enter_context(lock.lock_study(folder, url))
            study = cls(guard(create.create_study(folder, attributes, url)), folder)._checked()
            study._held = held.pop_all()
        return study

    @classmethod
    def in_memory(cls, source: Study | None = None, *, n_minimised: int = 0) -> Study:
        """Make a study that lies nowhere, for previews.

        Args:
            source: Its trials are copied.
            n_minimised: Objectives beside the metric.
        """
        directions = [StudyDirection.MAXIMIZE, *[StudyDirection.MINIMIZE] * n_minimised]
        study = cls(optuna.create_study(directions=directions))
        study.optuna.add_trials([] if source is None else source.optuna.get_trials(deepcopy=False))
        return study

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        """Close it. An error that came of a lost lock is said as that."""
        self._dispose()
        return self._held.__exit__(kind, error, trace)

    def close(self) -> None:
        """Let go of the lock and close the connections. A study that is closed may still be read: it opens them again."""
        self._dispose()
        self._held.close()

    @property
    def name(self) -> str:
        """Its name in its database: the folder's, when it was made."""
        return self.optuna.study_name

    @property
    def directions(self) -> tuple[str, ...]:
        """ "maximize" or "minimize", one an objective; the first is the metric's."""
        return tuple(direction.name.lower() for direction in self.optuna.directions)

    @property
    def attributes(self) -> StudyAttributes:
        """What it says of itself now, read anew.

        Raises:
            StudyError: A newer version wrote it.
        """
        return read_study(self.optuna)

    @property
    def checkpoints(self) -> Storage:
        """Where `Trial.path` begins."""
        assert self.folder is not None, "a study in memory keeps no checkpoints"
        return checkpoint_storage(self.attributes, self.name, self.folder)

    @property
    def search_running(self) -> bool:
        """Whether a search holds it right now, on any machine."""
        return self.folder is not None and lock.search_runs(self.folder)

    @property
    def data_path(self) -> str:
        """Where its data lay when it was searched: a folder, or s3://BUCKET/PREFIX.

        Raises:
            StudyError: It does not say.
        """
        attributes = self.attributes
        if not attributes.made_by_search:
            raise StudyError(
                f"{self.folder} was not made by `ecg-tune search`, or died in its first second: it does not say what it was searched on"
            )
        return str(attributes.data_path)

    def trials(self) -> list[Trial]:
        """Return the trials that count, by number: of a trial that was extended only the newest.

        The newer one says so from its first moment, so that both never count.
        """
        everything = self.all_trials()
        extended = {trial.continued_from for trial in everything}
        return [trial for trial in everything if trial.number not in extended and trial.superseded_by is None]

    def all_trials(self) -> list[Trial]:
        """Return every trial that the database holds, by number."""
        return [read_trial(frozen) for frozen in self.optuna.get_trials(deepcopy=False)]

    def trial(self, number: int) -> Trial:
        """Return one trial as it is now.

        Raises:
            KeyError: There is none of this number.
        """
        storage = self.optuna._storage
        return read_trial(storage.get_trial(storage.get_trial_id_from_study_id_trial_number(self.optuna._study_id, number)))

    def best(self, k: int | None = None) -> list[Trial]:
        """Return the COMPLETE trials, highest value of the metric first, ties by number; at most `k` of them."""
        return best_of(self.trials())[:k]

    def pareto(self) -> list[Trial]:
        """Return the COMPLETE trials that no other one dominates, highest value of the metric first."""
        return pareto_front(self.trials(), self.directions)

    def last_failure(self) -> str:
        """Say which trial failed last, and why; "" when none did."""
        return next((trial.failure_line for trial in reversed(self.trials()) if trial.state == "FAIL"), "")

    def add(self, trial: Trial) -> Trial:
        """Add a trial, whole or not at all, and return it with its number. One that is not finished begins now.

        Raises:
            ValueError: A parameter is outside of what it was sampled from.
        """
        frozen = frozen_trial(trial)
        if not trial.finished:
            return read_trial(add_trial(self.optuna, frozen))
        self.optuna.add_trial(frozen)
        return self.trial(len(self.optuna.get_trials(deepcopy=False)) - 1)

    def record(self, trial: Trial, *, epochs: Mapping[int, float] = {}, **changes: Any) -> Trial:
        """Write values of epochs and changed fields of a trial, finished or not, and return it as it is then.

        Args:
            epochs: Metric by epoch, from 1.
            **changes: Fields of `Trial` that Optuna does not keep itself.
        """
        write_trial(self.optuna, trial.id, trial_attributes(changes), epochs=epochs)
        return dataclasses.replace(trial, intermediate={**trial.intermediate, **epochs}, **changes)

    def finish(self, trial: Trial, state: State, values: Sequence[float] = (), **changes: Any) -> Trial:
        """Close a trial with its last facts, and return it as it is then.

        Args:
            values: Of the objectives, when it is COMPLETE. A PRUNED trial has its last epoch's, as with Optuna's `tell`.

        Raises:
            optuna.exceptions.UpdateFinishedTrialError: It has another end already.
        """
        stored, end = list(values), datetime.now()
        if state == "PRUNED" and trial.intermediate and len(self.optuna.directions) == 1:
            stored = [trial.intermediate[trial.last_epoch]]
        write_trial(self.optuna, trial.id, trial_attributes(changes), state=TrialState[state], values=stored, end=end)
        return dataclasses.replace(trial, state=state, values=tuple(values), end=end, **changes)

    def _checked(self) -> Study:
        read_study(self.optuna)
        return self

    def _dispose(self) -> None:
        if (storage := database_of(self.optuna)) is not None:
            storage.engine.dispose()
