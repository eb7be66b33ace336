"""The elements of the report's sections, as data and as HTML."""

from __future__ import annotations

from typing import get_args

import pytest

from analysis.evaluation.report.elements import (
    Bullets,
    Cell,
    Element,
    Facts,
    Figure,
    Heading,
    Paragraph,
    ReportSection,
    Table,
    interval_cell,
)
from analysis.evaluation.report.page import PACKAGE
from analysis.templating import render

ATTACK = "<i a='1'>&\""
ELEMENTS: dict[str, Element] = {
    "paragraph": Paragraph(ATTACK, "empty"),
    "heading": Heading(ATTACK),
    "bullets": Bullets((ATTACK, ATTACK)),
    "facts": Facts({ATTACK: ATTACK}),
    "table": Table("name", [ATTACK], [[ATTACK], [Cell(ATTACK, ATTACK)]], caption=ATTACK, marked=ATTACK),
    "figure": Figure(ATTACK, ATTACK, "iVBORw0="),
    "figure that was not drawn": Figure(ATTACK, ATTACK),
}


def html_of(*elements: Element) -> str:
    return render(PACKAGE, "section.html", number=1, section=ReportSection("key", "Title", elements))


def test_every_kind_of_element_is_tried_here() -> None:
    assert {type(element) for element in ELEMENTS.values()} == set(get_args(Element))


@pytest.mark.parametrize("element", ELEMENTS.values(), ids=ELEMENTS)
def test_every_text_of_an_element_is_escaped(element: Element) -> None:
    html = html_of(element)
    assert ATTACK not in html
    assert "<i " not in html
    assert "&lt;i a=&#39;1&#39;&gt;&amp;&#34;" in html


def test_numbers_are_aligned_and_words_are_not() -> None:
    row = ["1", "-0.5", "n/a", "12,345", "<0.001", "45 %", "CNN1D", "", "1 of 2", Cell("", "under 10 records")]
    (cells,) = Table("t", ["c"] * len(row), [row], caption="").cells
    assert [cell.numeric for cell in cells] == [True] * 6 + [False] * 3 + [True]


def test_an_interval_stands_below_its_value_and_keeps_its_lines() -> None:
    assert interval_cell(0.5, float("nan"), 0.75) == Cell("0.5000", "[n/a, 0.7500]")
    assert interval_cell(0.84349, 0.8121, 0.8742) == Cell("0.843", "[0.812, 0.874]")
    assert interval_cell(0.5, 0.2, 0.81) == Cell("0.50", "[0.20, 0.81]")
    assert interval_cell(0.912345, 0.91122, 0.91348) == Cell("0.9123", "[0.9112, 0.9135]")
    assert interval_cell(1.0, 1.0, 1.0) == Cell("1.0000", "[1.0000, 1.0000]")
    table = Table("t", ["c"], [[Cell("0.5", "[0, 1]\np 0.3")]], caption="")
    assert '<td class="n">0.5<small>[0, 1]\np 0.3</small></td>' in html_of(table)


def test_only_the_marked_row_is_marked() -> None:
    table = Table("t", ["Model"], [["a"], ["b"]], caption="", marked="b")
    assert '<tr><td>a</td></tr>\n<tr class="best"><td>b</td></tr>' in html_of(table)
    assert 'class="best"' not in html_of(Table("t", ["Model"], [[""], ["b"]], caption=""))


def test_two_narrow_figures_have_no_space_between_them_that_would_part_them() -> None:
    narrow = Figure("x.png", "c", "iVBORw0=", wide=False)
    assert '</figure><figure class="half">' in html_of(narrow, narrow)
