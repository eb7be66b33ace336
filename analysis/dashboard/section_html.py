"""A section as HTML, with an element for every figure that the page's script fills."""

from __future__ import annotations

from typing import Any, NamedTuple

from analysis.dashboard.figure_json import figure_json, inline_json
from analysis.dashboard.figures.plotly_text import unescape
from analysis.dashboard.sections.section import Panel, Section, Tab
from analysis.templating import Markup, render


class RenderedSection(NamedTuple):
    """A section's HTML, and the figures in it.

    Attributes:
        figures: Key, as in the element's ``data-figure`` → the figure as JSON text that can stand inside a ``<script>`` element.
    """

    markup: Markup
    figures: dict[str, str]


class _Plot(NamedTuple):
    """The element in which a figure is drawn.

    Attributes:
        label: What the figure shows, for a reader who can't see it.
        height: In pixels.
        least_width: As in `Panel`.
        shows_trials: Whether points of it are trials, so that arrow keys go through them.
    """

    key: str
    figure: str
    label: str
    height: int
    least_width: int
    shows_trials: bool


class _Tab(NamedTuple):
    key: str
    label: str
    panels: list[tuple[Panel, _Plot | None]]


def render_section(section: Section) -> RenderedSection:
    """Render a section; figures with the same place in it have the same key in every study."""
    tabs = [_tab(section, tab, f"{section.key}-{index}") for index, tab in enumerate(section.tabs)]
    markup = render("analysis.dashboard", "section.html", section=section, tabs=tabs)
    return RenderedSection(markup, {plot.key: plot.figure for tab in tabs for _, plot in tab.panels if plot})


def _tab(section: Section, tab: Tab, key: str) -> _Tab:
    subject = f"{section.title}, {tab.label}" if tab.label else section.title
    return _Tab(key, tab.label, [(panel, _plot(panel, f"{key}-{index}", subject)) for index, panel in enumerate(tab.panels)])


def _plot(panel: Panel, key: str, subject: str) -> _Plot | None:
    if panel.figure is None:
        return None
    subject = f"{subject}: {panel.title}" if panel.title else subject
    plain = figure_json(panel.figure, subject)
    return _Plot(
        key,
        inline_json(plain),
        label=f"{subject}. {panel.alt or _axes_and_series(plain)}",
        height=plain["layout"].get("height", 400),
        least_width=panel.least_width,
        shows_trials=any(point and point[0] is not None for trace in plain["data"] for point in trace.get("customdata") or ()),
    )


def _axes_and_series(plain: dict[str, Any]) -> str:
    """Describe a figure in a sentence by its axes and series."""
    axes = [unescape(plain["layout"].get(name, {}).get("title", {}).get("text", "")) for name in ("yaxis", "xaxis")]
    names = list(dict.fromkeys(unescape(str(trace["name"])) for trace in plain["data"] if trace.get("name")))
    against = " against ".join(axis for axis in axes if axis)
    parallel = [unescape(one["label"]) for trace in plain["data"] for one in trace.get("dimensions", ())]
    shown = f"{against[:1].upper()}{against[1:]}." if against else f"Parallel axes: {', '.join(parallel)}." if parallel else "Chart."
    return shown + (f" Series: {', '.join(names)}." if names else "")
