"""Read a study again at the cost of what changed: a finished trial that is as it was is not read a second time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

import optuna
from optuna.storages._cached_storage import _CachedStorage, _StudyInfo
from optuna.trial import FrozenTrial
from sqlalchemy import Engine, text

from ecg_tune.study.schema import read_trial
from ecg_tune.study.trial import Trial

MARKS = (
    "SELECT trial_id, state, datetime_start, datetime_complete FROM trials",
    "SELECT trial_id, group_concat(key || ' ' || value_json, ' ') FROM trial_user_attributes GROUP BY trial_id",
    "SELECT trial_id, group_concat(key || ' ' || value_json, ' ') FROM trial_system_attributes GROUP BY trial_id",
    "SELECT trial_id, group_concat(objective || ' ' || coalesce(value, value_type), ' ') FROM trial_values GROUP BY trial_id",
    "SELECT trial_id, count(*), total(param_value), total(param_id * param_value), total(length(distribution_json)) "
    "FROM trial_params GROUP BY trial_id",
    "SELECT trial_id, count(*), total(intermediate_value), total(step * intermediate_value) "
    "FROM trial_intermediate_values GROUP BY trial_id",
)
"""Queries of which one at least answers differently about a trial that has changed. For 2,000 trials SQLite takes a tenth of a second."""
MOST_CHANGED = 200
"""Trials that are read one by one; when more have changed, all are read."""


class TrialReader:
    """Reads Optuna's trials as `Trial`s, each finished one once. An unfinished one may be another at any time."""

    def __init__(self) -> None:
        self._read: dict[int, tuple[FrozenTrial, Trial]] = {}

    def read(self, frozen: FrozenTrial) -> Trial:
        """Read a trial out of Optuna's, as `read_trial` does."""
        if not frozen.state.is_finished():
            return read_trial(frozen)
        known = self._read.get(frozen._trial_id)
        if known is None or known[0] is not frozen:
            known = self._read[frozen._trial_id] = frozen, read_trial(frozen)
        return known[1]

    def forget(self, trial_id: int) -> None:
        """Read a trial anew next time: its attributes have changed."""
        self._read.pop(trial_id, None)


class KnownTrials:
    """The finished trials of a study in a file, as they were when it was last opened. A study on a server is always read as a whole."""

    def __init__(self) -> None:
        self.reader = TrialReader()
        self._trials: dict[int, tuple[Hashable, FrozenTrial]] = {}
        self._marks: dict[int, Hashable] = {}

    @contextmanager
    def given_to(self, study: optuna.Study) -> Iterator[TrialReader]:
        """Give a study that was just opened the trials that are as they were, and keep those that it has after the block.

        Its storage reads only the others, in the block, where the reader is to be used.
        """
        self._give(study)
        yield self.reader
        self._keep(study)

    def _give(self, study: optuna.Study) -> None:
        storage = study._storage
        if not isinstance(storage, _CachedStorage) or storage._backend.engine.dialect.name != "sqlite":
            return
        self._marks = _marks(storage._backend.engine)
        same = [trial for trial_id, (mark, trial) in self._trials.items() if self._marks.get(trial_id) == mark]
        others = set(self._marks) - {trial._trial_id for trial in same}
        if not same or len(others) > MOST_CHANGED:
            return
        info = storage._studies.setdefault(study._study_id, _StudyInfo())
        storage._add_trials_to_cache(study._study_id, same)
        info.unfinished_trial_ids, info.last_finished_trial_id = others, max(self._marks)

    def _keep(self, study: optuna.Study) -> None:
        """Remember the finished trials of a study, with the marks that they had before they were read."""
        trials = study.get_trials(deepcopy=False)
        self._trials = {
            trial._trial_id: (self._marks[trial._trial_id], trial)
            for trial in trials
            if trial.state.is_finished() and trial._trial_id in self._marks
        }


def _marks(engine: Engine) -> dict[int, Hashable]:
    """Return for each trial of a database something that is another when the trial is."""
    found = defaultdict[int, list[tuple[object, ...]]](list)
    with engine.connect() as connection:
        for query in MARKS:
            for trial_id, *answer in connection.execute(text(query)):
                found[trial_id].append((query, *answer))
    return {trial_id: hash(tuple(answers)) for trial_id, answers in found.items()}
