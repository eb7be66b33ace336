"""A figure of paired differences between models: one dot with its interval for each quantity, class and pair."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analysis.evaluation.statistics.paired_tests import RIGHT
from analysis.plots import COLOURS, WIDTH_IN, footer

MOST_PAIRS = len(COLOURS)
"""Pairs that are drawn; the table has all."""


def differences_figure(table: pd.DataFrame, *, note: str) -> Figure:
    """Draw the differences of AUC and F1 with their 95 % intervals, the first model minus the second.

    Args:
        table: Of `analysis.evaluation.statistics.paired_tests.paired_table`.
        note: What the numbers rest on; stands below.
    """
    rows = table[table["Quantity"] != RIGHT]
    pairs = list(dict.fromkeys(zip(rows["Model_A"], rows["Model_B"], strict=True)))[:MOST_PAIRS]
    groups = list(dict.fromkeys(zip(rows["Quantity"], rows["Class"], strict=True)))
    step, height = 1 / (len(pairs) + 1), len(groups) * (0.25 + 0.16 * len(pairs))
    figure = Figure(figsize=(WIDTH_IN, 1.6 + height), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color="0.6", linewidth=1)
    for n, (a, b) in enumerate(pairs):
        of_pair = rows[(rows["Model_A"] == a) & (rows["Model_B"] == b)]
        places = [groups.index(group) + (n + 1) * step - 0.5 for group in zip(of_pair["Quantity"], of_pair["Class"], strict=True)]
        axes.hlines(places, of_pair["Difference_lo"], of_pair["Difference_hi"], color=COLOURS[n], linewidth=1.4)
        axes.plot(of_pair["Difference"], places, "o", color=COLOURS[n], markersize=5, label=_literal(f"{a} − {b}"))
    labels = [quantity if name == "macro_avg" else f"{quantity}, {name}" for quantity, name in groups]
    axes.set_yticks(range(len(groups)), [_literal(label) for label in labels], fontsize=8)
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.set_xlabel("difference, 95 % interval (right of 0: the first is better)", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper left", fontsize=8, frameon=False, ncols=2)
    footer(figure, _literal(note))
    return figure


def _literal(text: str) -> str:
    """Keep matplotlib from reading a name as a formula."""
    return text.replace("$", r"\$")
