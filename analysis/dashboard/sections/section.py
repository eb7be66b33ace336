"""A section of the dashboard as plain data: what it shows, before any HTML is made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from analysis.dashboard.identity import Same
from analysis.dashboard.sections.captions import CAPTIONS
from analysis.dashboard.sections.study_data import StudyData
from analysis.dashboard.trials import families_of
from analysis.templating import Markup

NOTHING_REPORTED = "No trial has reported an epoch yet."
NO_TABLE = Markup("")


@dataclass(frozen=True)
class Panel:
    """A figure, a table, or the explanation why there is neither.

    Attributes:
        title: Plain text above it; "" for none.
        note: Plain text in a box below the title.
        warning: As `note`, in the colour of a warning.
        empty: Why there is no figure; "" when there is one.
        table: HTML below the figure, the output of a template.
        least_width: Pixels below which the figure scrolls sideways instead of shrinking; 0 shrinks always.
        alt: What the figure shows in a sentence, for a reader who can't see it; "" takes its axes and series.
    """

    title: str = ""
    figure: go.Figure | None = None
    note: str = ""
    warning: str = ""
    empty: str = ""
    table: Markup = NO_TABLE
    least_width: int = 0
    alt: str = ""


@dataclass(frozen=True)
class Tab:
    """Panels shown together; a section with one tab shows no row of tabs."""

    label: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Section:
    """One figure of the dashboard, or several of a kind, with a title and a sentence how to read it.

    Attributes:
        key: Its anchor on the page and the prefix of its figures' ids; ASCII.
        panel_width: Least width of a panel in pixels, as many as fit stand side by side; 0 gives each panel the full width.
    """

    key: str
    title: str
    how: str
    tabs: tuple[Tab, ...]
    panel_width: int = 0

    @property
    def why_empty(self) -> str:
        """Why the section has nothing to show, so that it takes one line; "" when it has something, or says more than that."""
        panels = [panel for tab in self.tabs for panel in tab.panels]
        alone = len(panels) == 1 and not (panels[0].figure or panels[0].table or panels[0].note or panels[0].warning or panels[0].title)
        return panels[0].empty if alone else ""


def plain_section(key: str, panels: Sequence[Panel], *, panel_width: int = 0) -> Section:
    """Make a section whose panels are all shown together."""
    title, how = CAPTIONS[key]
    return Section(key, title, how, (Tab("", tuple(panels)),), panel_width)


def empty_section(key: str, why: str) -> Section:
    """Make a section that says why it has no figure."""
    return plain_section(key, (Panel(empty=why),))


def family_section(key: str, data: StudyData, panels: Callable[[str], tuple[Panel, ...]], *, panel_width: int = 0) -> Section:
    """Make a section with a tab for every family.

    Args:
        panels: Makes the panels of a family's tab, of its trials, its importances and the metric alone.
    """
    families = families_of(data.trials)
    if not families:
        return empty_section(key, "No trial yet.")
    title, how = CAPTIONS[key]
    return Section(key, title, how, tuple(Tab(family, _kept(key, data, family, panels)) for family in families), panel_width)


_made: dict[tuple[str, str, str], tuple[object, tuple[Panel, ...]]] = {}
"""Study, section and family → what its panels were last made of, and the panels."""


def _kept(key: str, data: StudyData, family: str, panels: Callable[[str], tuple[Panel, ...]]) -> tuple[Panel, ...]:
    """Make a family's panels, unless its trials and their importances are what they were: an epoch changes one family."""
    own = tuple(Same(trial) for trial in data.trials if trial.family == family)
    content = (data.summary.metric, data.importances[family], own)
    place = (data.summary.folder, key, family)
    if place not in _made or _made[place][0] != content:
        _made[place] = content, panels(family)
    return _made[place][1]
