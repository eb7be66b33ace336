"""One self-contained HTML page out of sections with figures and the cards of the trials.

Plain text is escaped here; `Panel.html` is the only place where markup comes in, and whoever fills it has escaped what it holds.
"""

from __future__ import annotations

import html
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from analysis.dashboard.cards import Card, packed
from analysis.dashboard.figures.style import GUIDE
from analysis.dashboard.page_assets import markup, policy, script, style

NONE_PASSES = '<p class="whole none">No trial here passes the filter.</p>'


@dataclass(frozen=True)
class Panel:
    """A figure, a piece of HTML, or the explanation why there is neither.

    Attributes:
        title: Plain text above it; "" for none.
        note: Plain text in a box below the title.
        warning: As `note`, in the colour of a warning.
        empty: Why there is no figure; "" when there is one.
        html: Trusted markup below the figure.
        least_width: Pixels below which the figure scrolls sideways instead of shrinking; 0 shrinks always.
        alt: What the figure shows in a sentence, for who can't see it; "" takes its axes and series.
    """

    title: str = ""
    figure: go.Figure | None = None
    note: str = ""
    warning: str = ""
    empty: str = ""
    html: str = ""
    least_width: int = 0
    alt: str = ""


@dataclass(frozen=True)
class Tab:
    """Panels shown together; a section with one tab shows no tab row."""

    label: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Section:
    """One figure of the dashboard with its title and the sentence how to read it.

    Attributes:
        key: The anchor and the figures' prefix, ASCII.
        panel_width: Least width of a panel in pixels; as many as fit stand side by side; 0 gives a panel the full width.
    """

    key: str
    title: str
    how: str
    tabs: tuple[Tab, ...]
    panel_width: int = 0


@dataclass(frozen=True)
class Page:
    """A page in pieces: a live one sends those that changed.

    Attributes:
        title: Plain text for the window.
        markup: Id of an element → its trusted markup, from top to bottom: head, nav, the sections, foot.
        figures: Key → the figure as JSON text that can stand inside a ``<script>`` element.
        cards: Number → what the page tells of a trial.
        facts: What else the script needs: metric, classes, rungs, states.
    """

    title: str
    markup: Mapping[str, str]
    figures: Mapping[str, str]
    cards: Mapping[int, Card]
    facts: Mapping[str, Any]


def make_page(
    *, title: str, head: str, sections: Sequence[Section], foot: str, cards: Mapping[int, Card], facts: Mapping[str, Any]
) -> Page:
    """Return a page's pieces.

    Args:
        title: Plain text for the window.
        head: Trusted markup above the sections.
        sections: In order.
        foot: Trusted markup below.
        cards: Number → what is told of the trial.
        facts: See `Page`.
    """
    figures: dict[str, str] = {}
    markup = {"head": f'<header id="head">{head}</header>'}
    links = "".join(f'<a href="#{section.key}">{html.escape(section.title)}</a>' for section in sections)
    markup["nav"] = f'<nav id="nav" aria-label="Figures">{links}</nav>'
    markup |= {section.key: _section(section, figures) for section in sections}
    markup["foot"] = f'<footer id="foot">{foot}</footer>'
    return Page(title, markup, figures, cards, facts)


def page_html(page: Page, *, live: str = "", notice: str = "", waiting: bool = False, home: str = "") -> str:
    """Return the page as one HTML text.

    Args:
        live: The version of a page that asks its server for news; "" for one that stands alone.
        notice: Plain text that is said on top; "" for nothing.
        home: Address of the list of studies; "" when there is none.
        waiting: A live page that loads again as soon as there is anything to show.
    """
    parts = dict(page.markup)
    head, nav, foot = (parts.pop(name) for name in ("head", "nav", "foot"))
    figures = ",".join(f'"{key}":{text}' for key, text in page.figures.items())
    message = f'<p id="notice" class="banner" role="alert"{"" if notice else " hidden"}>{html.escape(notice)}</p>'
    back = f'<a class="home" href="{html.escape(home)}">All studies</a>' if home else ""
    bar = f'{message}<div class="row">{back}{nav}<button type="button" id="theme" class="small"></button></div>{markup("filter")}'
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy(live=bool(live))}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{html.escape(page.title)}</title><style>{style()}</style></head>\n"
        f'<body data-version="{html.escape(live)}"{" data-waiting" * waiting}><a class="skip" href="#main">Skip to the figures</a>'
        f'{head}<div id="bar">{bar}</div><main id="main">{"".join(parts.values())}</main>{foot}{markup("card")}'
        f'<script type="application/json" id="figures">{{{figures}}}</script>'
        f'<script type="application/json" id="facts">{inline_json({**page.facts, **packed(page.cards.values())})}</script>'
        f"<script>{get_plotlyjs()}</script>\n<script>{script(live=bool(live))}</script></body></html>\n"
    )


def inline_json(value: object) -> str:
    """Return JSON that can stand inside a ``<script>`` element whatever text it holds."""
    escapes: dict[str, str | int | None] = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
    return json.dumps(value, allow_nan=False, separators=(",", ":")).translate(str.maketrans(escapes))


def figure_json(figure: go.Figure, identity: str) -> dict[str, Any]:
    """Return a figure as plain data without its theme, which the page chooses.

    Args:
        identity: What the figure is about: while it is the same, an update leaves the reader's zoom alone.
    """
    plain: dict[str, Any] = json.loads(figure.to_json())
    layout = plain["layout"]
    layout.pop("template", None)
    columns = layout.pop("meta", {}).get("columns")  # left in the layout, plotly would take names for templates
    if columns:
        plain["columns"] = columns
    titles = [layout.get(name, {}).get("title", {}).get("text", "") for name in ("xaxis", "yaxis")]
    layout["uirevision"] = _digest(" · ".join([identity, *titles]))
    seen: dict[str, int] = {}
    for trace in plain["data"]:  # traces come and go: one is known by its name, so that a hidden one stays hidden
        if trace.pop("meta", None) == GUIDE:
            trace["guide"] = True
        name = " · ".join(str(trace.get(part, "")) for part in ("type", "name", "legendgroup"))
        seen[name] = seen.get(name, 0) + 1
        trace["uid"] = _digest(f"{name} {seen[name]}")
    return plain


def _digest(text: str) -> str:
    """Return an id that is safe in a selector."""
    return f"t{zlib.crc32(text.encode()):x}"


def _section(section: Section, figures: dict[str, str]) -> str:
    tabs = [_tab(section, index, figures) for index in range(len(section.tabs))]
    row = ""
    if len(section.tabs) > 1:
        buttons = "".join(
            f'<button type="button" role="tab" id="{section.key}-{index}-tab" aria-selected="{str(index == 0).lower()}" '
            f'tabindex="{-1 if index else 0}" aria-controls="{section.key}-{index}">{html.escape(tab.label)}</button>'
            for index, tab in enumerate(section.tabs)
        )
        row = f'<div class="tabs" role="tablist" aria-label="{html.escape(section.title)}">{buttons}</div>'
    title, how = html.escape(section.title), html.escape(section.how)
    key = section.key
    top = f'<h2 id="{key}-title">{title}</h2><p class="how">{how}</p>{row}'
    return f'<section id="{key}" aria-labelledby="{key}-title">{top}{"".join(tabs)}</section>'


def _tab(section: Section, index: int, figures: dict[str, str]) -> str:
    tab = section.tabs[index]
    several = len(section.tabs) > 1
    about = f"{section.title}, {tab.label}" if tab.label else section.title
    panels = "".join(_panel(panel, f"{section.key}-{index}-{place}", about, figures) for place, panel in enumerate(tab.panels))
    columns = f"repeat(auto-fill, minmax(min(100%, {section.panel_width}px), 1fr))" if section.panel_width else "minmax(0, 1fr)"
    role = f' role="tabpanel" aria-labelledby="{section.key}-{index}-tab"{" hidden" if index else ""}' if several else ""
    name = f'<h3 class="tab-name">{html.escape(tab.label)}</h3>' if several else ""
    return f'<div id="{section.key}-{index}"{role}>{name}<div class="panels" style="--columns:{columns}">{panels}</div></div>'


def _panel(panel: Panel, key: str, about: str, figures: dict[str, str]) -> str:
    parts = [f"<h3>{html.escape(panel.title)}</h3>"] if panel.title else []
    if panel.note:
        parts.append(f'<p class="note">{html.escape(panel.note)}</p>')
    if panel.warning:
        parts.append(f'<p class="note warn">{html.escape(panel.warning)}</p>')
    if panel.figure is not None:
        parts.append(_plot(panel, key, f"{about}: {panel.title}" if panel.title else about, figures))
    if panel.empty:
        parts.append(f'<p class="empty">{html.escape(panel.empty)}</p>')
    if panel.figure is None and "data-trial=" in panel.html:
        parts.append(NONE_PASSES)
    wide = "" if panel.figure or panel.title else " wide"
    return f'<div class="panel{wide}" id="{key}-panel">{"".join(parts)}{panel.html}</div>'


def _plot(panel: Panel, key: str, about: str, figures: dict[str, str]) -> str:
    plain = figure_json(panel.figure, about)
    figures[key] = inline_json(plain)
    height = plain["layout"].get("height", 400)
    least = f";min-width:{panel.least_width}px" if panel.least_width else ""
    label = html.escape(f"{about}. {panel.alt or _series(plain)}")
    steps = any(point and point[0] is not None for trace in plain["data"] for point in trace.get("customdata") or ())
    keys = 'role="application" aria-roledescription="figure" tabindex="0" aria-describedby="plot-keys"' if steps else 'role="img"'
    plot = f'<div class="plot" data-figure="{key}" {keys} aria-label="{label}" style="--height:{height}px{least}"></div>'
    return (
        '<p class="whole">The filter does not act here: this figure counts all trials.</p>'
        + NONE_PASSES
        + (f'<div class="plot-scroll">{plot}</div>' if panel.least_width else plot)
        + '<details class="data"><summary>Data as a table</summary><div class="scroll" tabindex="0"></div></details>'
    )


def _series(plain: dict[str, Any]) -> str:
    """Return a figure's axes and series in a sentence."""
    axes = [html.unescape(plain["layout"].get(name, {}).get("title", {}).get("text", "")) for name in ("yaxis", "xaxis")]
    names = list(dict.fromkeys(html.unescape(str(trace["name"])) for trace in plain["data"] if trace.get("name")))
    against = " against ".join(axis for axis in axes if axis)
    parallel = [html.unescape(one["label"]) for trace in plain["data"] for one in trace.get("dimensions", ())]
    shown = f"{against[:1].upper()}{against[1:]}." if against else f"Parallel axes: {', '.join(parallel)}." if parallel else "Chart."
    return shown + (f" Series: {', '.join(names)}." if names else "")
