"""A study: the trials of a search, what it says of itself, its lock and its checkpoints.

A study is a folder. Its trials are in an Optuna study, the single source of truth: in `STUDY/study.db`, or in a PostgreSQL
database that `STUDY/study.url` names, under the folder's name (`ecg_tune.study.database`). Nothing is kept here that is not there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState

from ecg_tune.errors import StudyError
from ecg_tune.folder_kinds import is_study
from ecg_tune.storage import Storage
from ecg_tune.study import create, database, database_faults, lock
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.checkpoints import checkpoint_storage
from ecg_tune.study.clock import StudyClock
from ecg_tune.study.extensions import counting, newest
from ecg_tune.study.ranking import best_of, pareto_front
from ecg_tune.study.rereading import KnownTrials, TrialReader
from ecg_tune.study.schema import check_values, frozen_trial, read_study, read_trial, trial_attributes
from ecg_tune.study.transactions import add_trial, write_trial
from ecg_tune.study.transactions import database as database_of
from ecg_tune.study.trial import State, Trial

if TYPE_CHECKING:
    import pandas as pd

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Study:
    """A study that is open. Use it as a context manager: its end closes the database and lets go of the lock.

    Attributes:
        folder: Where it lies; none of a study in memory.
        optuna: The Optuna study beneath, for samplers and for what Optuna itself offers.
    """

    def __init__(self, optuna_study: optuna.Study, folder: Path | None = None, reader: TrialReader | None = None) -> None:
        self.optuna, self.folder, self._reader, self._held = optuna_study, folder, reader or TrialReader(), ExitStack()
        self._clock = StudyClock(self.all_trials)

    exists = staticmethod(is_study)

    @classmethod
    def open(cls, folder: Path | str, *, read_only: bool = False, storage: str | None = None, known: KnownTrials | None = None) -> Study:
        """Open a study that is there.

        Args:
            read_only: Make nothing, and don't wait long for who writes.
            storage: URL of its database on a server, which the user knows from then on.
            known: Its trials when it was last opened with this object; only what changed since is read.

        Raises:
            StudyError: There is none, its database can't be read, or a newer version wrote it.
            UnknownServerError: The folder names a server that the user has not named yet.
        """
        folder = Path(folder)
        with database_faults.damage_said(database.database_of(folder, storage)):
            found = database.open_study(folder, read_only=read_only)
            with nullcontext(TrialReader()) if known is None else known.given_to(found) as reader:
                return cls(found, folder, reader)._checked()

    @classmethod
    def find(cls, folder: Path, *, storage: str | None = None) -> Study | None:
        """Open a study if it is there.

        Args:
            storage: URL of the database that the user gave, for a folder that does not name one yet.
        """
        url = database.database_of(folder, storage)
        with database_faults.damage_said(url):
            found = database.find_study(folder, url)
            return None if found is None else cls(found, folder)._checked()

    @classmethod
    def create(cls, folder: Path, attributes: StudyAttributes, *, storage: str | None = None) -> Study:
        """Make a study, or open the one that is there and check that it fits. Nothing keeps other searches off it.

        Args:
            storage: URL of a PostgreSQL database, which the folder remembers; None takes a file in the folder.

        Raises:
            StudyError: The study that is there was searched with other data, metric or profile, or more epochs.
        """
        url = database.database_of(folder, storage)
        cls._there(folder, storage)  # what is damaged is not written to
        with database_faults.damage_said(url):
            return cls(create.create_study(folder, attributes, url), folder)

    @classmethod
    def open_or_create(cls, folder: Path, attributes: StudyAttributes, *, storage: str | None = None) -> Study:
        """Do what `create` does, and keep other searches off the study until it is closed.

        As a context manager it takes a new study without trials away again when the block is refused by a `UsageError`.

        Raises:
            StudyError: Also when another search is running on it.
        """
        url, new_folder = database.database_of(folder, storage), not folder.exists()
        with ExitStack() as held:
            locked = held.enter_context(lock.lock_study(folder, url))
            if not cls._there(folder, storage):
                held.push(partial(create.take_back, folder, url, locked, new_folder))
            study = cls(locked.guard(create.create_study(folder, attributes, url)), folder)
            study._held = held.pop_all()
        return study

    @classmethod
    def _there(cls, folder: Path, storage: str | None) -> bool:
        """Return whether there is a study, and refuse a damaged one; the connection is closed again."""
        found = cls.find(folder, storage=storage)
        if found is not None:
            found.close()
        return found is not None

    @classmethod
    def in_memory(cls, source: Study | None = None, *, n_minimised: int = 0) -> Study:
        """Make a study that lies nowhere, for previews.

        Args:
            source: Its trials are copied.
            n_minimised: Objectives beside the metric.
        """
        study = cls(optuna.create_study(directions=[StudyDirection.MAXIMIZE, *[StudyDirection.MINIMIZE] * n_minimised]))
        study.optuna.add_trials([] if source is None else source.optuna.get_trials(deepcopy=False))
        return study

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        self._dispose()  # an error that came of a lost lock is said as that
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
        if not self.attributes.made_by_search:
            raise StudyError(f"{self.folder} was not made by `ecg-tune search`, or died in its first second: it does not say on which data")
        return str(self.attributes.data_path)

    def trials(self) -> list[Trial]:
        """Return the trials that count, by number; one that is extended counts until the trial that extends it has finished."""
        return counting(self.all_trials())

    def trials_dataframe(self) -> pd.DataFrame:
        """Return the trials that count as a table: number, family, state, values, epochs, …, then the parameters (`params_…`)."""
        from ecg_tune.study.trial_table import trial_table  # pandas takes half a second, and no command needs it here

        return trial_table(self.trials())

    def newest_trials(self) -> list[Trial]:
        """Return each trial once, by number: of one that is extended the newest, finished or not. So a search sees them."""
        return newest(self.all_trials())

    def all_trials(self) -> list[Trial]:
        """Return every trial that the database holds, by number."""
        return [self._reader.read(frozen) for frozen in self.optuna.get_trials(deepcopy=False)]

    def has_queued(self) -> bool:
        """Whether configs were queued that no search has taken up."""
        return bool(self.optuna.get_trials(deepcopy=False, states=(TrialState.WAITING,)))

    def trial(self, number: int) -> Trial:
        """Return one trial as it is now.

        Raises:
            KeyError: There is none of this number.
        """
        storage = self.optuna._storage
        return read_trial(storage.get_trial(storage.get_trial_id_from_study_id_trial_number(self.optuna._study_id, number)))

    @property
    def best(self) -> Trial | None:
        """The COMPLETE trial with the highest value of the metric, the first of equals; None before there is one."""
        return next(iter(self.best_trials(1)), None)

    def best_trials(self, k: int | None = None) -> list[Trial]:
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
        return read_trial(add_trial(self.optuna, frozen_trial(trial), self._clock.local()))

    def record(self, trial: Trial, *, epochs: Mapping[int, float] = {}, **changes: Any) -> Trial:
        """Write values of epochs and changed fields of a trial, finished or not, and return it as it is then.

        Args:
            epochs: Metric by epoch, from 1.
            **changes: Fields of `Trial` that Optuna does not keep itself.
        """
        attributes = trial_attributes(changes)
        write_trial(self.optuna, trial.id, attributes, epochs=epochs)
        if trial.finished:  # Optuna reads it from the database once, and keeps that
            self.optuna._storage.get_trial(trial.id).user_attrs.update(attributes)
            self._reader.forget(trial.id)
        return dataclasses.replace(trial, intermediate={**trial.intermediate, **epochs}, **changes)

    def finish(self, trial: Trial, state: State, values: Sequence[float] = (), **changes: Any) -> Trial:
        """Close a trial with its last facts, and return it as it is then.

        Args:
            values: Of the objectives, when it is COMPLETE. A PRUNED trial has its last epoch's, as with Optuna's `tell`.

        Raises:
            optuna.exceptions.UpdateFinishedTrialError: It has another end already.
        """
        pruned, end = state == "PRUNED" and trial.intermediate and len(self.optuna.directions) == 1, self._clock.local()
        stored = [trial.intermediate[trial.last_epoch]] if pruned else list(values)
        write_trial(self.optuna, trial.id, trial_attributes(changes), state=TrialState[state], values=stored, end=end)
        if trial.continued_from is not None and state != "FAIL" and database_of(self.optuna) is not None:  # until now the older one counted
            self.record(self.trial(trial.continued_from), superseded_by=trial.number)
        return dataclasses.replace(trial, state=state, values=tuple(values), end=end, **changes)

    @contextmanager
    def work_failure_said(self) -> Iterator[None]:
        """Raise a `WorkFailedError` of one line when its database or a disk fails under the work on it."""
        storage = database_of(self.optuna)
        with nullcontext() if storage is None else database_faults.work_failure_said(storage.engine.url):
            yield

    def _checked(self) -> Study:
        """Read everything once, so that what can't be read is said before any of it is used.

        Raises:
            StudyError: An attribute is not what it must be, or the database is damaged.
        """
        read_study(self.optuna)
        check_values(self.all_trials(), len(self.directions))
        return self

    def _dispose(self) -> None:
        if (storage := database_of(self.optuna)) is not None:
            storage.engine.dispose()
