"""Every pair of models on the same test records: is one better than chance alone would make it?

- AUC of a class: DeLong's test for clustered data (Obuchowski, 1997).
- Macro AUC and macro F1: paired bootstrap of patients, the standard error that of the resamples' differences.
- Right predictions at the validation's F1 thresholds: McNemar's test, exact with mid-p, patients kept whole. One file a model is
  compared here, the seed with the best validation macro AUC; all other rows are means over seeds.

Differences have 95 % intervals of ±1.96 standard errors, which the p values agree with; McNemar's p is exact, its interval not.
P values are adjusted by Holm (1979) over the pairs, for each quantity and class on its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from analysis.evaluation.statistics.bootstrap import ThresholdedPredictions, macro_metric
from analysis.evaluation.statistics.clusters import mean_standard_error, patient_index
from analysis.evaluation.statistics.delong import CorrelatedAucs, correlated_aucs, placements
from analysis.evaluation.statistics.mcnemar import mcnemar_mid_p
from ecg_tune.metrics import Array

DELONG, BOOTSTRAP, MCNEMAR = "DeLong, clustered", "paired patient bootstrap", "McNemar, mid-p, clustered"
MACRO = {"macro AUC-ROC": "auc_roc", "macro F1-Score": "f1_score"}
AUC, RIGHT = "AUC-ROC", "right answers"  # in the CSV since version 0.1; texts say "right predictions"
NOTHING = 1e-9  # a standard error below it is rounding


@dataclass(frozen=True)
class ComparedModel:
    """One model of a comparison, with its predictions for the test records.

    Attributes:
        seeds: One a seed, with its F1 thresholds.
        chosen: The index of the seed with the best validation macro AUC.
        resamples: `analysis.evaluation.statistics.bootstrap.mean_over_seeds` of the seeds, on the same resamples for every model.
        values: {"macro_avg" or class: {metric: value}}, the means over seeds that the tables show.
    """

    seeds: Sequence[ThresholdedPredictions]
    chosen: int
    resamples: Mapping[str, Array]
    values: Mapping[str, Mapping[str, float]]


def paired_table(
    labels: NDArray[np.generic], patient_ids: NDArray[np.generic], models: Mapping[str, ComparedModel], *, class_names: Sequence[str]
) -> pd.DataFrame:
    """Compare every pair of models, one row a pair, quantity and class; empty with one model.

    Args:
        labels: (n_records, n_classes) of 0/1.
        patient_ids: (n_records,).
        models: In the order in which a pair is written: the first minus the second.
    """
    truth, index = np.asarray(labels).astype(bool), patient_index(patient_ids)
    rows = [row for quantity in MACRO for row in _macro_rows(truth, models, quantity)]
    for k, name in enumerate(class_names):
        rows += _auc_rows(truth[:, k], k, name, models, index)
    for k, name in enumerate(class_names):
        rows += _right_rows(truth[:, k], k, name, models, index)
    columns = ["Quantity", "Class", "Model_A", "Model_B", "A", "B", "Difference", "Difference_lo", "Difference_hi", "P", "P_Holm"]
    columns += ["Pairs", "Test", "Only_A_right", "Only_B_right"]
    table = pd.DataFrame(rows, columns=columns)
    for _, group in table.groupby(["Quantity", "Class"], sort=False):
        table.loc[group.index, "P_Holm"] = holm(group["P"].to_numpy(dtype=np.float64))
        table.loc[group.index, "Pairs"] = int(group["P"].notna().sum())
    return table


def difference_p(difference: float, standard_error: float) -> float:
    """Compute the two-sided p value of a difference, were the true one zero; normal theory.

    No standard error (two identical models, two perfect ones): 1 when there is no difference, else NaN, since nothing
    estimates how far chance would reach.
    """
    if not np.isfinite([difference, standard_error]).all():
        return float("nan")
    if standard_error < NOTHING:
        return 1.0 if abs(difference) < NOTHING else float("nan")
    return float(2 * norm.sf(abs(difference) / standard_error))


def holm(p_values: Array) -> Array:
    """Adjust p values by Holm's step-down method (1979); NaN stays NaN and is not counted as a test."""
    adjusted = np.full(p_values.shape, np.nan)
    order = np.argsort(p_values)[: int(np.isfinite(p_values).sum())]  # NaN sorts last
    steps = (len(order) - np.arange(len(order))) * p_values[order]
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def _macro_rows(truth: NDArray[np.bool_], models: Mapping[str, ComparedModel], quantity: str) -> list[dict[str, object]]:
    metric = MACRO[quantity]
    resamples = {name: macro_metric(truth, model.resamples, metric) for name, model in models.items()}
    rows = []
    for a, b in combinations(models, 2):
        left, right = (models[name].values["macro_avg"][metric] for name in (a, b))
        differences = resamples[a] - resamples[b]
        kept = differences[np.isfinite(differences)]
        spread = float(kept.std(ddof=1)) if kept.size > 1 else float("nan")
        rows.append(_row(quantity, "macro_avg", a, b, left, right, left - right, spread, BOOTSTRAP))
    return rows


def _auc_rows(
    positive: NDArray[np.bool_], k: int, class_name: str, models: Mapping[str, ComparedModel], index: NDArray[np.intp]
) -> list[dict[str, object]]:
    shares = [np.mean([placements(positive, seed.probabilities[:, k]) for seed in model.seeds], axis=0) for model in models.values()]
    aucs: CorrelatedAucs = correlated_aucs(positive, np.stack(shares), index)
    rows = []
    for (i, a), (j, b) in combinations(enumerate(models), 2):
        difference, error = aucs.difference(i, j)
        rows.append(_row(AUC, class_name, a, b, float(aucs.values[i]), float(aucs.values[j]), difference, error, DELONG))
    return rows


def _right_rows(
    positive: NDArray[np.bool_], k: int, class_name: str, models: Mapping[str, ComparedModel], index: NDArray[np.intp]
) -> list[dict[str, object]]:
    right = {}
    for name, model in models.items():
        seed = model.seeds[model.chosen]
        right[name] = (seed.probabilities[:, k] >= seed.thresholds[k]) == positive
    rows = []
    for a, b in combinations(models, 2):
        apart = right[a].astype(np.float64) - right[b]
        row = _row(
            RIGHT, class_name, a, b, float(right[a].mean()), float(right[b].mean()), float(apart.mean()),
            mean_standard_error(apart, index), MCNEMAR,
        )  # fmt: skip
        counts = {"Only_A_right": int((apart > 0).sum()), "Only_B_right": int((apart < 0).sum())}
        rows.append(row | {"P": mcnemar_mid_p(right[a], right[b], index)} | counts)
    return rows


def _row(
    quantity: str, class_name: str, a: str, b: str, left: float, right: float, difference: float, error: float, test: str
) -> dict[str, object]:
    reach = float(norm.ppf(0.975)) * error
    return {
        "Quantity": quantity, "Class": class_name, "Model_A": a, "Model_B": b, "A": left, "B": right, "Difference": difference,
        "Difference_lo": difference - reach, "Difference_hi": difference + reach, "P": difference_p(difference, error), "Test": test,
    }  # fmt: skip
