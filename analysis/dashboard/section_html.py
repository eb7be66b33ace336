"""A section as HTML, with an element for every figure that the page's script fills."""

from __future__ import annotations

import re
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
        name: Of the figure's files, without an ending; each name occurs once in a section.
        label: What the figure shows, for a reader who can't see it.
        height: In pixels.
        least_width: As in `Panel`.
        shows_trials: Whether points of it are trials, so that arrow keys go through them.
    """

    key: str
    name: str
    plain: dict[str, Any]
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
    tabs = _tabs(section)
    markup = render("analysis.dashboard", "section.html", section=section, tabs=tabs)
    return RenderedSection(markup, {plot.key: inline_json(plot.plain) for tab in tabs for _, plot in tab.panels if plot})


def named_figures(section: Section) -> dict[str, dict[str, Any]]:
    """List a section's figures as plain data under the names of their files."""
    return {plot.name: plot.plain for tab in _tabs(section) for _, plot in tab.panels if plot}


def _tabs(section: Section) -> list[_Tab]:
    names: set[str] = set()
    return [_tab(section, tab, f"{section.key}-{index}", names) for index, tab in enumerate(section.tabs)]


def _tab(section: Section, tab: Tab, key: str, names: set[str]) -> _Tab:
    subject = f"{section.title}, {tab.label}" if tab.label else section.title
    several = sum(panel.figure is not None for panel in tab.panels) > 1
    panels: list[tuple[Panel, _Plot | None]] = []
    for index, panel in enumerate(tab.panels):
        plot = _plot(panel, f"{key}-{index}", subject)
        if plot is not None:
            about = panel.title.partition(",")[0] or (_title(plot.plain, "xaxis") if several else "")
            name = file_name(section.key, tab.label, about)
            plot = plot._replace(name=f"{name}-{key}-{index}" if name in names else name)
            names.add(plot.name)
        panels.append((panel, plot))
    return _Tab(key, tab.label, panels)


def file_name(*about: str) -> str:
    """Join texts to a name that every file system takes, e.g. "slices-cnn1d-learning_rate"; empty ones are left out."""
    parts = (re.sub(r"[^\w.]+", "-", text).strip("-.") for text in about)
    return "-".join(part for part in parts if part) or "study"


def _title(plain: dict[str, Any], axis: str) -> str:
    return unescape(plain["layout"].get(axis, {}).get("title", {}).get("text", ""))


def _plot(panel: Panel, key: str, subject: str) -> _Plot | None:
    if panel.figure is None:
        return None
    subject = f"{subject}: {panel.title}" if panel.title else subject
    plain = figure_json(panel.figure, subject)
    return _Plot(
        key,
        name=key,
        plain=plain,
        label=f"{subject}. {panel.alt or _axes_and_series(plain)}",
        height=plain["layout"].get("height", 400),
        least_width=panel.least_width,
        shows_trials=any(point and point[0] is not None for trace in plain["data"] for point in trace.get("customdata") or ()),
    )


def _axes_and_series(plain: dict[str, Any]) -> str:
    """Describe a figure in a sentence by its axes and series."""
    axes = [_title(plain, name) for name in ("yaxis", "xaxis")]
    names = list(dict.fromkeys(unescape(str(trace["name"])) for trace in plain["data"] if trace.get("name")))
    against = " against ".join(axis for axis in axes if axis)
    parallel = [unescape(one["label"]) for trace in plain["data"] for one in trace.get("dimensions", ())]
    shown = f"{against[:1].upper()}{against[1:]}." if against else f"Parallel axes: {', '.join(parallel)}." if parallel else "Chart."
    return shown + (f" Series: {', '.join(names)}." if names else "")
