"""One self-contained HTML page out of sections with figures and the cards of the trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plotly.offline import get_plotlyjs

from analysis.dashboard.cards import Card, share_lines
from analysis.dashboard.figure_json import inline_json
from analysis.dashboard.page_assets import policy, script, style
from analysis.dashboard.section_html import render_section
from analysis.dashboard.sections.section import Section
from analysis.templating import Markup, render


@dataclass(frozen=True)
class Page:
    """A page in pieces: a live one sends those that changed.

    Attributes:
        title: Plain text for the window.
        markup: Id of an element → its HTML, from top to bottom: head, nav, the sections, foot.
        figures: Key → the figure as JSON text that can stand inside a ``<script>`` element.
        cards: Number of a trial → what the page tells about it.
        facts: What else the script needs: metric, classes, rungs, states.
    """

    title: str
    markup: Mapping[str, Markup]
    figures: Mapping[str, str]
    cards: Mapping[int, Card]
    facts: Mapping[str, Any]


def make_page(
    *, title: str, head: Markup, sections: Sequence[Section], foot: Markup, cards: Mapping[int, Card], facts: Mapping[str, Any]
) -> Page:
    """Render the sections and collect a page's pieces.

    Args:
        title: Plain text for the window.
        head: The element above the sections.
        sections: In order.
        foot: The element below them.
        cards: Number of a trial → what the page tells about it.
        facts: See `Page`.
    """
    rendered = {section.key: render_section(section) for section in sections}
    nav = render("analysis.dashboard", "nav.html", sections=sections)
    markup = {"head": head, "nav": nav, **{key: section.markup for key, section in rendered.items()}, "foot": foot}
    figures = {key: figure for section in rendered.values() for key, figure in section.figures.items()}
    return Page(title, markup, figures, cards, facts)


def page_html(page: Page, *, live: str = "", notice: str = "", waiting: bool = False, home: str = "", export: bool = False) -> str:
    """Render the page as one HTML text.

    Args:
        live: The version of a page that asks its server for news; "" for one that stands alone.
        notice: Plain text that is said on top; "" for nothing.
        waiting: A live page that loads again as soon as there is anything to show.
        home: Address of the list of studies; "" when there is none.
        export: A page that draws all figures as images into itself, for a browser without a window.
    """
    sections = [element for key, element in page.markup.items() if key not in ("head", "nav", "foot")]
    figures = ",".join(f'"{key}":{text}' for key, text in page.figures.items())
    return render(
        "analysis.dashboard",
        "page.html",
        title=page.title,
        policy=policy(live=bool(live), export=export),
        style=Markup(style()),
        version=live,
        waiting=waiting,
        notice=notice,
        home=home,
        head=page.markup["head"],
        nav=page.markup["nav"],
        sections=sections,
        foot=page.markup["foot"],
        figures=Markup(f"{{{figures}}}"),
        facts=Markup(inline_json({**page.facts, **share_lines(page.cards.values())})),
        plotly_js=Markup(get_plotlyjs()),
        script=Markup(script(live=bool(live), export=export)),
    )
