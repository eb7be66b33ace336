"""The subgroups as a section of the detailed text report and as a forest plot."""

from __future__ import annotations

import textwrap

import pandas as pd
from matplotlib.figure import Figure

from analysis.evaluation.metrics import number
from analysis.evaluation.plots.forest import ForestRow, forest_figure
from analysis.evaluation.provenance import WIDTH
from analysis.evaluation.statistics.subgroups import LEAST_LABELS, LEAST_RECORDS, SEPARATOR

MOST_NAMES = 4
"""Of classes, written beside a group in the figure; the table has all."""
RULES = (
    f"AUC-ROC, mean over seeds, with 95 % intervals over patients. Suppressed: groups under {LEAST_RECORDS} records, classes with "
    f"under {LEAST_LABELS} positives or negatives in the group. The macro AUC is the mean over the classes shown; 'all' is the same "
    "classes' mean over all records. Among so many groups some stand out by chance; nothing here is a test."
)


def subgroup_lines(table: pd.DataFrame, *, model: str) -> list[str]:
    """Write the section: a block for each attribute, with a line for each group and class, then what was suppressed and why."""
    lines = [f"SUBGROUPS of {model}", *textwrap.wrap(RULES, WIDTH)]
    for attribute, rows in table.groupby("Attribute", sort=False):
        lines += ["", f"{attribute!s:<30}{'records':>8}{'patients':>9}{'n+':>6}   {'AUC':<25}{'all':>8}"]
        for row in rows[rows["Suppressed"] == ""].itertuples():
            macro = row.Class == "macro_avg"
            name = f"{row.Group}, mean of {len(row.Classes.split(SEPARATOR))}" if macro else f"  {row.Class}"
            size = f"{row.Records:>8}{row.Patients:>9}{'':>6}" if macro else f"{'':>17}{row.Positives:>6.0f}"
            lines.append(f"{name:<30}{size}   {_cell(row.AUC, row.AUC_lo, row.AUC_hi):<25}{number(row.AUC_of_all):>8}")
        for group, left_out in rows[rows["Suppressed"] != ""].groupby("Group", sort=False):
            why = ", ".join(
                row.Suppressed if row.Class == "macro_avg" else f"{row.Class} {row.Suppressed}" for row in left_out.itertuples()
            )
            size = f" ({left_out['Records'].iloc[0]} records)"
            lines += textwrap.wrap(f"suppressed: {group}{size}: {why}", WIDTH, subsequent_indent=" " * 12)
    return lines


def subgroup_figure(table: pd.DataFrame, *, model: str, note: str = "") -> Figure:
    """Draw the macro AUC of every group that has one, with its interval.

    A bar beside it marks the macro AUC of all records over the same classes.
    """
    rows = table[(table["Class"] == "macro_avg") & (table["Suppressed"] == "")]
    n_all = len(table[(table["Attribute"] == "all") & (table["Class"] != "macro_avg")])
    drawn = []
    for row in rows.itertuples():
        label = row.Group if row.Attribute == "all" else f"{str(row.Attribute).removesuffix(' (years)')}: {row.Group}"
        shown = row.Classes.split(SEPARATOR)
        names = " ".join(shown) if len(shown) <= MOST_NAMES else f"{len(shown)} classes"
        classes = "" if len(shown) == n_all else f", {names}"
        text = f"{row.AUC:.3f} [{row.AUC_lo:.3f}, {row.AUC_hi:.3f}], n = {row.Records}{classes}"
        drawn.append(ForestRow(row.Attribute, label, row.AUC, row.AUC_lo, row.AUC_hi, row.AUC_of_all, text))
    return forest_figure(
        drawn,
        axis="AUC-ROC, mean over classes (no unit)",
        note=f"Model: {model}. {note} Dots with 95 % intervals over patients; orange bars: all records, same classes. Groups without "
        f"all {n_all} classes name or count theirs (a class needs {LEAST_LABELS} positives and negatives). n = records.",
    )


def _cell(value: float, low: float, high: float) -> str:
    return f"{number(value)} [{number(low)}, {number(high)}]"
