"""Figures as plain data that the page's script draws."""

from __future__ import annotations

import json
import weakref
import zlib
from typing import Any

import plotly.graph_objects as go

from analysis.dashboard.figures.style import GUIDE


def inline_json(value: object) -> str:
    """Write a value as JSON that can stand inside a ``<script>`` element whatever text it holds.

    Raises:
        ValueError: A number in it is not finite.
    """
    escapes: dict[str, str | int | None] = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
    return json.dumps(value, allow_nan=False, separators=(",", ":")).translate(str.maketrans(escapes))


_known: dict[int, tuple[weakref.ref[go.Figure], str, dict[str, Any]]] = {}
"""Id of a figure that somebody still holds (see `cached_figure`) → itself, its subject, and what `figure_json` made of it."""


def figure_json(figure: go.Figure, subject: str) -> dict[str, Any]:
    """Turn a figure into plain data without its theme, which the page chooses. The same figure gives the same object: don't change it.

    Args:
        subject: What the figure is about: while it is the same, an update leaves the reader's zoom alone.
    """
    key = id(figure)
    reference, about, plain = _known.get(key, (None, "", {}))
    if reference is None or reference() is not figure or about != subject:
        plain = _plain(figure, subject)
        _known[key] = weakref.ref(figure, lambda _: _known.pop(key, None)), subject, plain
    return plain


def _plain(figure: go.Figure, subject: str) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(figure.to_json())
    layout = plain["layout"]
    layout.pop("template", None)
    columns = layout.pop("meta", {}).get("columns")  # left in the layout, plotly would take names for templates
    if columns:
        plain["columns"] = columns
    titles = [layout.get(name, {}).get("title", {}).get("text", "") for name in ("xaxis", "yaxis")]
    layout["uirevision"] = _digest(" · ".join([subject, *titles]))
    seen: dict[str, int] = {}
    for trace in plain["data"]:  # traces come and go: one is known by its name, so that a hidden one stays hidden
        if trace.pop("meta", None) == GUIDE:
            trace["guide"] = True
        name = " · ".join(str(trace.get(part, "")) for part in ("type", "name", "legendgroup"))
        seen[name] = seen.get(name, 0) + 1
        trace["uid"] = _digest(f"{name} {seen[name]}")
    return plain


def _digest(text: str) -> str:
    """Make an id that is safe in a selector."""
    return f"t{zlib.crc32(text.encode()):x}"
