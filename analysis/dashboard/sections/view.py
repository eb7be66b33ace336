"""What sections are made of and how one is put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from analysis.dashboard.figures.importances import Importances, importances_data
from analysis.dashboard.frames import TrialRow, families_of
from analysis.dashboard.page import Panel, Section, Tab
from analysis.dashboard.sections.texts import TEXTS
from analysis.dashboard.summary import StudySummary

NOTHING_REPORTED = "No trial has reported an epoch yet."


@dataclass(frozen=True)
class View:
    """What the sections are made of.

    Attributes:
        now: None when no search is running; unfinished bars then end at the last known time.
    """

    trials: Sequence[TrialRow]
    summary: StudySummary
    now: datetime | None

    @cached_property
    def importances(self) -> dict[str | None, Importances]:
        """The importances of each family, and under None of the whole study if it has several; three sections need them."""
        families = families_of(self.trials)
        scopes: list[str | None] = [None, *families] if len(families) != 1 else [*families]
        return {family: importances_data(self.trials, family=family) for family in scopes}


def section(key: str, panels: Sequence[Panel], *, panel_width: int = 0) -> Section:
    """Return a section whose panels are all shown together."""
    title, how = TEXTS[key]
    return Section(key, title, how, (Tab("", tuple(panels)),), panel_width)


def explained(key: str, why: str) -> Section:
    """Return a section that says why it is empty."""
    return section(key, (Panel(empty=why),))


def by_family(key: str, view: View, panels: Callable[[str], tuple[Panel, ...]], *, panel_width: int = 0) -> Section:
    """Return a section with a tab for every family."""
    families = families_of(view.trials)
    if not families:
        return explained(key, "No trial yet.")
    title, how = TEXTS[key]
    return Section(key, title, how, tuple(Tab(family, panels(family)) for family in families), panel_width)
