"""A comparison of two evaluations as text: both values beside each other, then their difference."""

from __future__ import annotations

import textwrap

import pandas as pd

from analysis.evaluation.metrics import number
from analysis.evaluation.provenance import WIDTH
from analysis.evaluation.report.paired_text import RULES, TITLES, p_text


def comparison_lines(table: pd.DataFrame) -> list[str]:
    """Write a block for each pair of models, a line for each quantity and class, then the rules.

    Args:
        table: Of `analysis.evaluation.statistics.paired_tests.paired_table`.
    """
    lines: list[str] = []
    for (a, b), rows in table.groupby(["Model_A", "Model_B"], sort=False):
        lines += [f"{a} minus {b}", f"{'':<30}{'A':>8}{'B':>8}{'A - B':>9}  {'95 % interval':<18}{'p':>7}{'p (Holm)':>10}"]
        for row in rows.itertuples():
            quantity = TITLES.get(str(row.Quantity), str(row.Quantity))
            label = quantity if row.Class == "macro_avg" else f"{quantity} {row.Class}"
            interval = f"[{number(row.Difference_lo)}, {number(row.Difference_hi)}]"
            values = f"{number(row.A):>8}{number(row.B):>8}{number(row.Difference):>9}"
            lines.append(f"{label:<30}{values}  {interval:<18}{p_text(row.P):>7}{p_text(row.P_Holm):>10}")
        lines.append("")
    return [*lines, *textwrap.wrap(RULES, WIDTH)]
