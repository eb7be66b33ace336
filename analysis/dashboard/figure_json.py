"""Figures as plain data that the page's script draws."""

from __future__ import annotations

import json
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


def figure_json(figure: go.Figure, subject: str) -> dict[str, Any]:
    """Turn a figure into plain data without its theme, which the page chooses.

    Args:
        subject: What the figure is about: while it is the same, an update leaves the reader's zoom alone.
    """
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
