"""The best model by diagnostic SCP statement: which kinds of infarction, block or ST change it recognises.

A statement's positives are the test records that carry it; its negatives are the records without its superclass. Records with
another statement of the superclass are in neither. The score is the probability of the superclass. A statement needs
`LEAST_LABELS` records; the ones with fewer are listed without a number.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.evaluation.metrics import number
from analysis.evaluation.plots.forest import ForestRow, forest_figure
from analysis.evaluation.predictions import ModelPredictions
from analysis.evaluation.provenance import WIDTH
from analysis.evaluation.statistics.bootstrap import percentile_interval, weighted_ranks
from analysis.evaluation.statistics.subgroups import LEAST_LABELS
from ecg_tune.data.prepared.dataset import Split
from ecg_tune.metrics import Array, auc_roc

COLUMNS = (
    *("Model", "Class", "Statement", "Positives", "Positive_patients", "Negatives", "AUC", "AUC_lo", "AUC_hi", "AUC_of_class"),
    *("Sensitivity", "Sensitivity_lo", "Sensitivity_hi", "Suppressed", "Undefined_Resamples"),
)
RULES = (
    "Positives: test records that carry the statement. Negatives: records without its superclass; other statements of the superclass "
    "are in neither. Score: the superclass' probability. Sensitivity: share of the positives found at the F1 threshold of validation. "
    f"Means over seeds, 95 % intervals over patients. Suppressed: statements on fewer than {LEAST_LABELS} test records. Among many "
    "statements some stand out by chance; nothing here is a test."
)
UNKNOWN = (
    "not available: these data were prepared without their SCP statements. `ecg-tune data prepare` of the same source into the same "
    "folder adds them and changes nothing else."
)


def statement_table(
    part: Split, superclass_of: Mapping[str, str], least: float, model: ModelPredictions, weights: Array, *, class_names: Sequence[str]
) -> pd.DataFrame:
    """Return one row a statement that occurs, by class, the frequent ones first; empty when the statements are not known.

    Args:
        superclass_of: Diagnostic statement -> superclass.
        least: The label rule's least likelihood in percent.
        weights: (n_records, n_resamples) of `analysis.evaluation.statistics.bootstrap.patient_weights`.
    """
    rows = []
    for code, member in members(part, superclass_of, least).items():
        k = list(class_names).index(superclass_of[code])
        rows.append({"Model": model.name, "Class": class_names[k], "Statement": code} | _row(part, member, k, model, weights))
    table = pd.DataFrame(rows, columns=COLUMNS)
    order = table["Class"].map({name: k for k, name in enumerate(class_names)})
    return table.assign(order=order).sort_values(["order", "Positives", "Statement"], ascending=[True, False, True]).drop(columns="order")


def members(part: Split, superclass_of: Mapping[str, str], least: float) -> dict[str, NDArray[np.bool_]]:
    """Return {diagnostic statement: (n_records,) who carries it}, those that occur."""
    found: dict[str, NDArray[np.bool_]] = {}
    for row, codes in enumerate(part.origin.statements if part.origin else ()):
        for code, likelihood in codes.items():
            if code in superclass_of and likelihood >= least:
                found.setdefault(code, np.zeros(len(part), dtype=bool))[row] = True
    return found


def _row(part: Split, member: NDArray[np.bool_], k: int, model: ModelPredictions, weights: Array) -> dict[str, object]:
    negative = part.labels[:, k] == 0
    row: dict[str, object] = {"Positives": int(member.sum()), "Negatives": int(negative.sum()), "Suppressed": ""}
    row["Positive_patients"] = len(np.unique(part.records["patient_id"][member]))
    if min(member.sum(), negative.sum()) < LEAST_LABELS:
        return row | {"Suppressed": f"under {LEAST_LABELS} {'records' if member.sum() < LEAST_LABELS else 'negatives'}"}
    kept = member | negative
    scores = [seed.test[:, k] for seed in model.seeds]
    resampled = np.mean([weighted_ranks(member[kept], score[kept], weights[kept])[0] for score in scores], axis=0)
    limits = percentile_interval(resampled)
    row |= {"AUC": np.mean([auc_roc(member[kept], score[kept]) for score in scores]), "AUC_lo": limits.low, "AUC_hi": limits.high}
    row |= {"AUC_of_class": np.mean([auc_roc(~negative, score) for score in scores]), "Undefined_Resamples": limits.n_undefined}
    hits = np.mean([(run.probabilities[:, k] >= run.thresholds[k])[member] for run in model.runs], axis=0)
    drawn = weights[member].sum(axis=0)
    share = percentile_interval(np.divide(hits @ weights[member], drawn, out=np.full(drawn.shape, np.nan), where=drawn > 0))
    return row | {"Sensitivity": hits.mean(), "Sensitivity_lo": share.low, "Sensitivity_hi": share.high}


def statement_lines(table: pd.DataFrame, *, model: str) -> list[str]:
    """Return the section's lines."""
    title = f"DIAGNOSTIC STATEMENTS, {model}"
    if table.empty:
        return [title, *textwrap.wrap(UNKNOWN, WIDTH)]
    lines = [title, *textwrap.wrap(RULES, WIDTH), ""]
    lines.append(f"{'':<7}{'':<9}{'n+':>5}{'n-':>6}   {'AUC':<25}{'class':>7}   sensitivity")
    for row in table[table["Suppressed"] == ""].itertuples():
        auc = f"{number(row.AUC)} [{number(row.AUC_lo)}, {number(row.AUC_hi)}]"
        found = f"{number(row.Sensitivity)} [{number(row.Sensitivity_lo)}, {number(row.Sensitivity_hi)}]"
        lines.append(
            f"{row.Class:<7}{row.Statement:<9}{row.Positives:>5}{row.Negatives:>6}   {auc:<25}{number(row.AUC_of_class):>7}   {found}"
        )
    if rare := [f"{row.Statement} ({row.Positives})" for row in table[table["Suppressed"] != ""].itertuples()]:
        lines += textwrap.wrap(f"suppressed: {', '.join(rare)}", WIDTH, subsequent_indent=" " * 12)
    return lines


def statement_figure(table: pd.DataFrame, *, model: str, note: str = "") -> Figure:
    """Draw every statement's AUC with its interval, by class; a bar marks the class' own AUC."""
    rows = [
        ForestRow(
            row.Class, f"{row.Class}: {row.Statement}", row.AUC, row.AUC_lo, row.AUC_hi, row.AUC_of_class,
            f"{row.AUC:.3f} [{row.AUC_lo:.3f}, {row.AUC_hi:.3f}], n+ = {row.Positives}, found {row.Sensitivity:.0%}",
        )
        for row in table[table["Suppressed"] == ""].itertuples()
    ]  # fmt: skip
    return forest_figure(
        rows,
        axis="AUC-ROC against records without the superclass (no unit)",
        note=f"Model: {model}. {note} Dots with 95 % intervals over patients; orange bars: AUC of the whole class. n+ = records with "
        "the statement; found = sensitivity at the F1 threshold of validation.",
    )
