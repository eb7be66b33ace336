"""Section "Paired comparisons": differences between models on the same test records, with intervals and tests."""

from __future__ import annotations

import pandas as pd

from analysis.evaluation.metrics import number
from analysis.evaluation.report.elements import Cell, Element, Paragraph, ReportSection, Table
from analysis.evaluation.report.paired_text import MOST_PAIRS, RULES, TITLES, p_text
from analysis.evaluation.result import PAIRED, EvaluationResult
from analysis.evaluation.statistics.paired_tests import AUC, MACRO, RIGHT

KEY, TITLE = "paired", "Paired comparisons"
GROUPS = {"_macro": (MACRO, "Quantity"), "_auc": ((AUC,), "Class"), "_right": ((RIGHT,), "Class")}
"""Ending of a table's id -> the quantities in it, and what its columns are."""


def paired_section(result: EvaluationResult) -> ReportSection:
    """Compare the models in pairs, one row a pair; of many pairs only those with the chosen model are shown."""
    comparisons = result.tables[PAIRED]
    if comparisons.empty:
        return ReportSection(KEY, TITLE, (Paragraph("None: one model was evaluated.", "empty"),))
    n_pairs = len(comparisons[["Model_A", "Model_B"]].drop_duplicates())
    elements: list[Element] = [Paragraph(RULES)]
    if n_pairs > MOST_PAIRS:
        comparisons = comparisons[(comparisons["Model_A"] == result.best) | (comparisons["Model_B"] == result.best)]
        elements.append(Paragraph(f"{n_pairs} pairs: shown are those with {result.best}; {PAIRED}.csv has all.", "empty"))
    for ending, (quantities, column) in GROUPS.items():
        rows = comparisons[comparisons["Quantity"].isin(list(quantities))]
        tests = ", ".join(rows["Test"].unique())
        titles = ", ".join(TITLES.get(quantity, quantity) for quantity in quantities)
        caption = f"{titles}: difference, 95 % interval, p after Holm (p before). Test: {tests}."
        columns = ("First − second", *rows[column].unique())
        elements.append(Table(f"{PAIRED}{ending}", columns, _rows(rows, column), caption=caption))
    return ReportSection(KEY, TITLE, tuple(elements))


def _rows(comparisons: pd.DataFrame, column: str) -> list[list[str | Cell]]:
    """Make one row for each pair, with one cell for every value of `column`."""
    rows = []
    for (a, b), group in comparisons.groupby(["Model_A", "Model_B"], sort=False):
        row: list[str | Cell] = [f"{a} − {b}"]
        for r in group.set_index(column).loc[list(comparisons[column].unique())].itertuples():
            interval = f"[{number(r.Difference_lo)}, {number(r.Difference_hi)}]"
            row.append(Cell(number(r.Difference), f"{interval}\np {p_text(r.P_Holm)} ({p_text(r.P)})"))
        rows.append(row)
    return rows
