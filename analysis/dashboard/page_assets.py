"""The page's own style sheets and scripts, from `assets/`. They are inlined: a page from disk asks no network for anything."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from plotly.offline import get_plotlyjs

STYLES = ("page.css", "controls.css", "print.css")
SCRIPTS = ("state.js", "figures.js", "drawing.js", "tables.js", "saving.js", "controls.js", "card.js", "copy.js", "main.js")
"""In the order in which they run, in one scope."""
LIVE_SCRIPTS = ("morph.js", "live.js")
EXPORT_SCRIPTS = ("export.js",)


@cache
def style() -> str:
    """Join the style sheets of the page."""
    return "\n".join(map(_read, STYLES))


@cache
def script(*, live: bool = False, export: bool = False) -> str:
    """Join the page's own scripts to one.

    Args:
        live: Whether the page asks its server for news.
        export: Whether the page draws all figures as images into itself.
    """
    texts = map(_read, (*SCRIPTS, *(LIVE_SCRIPTS if live else ()), *(EXPORT_SCRIPTS if export else ())))
    return '"use strict";\n(() => {\n' + "\n".join(texts) + "})();\n"


@cache
def policy(*, live: bool = False, export: bool = False) -> str:
    """Write the page's content security policy: no script runs but plotly.js and the page's own, known by their digests.

    'unsafe-eval' is what plotly.js needs for parallel coordinates; styles are what it writes into its drawings.
    """
    scripts = " ".join(f"'sha256-{_digest(text)}'" for text in (get_plotlyjs(), script(live=live, export=export)))
    server = "'self'" if live else "'none'"
    return (
        f"default-src 'none'; script-src {scripts} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
        f"connect-src {server}; form-action 'none'; base-uri 'none'"
    )


def _read(name: str) -> str:
    return (files("analysis.dashboard") / "assets" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
