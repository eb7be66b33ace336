"""The best model by SCP statement: which kinds of infarction, block or ST change it recognises.

Positives of a statement are the test records that carry it, negatives the records without its class. Records with only other
statements of the same class count as neither. The score is the predicted probability of the class. A statement on fewer
than `LEAST_LABELS` records is listed without a number.
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
    "Positives: test records that carry the statement. Negatives: records without its class; other statements of the class "
    "are in neither. Score: the class' probability. Sensitivity: share of the positives found at the F1 threshold of validation. "
    f"Means over seeds, 95 % intervals over patients. Suppressed: statements on fewer than {LEAST_LABELS} test records. Among many "
    "statements some stand out by chance; nothing here is a test."
)
UNKNOWN = (
    "not available: these data were prepared without their SCP statements. `ecg-tune data prepare` of the same source into the same "
    "folder adds them and changes nothing else."
)


def statement_table(
    test: Split,
    class_of: Mapping[str, str],
    min_likelihood: float,
    model: ModelPredictions,
    weights: Array,
    *,
    class_names: Sequence[str],
) -> pd.DataFrame:
    """Compute AUC and sensitivity of each statement that occurs: one row each, by class, frequent ones first.

    The table is empty when the data were prepared without statements.

    Args:
        class_of: Statement -> class.
        min_likelihood: A statement counts from this likelihood on, in percent, as in the label rule.
        weights: (n_records, n_resamples) of `analysis.evaluation.statistics.bootstrap.patient_weights`.
    """
    rows = []
    for code, carries in carriers(test, class_of, min_likelihood).items():
        k = list(class_names).index(class_of[code])
        rows.append({"Model": model.name, "Class": class_names[k], "Statement": code} | _row(test, carries, k, model, weights))
    table = pd.DataFrame(rows, columns=COLUMNS)
    order = table["Class"].map({name: k for k, name in enumerate(class_names)})
    return table.assign(order=order).sort_values(["order", "Positives", "Statement"], ascending=[True, False, True]).drop(columns="order")


def carriers(test: Split, class_of: Mapping[str, str], min_likelihood: float) -> dict[str, NDArray[np.bool_]]:
    """Map each statement that occurs and counts for a class to the records that carry it, (n_records,) of bool."""
    records_with: dict[str, NDArray[np.bool_]] = {}
    for row, codes in enumerate(test.origin.statements if test.origin else ()):
        for code, likelihood in codes.items():
            if code in class_of and likelihood >= min_likelihood:
                records_with.setdefault(code, np.zeros(len(test), dtype=bool))[row] = True
    return records_with


def _row(test: Split, carries: NDArray[np.bool_], k: int, model: ModelPredictions, weights: Array) -> dict[str, object]:
    negative = test.labels[:, k] == 0
    row: dict[str, object] = {"Positives": int(carries.sum()), "Negatives": int(negative.sum()), "Suppressed": ""}
    row["Positive_patients"] = len(np.unique(test.records["patient_id"][carries]))
    if min(carries.sum(), negative.sum()) < LEAST_LABELS:
        return row | {"Suppressed": f"under {LEAST_LABELS} {'records' if carries.sum() < LEAST_LABELS else 'negatives'}"}
    kept = carries | negative
    scores = [seed.test[:, k] for seed in model.seeds]
    resampled = np.mean([weighted_ranks(carries[kept], score[kept], weights[kept])[0] for score in scores], axis=0)
    limits = percentile_interval(resampled)
    row |= {"AUC": np.mean([auc_roc(carries[kept], score[kept]) for score in scores]), "AUC_lo": limits.low, "AUC_hi": limits.high}
    row |= {"AUC_of_class": np.mean([auc_roc(~negative, score) for score in scores]), "Undefined_Resamples": limits.n_undefined}
    hits = np.mean([(run.probabilities[:, k] >= run.thresholds[k])[carries] for run in model.at_f1_thresholds], axis=0)
    n_resampled = weights[carries].sum(axis=0)
    share = percentile_interval(
        np.divide(hits @ weights[carries], n_resampled, out=np.full(n_resampled.shape, np.nan), where=n_resampled > 0)
    )
    return row | {"Sensitivity": hits.mean(), "Sensitivity_lo": share.low, "Sensitivity_hi": share.high}


def statement_lines(table: pd.DataFrame, *, model: str) -> list[str]:
    """Write the section of the detailed text report."""
    title = f"STATEMENTS, {model}"
    if table.empty:
        return [title, *textwrap.wrap(UNKNOWN, WIDTH)]
    lines = [title, *textwrap.wrap(RULES, WIDTH), ""]
    wide, code = (max(map(len, table[column]), default=0) + 2 for column in ("Class", "Statement"))
    lines.append(f"{'':<{wide}}{'':<{code}}{'n+':>5}{'n-':>6}   {'AUC':<25}{'class':>7}   sensitivity")
    for row in table[table["Suppressed"] == ""].itertuples():
        auc = f"{number(row.AUC)} [{number(row.AUC_lo)}, {number(row.AUC_hi)}]"
        found = f"{number(row.Sensitivity)} [{number(row.Sensitivity_lo)}, {number(row.Sensitivity_hi)}]"
        named = f"{row.Class:<{wide}}{row.Statement:<{code}}{row.Positives:>5}{row.Negatives:>6}"
        lines.append(f"{named}   {auc:<25}{number(row.AUC_of_class):>7}   {found}")
    if rare := [f"{row.Statement} ({row.Positives})" for row in table[table["Suppressed"] != ""].itertuples()]:
        lines += textwrap.wrap(f"suppressed: {', '.join(rare)}", WIDTH, subsequent_indent=" " * 12)
    return lines


def statement_figure(table: pd.DataFrame, *, model: str, note: str = "") -> Figure:
    """Draw the AUC of every statement with its interval, class by class; a bar marks the AUC of the whole class."""
    rows = [
        ForestRow(
            row.Class, f"{row.Class}: {row.Statement}", row.AUC, row.AUC_lo, row.AUC_hi, row.AUC_of_class,
            f"{row.AUC:.3f} [{row.AUC_lo:.3f}, {row.AUC_hi:.3f}], n+ = {row.Positives}, found {row.Sensitivity:.0%}",
        )
        for row in table[table["Suppressed"] == ""].itertuples()
    ]  # fmt: skip
    return forest_figure(
        rows,
        axis="AUC-ROC against records without the class (no unit)",
        note=f"Model: {model}. {note} Dots with 95 % intervals over patients; orange bars: AUC of the whole class. n+ = records with "
        "the statement; found = sensitivity at the F1 threshold of validation.",
    )
