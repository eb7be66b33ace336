"""Checkpoints bounded across trials: those of unfinished trials, and of each family's `TOP` best.

A kept checkpoint holds the whole state of its training: the best epoch's weights for a fusion to start from, and the last
epoch's for a lengthened trial to go on from.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from ecg_tune.search.budget import ENDS
from ecg_tune.search.study import newest_trials, objective

TOP = 3


class Keeper:
    """Removes what can't matter any more, as soon as a trial ends.

    Attributes:
        kept: Family → its best rows, best first.
    """

    def __init__(self, study: optuna.Study, folder: Path) -> None:
        self.folder = folder
        self.kept: dict[str, list[FrozenTrial]] = defaultdict(list)
        rows = newest_trials(study)
        used = {row.user_attrs.get("path") for row in rows}
        for row in study.get_trials(deepcopy=False):
            if row.user_attrs.get("path") not in used:  # it was lengthened from the start, in a folder of its own
                self._remove(row)
        for row in rows:
            self.ended(row)

    def ended(self, row: FrozenTrial) -> None:
        """Take in a finished row: remove its checkpoints or those of the one that it displaces.

        Rows that run, or wait for more budget, are left alone.
        """
        if not row.state.is_finished() or "path" not in row.user_attrs:
            return
        if row.state != TrialState.COMPLETE:
            if row.user_attrs.get("ended_by") not in ENDS:
                self._remove(row)
            return
        best = self.kept[str(row.user_attrs.get("family"))]
        best.append(row)
        best.sort(key=lambda r: (-objective(r), r.number))
        for displaced in best[TOP:]:
            self._remove(displaced)
        del best[TOP:]

    def _remove(self, row: FrozenTrial) -> None:
        if "path" in row.user_attrs:
            shutil.rmtree(self.folder / str(row.user_attrs["path"]), ignore_errors=True)
