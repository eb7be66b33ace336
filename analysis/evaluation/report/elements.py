"""What a section of the report consists of, as plain data: paragraphs, lists, tables, figures.

`templates/elements.html` has one macro for each class and turns it into HTML. Everything here is plain text; jinja2 escapes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from analysis.evaluation.metrics import supported_numbers

NUMBER = re.compile(r"[-−+<]?\d[\d.,]*( ?%)?|n/a")


@dataclass(frozen=True)
class Paragraph:
    """A paragraph.

    Attributes:
        kind: "empty" frames it as the reason why something is missing; "" is plain.
    """

    macro: ClassVar[str] = "paragraph"
    text: str
    kind: str = ""


@dataclass(frozen=True)
class Heading:
    """The title of a part of a section."""

    macro: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    macro: ClassVar[str] = "bullets"
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """A list of names, each with its text."""

    macro: ClassVar[str] = "facts"
    rows: Mapping[str, str]


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        interval: Small text below the value; "" for none.
        numeric: Align it as a number.
    """

    value: str
    interval: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: Its id in the page: the name of the CSV file without ending, where there is one.
        rows: A text that is a number or "n/a" is aligned as a number.
        caption: How to read it.
        marked: The row that begins with this text is marked; "" marks none.
    """

    macro: ClassVar[str] = "table"
    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    caption: str
    marked: str = ""

    @property
    def cells(self) -> list[list[Cell]]:
        """Turn every text of the rows into a cell."""
        return [[cell if isinstance(cell, Cell) else _text_cell(cell) for cell in row] for row in self.rows]


@dataclass(frozen=True)
class Figure:
    """A PNG file that is stored inside the page.

    Attributes:
        name: The file's name.
        caption: How to read it.
        png: Its content in base64; "" when the file was not drawn, and the page says so in its place.
        wide: As wide as the column; False takes half of it.
    """

    macro: ClassVar[str] = "figure"
    name: str
    caption: str
    png: str = ""
    wide: bool = True


Element = Paragraph | Heading | Bullets | Facts | Table | Figure


@dataclass(frozen=True)
class ReportSection:
    """A numbered section of the page.

    Attributes:
        key: Its anchor, lower-case ASCII letters.
        elements: What stands in it, from top to bottom.
    """

    key: str
    title: str
    elements: tuple[Element, ...]


def interval_cell(value: float, low: float, high: float) -> Cell:
    """Write a value and its interval below it with the decimals that the interval supports; the CSV files have four."""
    shown, start, end = supported_numbers(value, low, high)
    return Cell(shown, f"[{start}, {end}]")


def _text_cell(text: str) -> Cell:
    return Cell(text, numeric=NUMBER.fullmatch(text) is not None)
