"""The paired comparisons as a section of the detailed text report."""

from __future__ import annotations

import textwrap

import pandas as pd

from analysis.evaluation.metrics import number
from analysis.evaluation.provenance import WIDTH
from analysis.evaluation.statistics.paired_tests import AUC, MACRO, RIGHT

TITLES = {RIGHT: "right predictions"}  # of quantities whose name in the CSV is another one
MOST_PAIRS = 10  # nobody reads a longer list: with more pairs, only those with the chosen model are shown
RULES = (
    "Differences are the first model minus the second on the same test records, with 95 % intervals. AUC of a class: DeLong's test "
    "for records clustered in patients (Obuchowski 1997). Macro AUC and macro F1: paired bootstrap of patients, normal theory with "
    "the resamples' standard error. Right predictions at the F1 thresholds of validation: McNemar's test, exact, mid-p, each patient "
    "kept whole, of each model's best seed on validation (only 1st, only 2nd: records that one of the two has right); the other "
    "rows are means over seeds. Holm adjusts over all pairs of models, for each quantity and class on its own, not over quantities "
    "and classes. n/a: no standard error (fewer than two patients with a kind of record), or a class without positives or "
    "negatives. A test split that was opened before makes every p value too small."
)


def paired_lines(table: pd.DataFrame, *, best: str) -> list[str]:
    """Write the section; one line says so when there is no pair.

    Args:
        table: Of `analysis.evaluation.statistics.paired_tests.paired_table`.
        best: The model chosen on validation.
    """
    if table.empty:
        return ["PAIRED COMPARISONS", "none: one model was evaluated"]
    pairs = table[["Model_A", "Model_B"]].drop_duplicates()
    shown = table
    head = f"PAIRED COMPARISONS, {len(pairs)} pair{'s' if len(pairs) > 1 else ''}"
    if len(pairs) > MOST_PAIRS:
        shown = table[(table["Model_A"] == best) | (table["Model_B"] == best)]
        head += f"; shown are the {len(pairs[(pairs == best).any(axis=1)])} with {best}, all are in the CSV"
    lines = [head, *textwrap.wrap(RULES, WIDTH)]
    for quantity in (*MACRO, AUC, RIGHT):
        lines += ["", *_lines(quantity, shown[shown["Quantity"] == quantity])]
    return lines


def _lines(quantity: str, group: pd.DataFrame) -> list[str]:
    names = [f"{row.Model_A} - {row.Model_B}" for row in group.itertuples()]
    width = max(map(len, names)) + 2
    counts_head = f"{'only 1st':>10}{'only 2nd':>10}" if quantity == RIGHT else ""
    title = TITLES.get(quantity, quantity)
    lines = [f"{title + ':':<{width + 11}}{'difference':>10}  {'95 % interval':<18}{'p':>8}{'p (Holm)':>10}{counts_head}"]
    for name, row in zip(names, group.itertuples(), strict=True):
        interval = f"[{number(row.Difference_lo)}, {number(row.Difference_hi)}]"
        line = f"{row.Class:<11}{name:<{width}}{number(row.Difference):>10}  {interval:<18}{p_text(row.P):>8}{p_text(row.P_Holm):>10}"
        lines.append(line + (f"{row.Only_A_right:>10.0f}{row.Only_B_right:>10.0f}" if counts_head else ""))
    return lines


def p_text(p: float) -> str:
    """Format a p value with three decimals, "<0.001" below that, "n/a" for NaN."""
    return "n/a" if pd.isna(p) else "<0.001" if p < 0.001 else f"{p:.3f}"
