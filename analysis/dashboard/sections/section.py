"""A section of the dashboard as plain data: what it shows, before any HTML is made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

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
        panels: Makes the panels of a family's tab.
    """
    families = families_of(data.trials)
    if not families:
        return empty_section(key, "No trial yet.")
    title, how = CAPTIONS[key]
    return Section(key, title, how, tuple(Tab(family, panels(family)) for family in families), panel_width)
