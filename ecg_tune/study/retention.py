"""Which checkpoints of a study are kept: those of unfinished trials, and of each family's `TOP` best.

A kept checkpoint holds the whole state of its training: the best epoch's weights for a fusion to start from, and the last
epoch's for an extended trial to go on from.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress

from ecg_tune.study.checkpoints import CHECKPOINTS
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial

TOP = 3


class CheckpointRetention:
    """Removes what can't matter any more, as soon as a trial ends.

    Attributes:
        kept: Family → its best trials, best first.
    """

    def __init__(self, study: Study) -> None:
        self.storage = study.checkpoints
        self.kept: dict[str, list[Trial]] = defaultdict(list)
        trials = study.newest_trials()
        used = {trial.path for trial in (*trials, *study.trials())}
        restarted = {trial.path for trial in study.all_trials()} - used
        gone = restarted | {path for trial in trials for path in self._without_use(trial)}
        for name in self._present():
            if f"{CHECKPOINTS}/{name}" in gone:
                self._remove(f"{CHECKPOINTS}/{name}")

    def ended(self, trial: Trial) -> None:
        """Take in a finished trial: remove its checkpoints, or those of the one that it displaces.

        Trials that run, or wait for more budget, keep theirs.
        """
        for path in self._without_use(trial):
            self._remove(path)

    def _without_use(self, trial: Trial) -> list[str]:
        """Take in a trial and return the paths that matter no more."""
        if not trial.finished or trial.path is None:
            return []
        if trial.state != "COMPLETE":
            return [] if trial.stopped_by_budget else [trial.path]
        best = self.kept[trial.family]
        best.append(trial)
        best.sort(key=lambda other: (-other.values[0], other.number))
        displaced = [str(other.path) for other in best[TOP:]]
        del best[TOP:]
        return displaced

    def _present(self) -> list[str]:
        with suppress(OSError):  # it is looked for again when the search goes on the next time
            return self.storage.names(CHECKPOINTS)
        return []

    def _remove(self, path: str) -> None:
        with suppress(OSError):  # as above: a search does not end because something too much is kept
            self.storage.remove(path)
