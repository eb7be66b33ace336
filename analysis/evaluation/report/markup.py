"""Pieces of a static HTML page. Whatever comes in as text is escaped here; only `Section.body` and `head` are markup."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.evaluation.report.style import STYLE

NUMBER = re.compile(r"[-−+<]?\d[\d.,]*( ?%)?|n/a")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'"


@dataclass(frozen=True)
class Section:
    """A numbered part of the page.

    Attributes:
        key: The anchor, ASCII.
        title: Plain text.
        body: Trusted markup.
    """

    key: str
    title: str
    body: str


@dataclass(frozen=True)
class Cell:
    """A number with its interval, which stands below it."""

    value: str
    interval: str = ""


def render(*, title: str, head: str, sections: Sequence[Section]) -> str:
    """Return the page, which asks the network for nothing and runs no script.

    Args:
        title: Plain text for the window.
        head: Trusted markup above the sections.
    """
    links = [f'<a href="#{section.key}">{html.escape(section.title)}</a>' for section in sections]
    contents = "".join(f"<li>{link}</li>" for link in links)
    body = "".join(
        f'<section id="{section.key}"><h2>{i}. {html.escape(section.title)}</h2>{section.body}</section>'
        for i, section in enumerate(sections, start=1)
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>\n<body><header>{head}"
        f'<nav class="contents" aria-label="Contents"><h2>Contents</h2><ol>{contents}</ol></nav></header>'
        f"<main>{body}</main></body></html>\n"
    )


def paragraph(text: str, *, kind: str = "") -> str:
    """Return a paragraph of plain text; `kind` is its class."""
    return f"<p{_class(kind)}>{html.escape(text)}</p>"


def bullets(lines: Iterable[str]) -> str:
    """Return a list of plain-text items."""
    return f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ul>"


def facts(rows: Mapping[str, str]) -> str:
    """Return names with their texts."""
    return f'<dl class="facts">{"".join(f"<div><dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd></div>" for k, v in rows.items())}</dl>'


def table(name: str, columns: Sequence[str], rows: Iterable[Sequence[str | Cell]], *, caption: str, strong: str = "") -> str:
    """Return a table; cells that are a number or "n/a" are set as numbers.

    Args:
        name: Its id, the CSV file's name without ending where there is one.
        caption: How to read it.
        strong: The first cell of the row to mark.
    """
    head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in columns)
    body = "".join(f"<tr{_class('best' if strong and row[0] == strong else '')}>{''.join(map(_cell, row))}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table id="{html.escape(name)}"><caption>{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def figure(path: Path, *, caption: str, wide: bool = True) -> str:
    """Return a PNG file inside the page, with how to read it; a line in its place when it was not drawn.

    Args:
        wide: Over the whole column; False for half of it.
    """
    if not path.is_file():
        return paragraph(f"{path.name}: not drawn. {caption}", kind="empty")
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    text = html.escape(caption)
    return (
        f'<figure{_class("" if wide else "half")}><img alt="{text}" src="data:image/png;base64,{data}">'
        f"<figcaption><b>{html.escape(path.name)}</b> {text}</figcaption></figure>"
    )


def _cell(cell: str | Cell) -> str:
    if isinstance(cell, Cell):
        interval = f"<small>{html.escape(cell.interval)}</small>" if cell.interval else ""
        return f'<td class="n">{html.escape(cell.value)}{interval}</td>'
    return f"<td{_class('n' if NUMBER.fullmatch(cell) else '')}>{html.escape(cell)}</td>"


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""
