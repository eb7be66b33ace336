"""The numbers that a figure draws, as a table with named columns: what the page's own script (`assets/tables.js`) saves as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

from analysis.dashboard.figures.plotly_text import unescape

Plain = Mapping[str, Any]
Line = list[Any]


def figure_csv(figure: Plain) -> str:
    """Write the numbers of a figure as CSV text.

    Args:
        figure: As `figure_json` makes it.
    """
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(figure_table(figure))
    return text.getvalue()


def figure_table(figure: Plain) -> list[Line]:
    """List the numbers of a figure: the heads, then a line for each point. Lines that only lead the eye are left out.

    A smoothed field has a line for each point of its grid, without a trial. Columns in which nothing stands are left out.
    """
    columns = figure.get("columns") or _axes(figure)
    fields = list(columns.values())
    lines = [line for trace in figure["data"] for line in (_grid(trace, fields) if trace.get("z") else _points(trace, fields))]
    used = [place for place in range(len(fields)) if any(line[place] not in (None, "") for line in lines)]
    heads = [unescape(head) for head in columns]
    return [[line[place] for place in used] for line in (heads, *lines)]


def _axes(figure: Plain) -> dict[str, str | int]:
    titles = [figure["layout"].get(name, {}).get("title", {}).get("text", "") for name in ("xaxis", "yaxis")]
    return {"Series": "name", "Trial": 0, titles[0] or "x": "x", titles[1] or "y": "y"}


def _points(trace: Plain, fields: Sequence[str | int]) -> Iterator[Line]:
    parallel = "dimensions" in trace
    along = trace.get("customdata" if parallel else "x")
    if not isinstance(along, list) or trace.get("guide") or not (parallel or isinstance(trace.get("y"), list)):
        return
    sizes = trace.get("marker", {}).get("size")
    for index, place in enumerate(along):
        if place is None or (isinstance(sizes, list) and sizes[index] == 0):  # the end or the foot of a stepped line
            continue
        yield [_plain(_value(trace, field, index)) for field in fields]


def _value(trace: Plain, field: str | int, index: int) -> Any:
    if field == "name":
        return trace.get("name")
    if isinstance(field, str):
        values = trace.get(field)
        return values[index] if isinstance(values, list) and index < len(values) else None
    known = (trace.get("customdata") or [])[index : index + 1]
    if known and isinstance(known[0], list):
        return known[0][field] if field < len(known[0]) else None
    return known[0] if known and field == 0 else None


def _grid(trace: Plain, fields: Sequence[str | int]) -> Iterator[Line]:
    for y, line in zip(trace["y"], trace["z"], strict=True):
        for x, z in zip(trace["x"], line, strict=True):
            if z is not None:
                places = {"x": _plain(x), "y": _plain(y)}
                yield [*(places.get(str(field), "") for field in fields[:-1]), z]


def _plain(value: Any) -> Any:
    return unescape(value) if isinstance(value, str) else value
