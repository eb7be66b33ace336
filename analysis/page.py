"""One self-contained HTML page out of sections with figures.

Plain text is escaped here; `Panel.html` is the only place where markup comes in, and whoever fills it has escaped what it holds.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from analysis.page_assets import SCRIPT, STYLE

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
    "connect-src 'none'; form-action 'none'; base-uri 'none'"
)


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
    """

    title: str = ""
    figure: go.Figure | None = None
    note: str = ""
    warning: str = ""
    empty: str = ""
    html: str = ""
    least_width: int = 0


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


def render_page(*, title: str, head: str, sections: Sequence[Section], foot: str) -> str:
    """Return the page.

    Args:
        title: Plain text for the window.
        head: Trusted markup above the sections.
        sections: In order.
        foot: Trusted markup below.
    """
    figures: dict[str, Any] = {}
    body = "".join(_section(section, figures) for section in sections)
    links = "".join(f'<a href="#{section.key}">{html.escape(section.title)}</a>' for section in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>\n<body>"
        f'<header>{head}</header><nav aria-label="Figures"><div>{links}</div></nav><main>{body}</main><footer>{foot}</footer>'
        f'<script type="application/json" id="figures">{inline_json(figures)}</script>'
        f"<script>{get_plotlyjs()}</script>\n<script>{SCRIPT}</script></body></html>\n"
    )


def inline_json(value: object) -> str:
    """Return JSON that can stand inside a ``<script>`` element whatever text it holds."""
    escapes: dict[str, str | int | None] = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
    return json.dumps(value, allow_nan=False, separators=(",", ":")).translate(str.maketrans(escapes))


def figure_json(figure: go.Figure) -> dict[str, Any]:
    """Return a figure as plain data without its theme, which the page chooses."""
    plain: dict[str, Any] = json.loads(figure.to_json())
    plain["layout"].pop("template", None)
    return plain


def _section(section: Section, figures: dict[str, Any]) -> str:
    tabs = [_tab(section, index, figures) for index in range(len(section.tabs))]
    row = ""
    if len(section.tabs) > 1:
        buttons = "".join(
            f'<button type="button" role="tab" aria-selected="{str(index == 0).lower()}" tabindex="{-1 if index else 0}" '
            f'aria-controls="{section.key}-{index}">{html.escape(tab.label)}</button>'
            for index, tab in enumerate(section.tabs)
        )
        row = f'<div class="tabs" role="tablist" aria-label="{html.escape(section.title)}">{buttons}</div>'
    title, how = html.escape(section.title), html.escape(section.how)
    return f'<section id="{section.key}"><h2>{title}</h2><p class="how">{how}</p>{row}{"".join(tabs)}</section>'


def _tab(section: Section, index: int, figures: dict[str, Any]) -> str:
    tab = section.tabs[index]
    panels = "".join(_panel(panel, f"{section.key}-{index}-{place}", figures) for place, panel in enumerate(tab.panels))
    several = len(section.tabs) > 1
    columns = f"repeat(auto-fill, minmax(min(100%, {section.panel_width}px), 1fr))" if section.panel_width else "minmax(0, 1fr)"
    role = f' role="tabpanel"{" hidden" if index else ""}' if several else ""
    name = f'<h3 class="tab-name">{html.escape(tab.label)}</h3>' if several else ""
    return f'<div id="{section.key}-{index}"{role}>{name}<div class="panels" style="--columns:{columns}">{panels}</div></div>'


def _panel(panel: Panel, key: str, figures: dict[str, Any]) -> str:
    parts = [f"<h3>{html.escape(panel.title)}</h3>"] if panel.title else []
    if panel.note:
        parts.append(f'<p class="note">{html.escape(panel.note)}</p>')
    if panel.warning:
        parts.append(f'<p class="note warn">{html.escape(panel.warning)}</p>')
    if panel.figure is not None:
        figures[key] = figure_json(panel.figure)
        height = figures[key]["layout"].get("height", 400)
        least = f";min-width:{panel.least_width}px" if panel.least_width else ""
        plot = f'<div class="plot" data-figure="{key}" style="height:{height}px{least}"></div>'
        parts.append(f'<div class="plot-scroll">{plot}</div>' if panel.least_width else plot)
    if panel.empty:
        parts.append(f'<p class="empty">{html.escape(panel.empty)}</p>')
    return f'<div class="panel">{"".join(parts)}{panel.html}</div>'
