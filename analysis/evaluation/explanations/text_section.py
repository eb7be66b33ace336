"""The explanations as a section of the detailed text report."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.evaluation.explanations.model_explanations import N_RANDOM
from analysis.evaluation.metrics import number
from analysis.evaluation.provenance import WIDTH

RULES = (
    "Illustrative: pictures of what moved single predictions of the best signal model and the best image model (its best seed on "
    "validation); no number of this report rests on them. Integrated gradients (Sundararajan et al., 2017) against a flat line; the "
    "gap is the sum of the attributions minus the logit gained, 0 if exact. Grad-CAM (Selvaraju et al., 2017) on the last feature "
    f"maps. Rank correlation: with the same record's explanation by {N_RANDOM} networks of random weights (Adebayo et al., 2018), of "
    "absolute values, mean [lowest, highest], and of signed ones; a network whose map is flat has no ranks and is left out. Near 0 "
    "the picture depends on what was learnt; near 1 it shows the record, not the model. "
    "Predictions explained: the surest findings of two classes, the surest false alarm, the clearest miss."
)
NONE = "none: neither a signal model nor an image model was evaluated"


def explained_lines(table: pd.DataFrame) -> list[str]:
    """Write the section: how to read it, then one line for each explained prediction.

    Args:
        table: Of `model_explanations.explain`.
    """
    lines = ["EXPLANATIONS, ILLUSTRATIVE", *textwrap.wrap(RULES, WIDTH), ""]
    if table.empty:
        return [*lines, NONE]
    lines.append(f"{'':<16}{'':<22}{'case':<13}{'class':<7}{'ecg_id':>7}{'p':>8}{'gained':>9}{'gap':>9}   rank correlation, signed")
    for row in table.to_dict("records"):
        value, low, high, signed = rank_texts(row)
        ranks = f"{value} [{low}, {high}], {signed}"
        numbers = f"{row['Probability']:>8.3f}{number(row['Logit_gained']):>9}{number(row['Completeness_gap']):>9}"
        lines.append(f"{row['Model']:<16}{row['Method']:<22}{row['Case']:<13}{row['Class']:<7}{row['ecg_id']:>7}{numbers}   {ranks}")
    return lines


def rank_texts(row: Mapping[str, Any]) -> list[str]:
    """Format the rank correlations of a row: mean, lowest, highest, signed mean; "n/a" where a map has no ranks."""
    names = ("Rank_correlation", "Rank_correlation_lowest", "Rank_correlation_highest", "Rank_correlation_signed")
    return ["n/a" if pd.isna(row[name]) else f"{row[name]:.2f}" for name in names]
