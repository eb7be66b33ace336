"""Section "Difference to the internal test" of an external validation."""

from __future__ import annotations

import pandas as pd

from analysis.evaluation.external_difference import CLASS_METRICS, DIFFERENCE, RULES, signed
from analysis.evaluation.metrics import number
from analysis.evaluation.report.elements import Cell, Element, Paragraph, ReportSection, Table
from analysis.evaluation.report.figures import captioned_figure
from analysis.evaluation.result import EvaluationResult
from analysis.evaluation.statistics.set_difference import MACRO
from analysis.evaluation.tables import MACRO_COLUMNS


def difference_section(result: EvaluationResult) -> ReportSection:
    """Show what changes from the internal test to these records: means over classes, then AUC-ROC and F1-Score by class."""
    elements: list[Element] = [Paragraph(result.difference_note, "" if DIFFERENCE in result.tables else "empty")]
    if DIFFERENCE in result.tables:
        table = result.tables[DIFFERENCE]
        elements += [
            Paragraph(RULES),
            captioned_figure(result, f"{DIFFERENCE}.png"),
            _macro_table(result, table),
            *(_class_table(result, table, metric) for metric in CLASS_METRICS),
        ]
    return ReportSection("difference", "Difference to the internal test", tuple(elements))


def _macro_table(result: EvaluationResult, table: pd.DataFrame) -> Table:
    rows = _rows(table[table["Class"] == MACRO])
    caption = "External − internal, means over classes, at the F1 thresholds of validation; below the 95 % interval and both values."
    return Table(DIFFERENCE, ("Model", *MACRO_COLUMNS), rows, caption=caption, marked=result.best)


def _class_table(result: EvaluationResult, table: pd.DataFrame, metric: str) -> Table:
    name = next(column for column, key in MACRO_COLUMNS.items() if key == metric)
    rows = _rows(table[(table["Metric"] == metric) & (table["Class"] != MACRO)])
    columns = ("Model", *result.provenance.class_names)
    return Table(f"{DIFFERENCE}_{metric}", columns, rows, caption=f"External − internal, {name} of each class.", marked=result.best)


def _rows(table: pd.DataFrame) -> list[list[str | Cell]]:
    """Make one row for each model, with one cell for each line of the table."""
    rows = []
    for model, lines in table.groupby("Model", sort=False):
        row: list[str | Cell] = [str(model)]
        for r in lines.itertuples():
            interval = f"[{signed(r.Difference_lo)}, {signed(r.Difference_hi)}]"
            row.append(Cell(signed(r.Difference), f"{interval}\n{number(r.External)} − {number(r.Internal)}"))
        rows.append(row)
    return rows
