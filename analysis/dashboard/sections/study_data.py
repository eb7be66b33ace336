"""What the sections are made of: the study's trials, its summary, and what several sections compute from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from analysis.dashboard.figures.importances import Importances, importances_data
from analysis.dashboard.trials import RankedTrial, families_of
from ecg_tune.study.summary import StudySummary


@dataclass(frozen=True)
class StudyData:
    """A study as the sections need it.

    Attributes:
        now: Where the bars of unfinished trials end; None when no search is running, they then end at the last known time.
    """

    trials: Sequence[RankedTrial]
    summary: StudySummary
    now: datetime | None

    @cached_property
    def importances(self) -> dict[str | None, Importances]:
        """The importances of each family, and under None those of the whole study if it has several; three sections need them."""
        families = families_of(self.trials)
        scopes: list[str | None] = [None, *families] if len(families) != 1 else [*families]
        return {family: importances_data(self.trials, family=family) for family in scopes}
