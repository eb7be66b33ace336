"""AUCs of several models on the same records, with their covariance when records come in patients.

Obuchowski (1997, Biometrics 53:567) carries the variance of DeLong, DeLong & Clarke-Pearson (1988, Biometrics 44:837) over
to clusters that hold positives, negatives or both. With one record a patient the two are equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from analysis.evaluation.statistics.clusters import patient_sums
from ecg_tune.metrics import Array


@dataclass(frozen=True)
class CorrelatedAucs:
    """AUCs that rest on the same records.

    Attributes:
        values: (n_models,); NaN where one of the two kinds of record is missing.
        covariance: (n_models, n_models) of the values; NaN unless two patients or more have each kind of record.
    """

    values: Array
    covariance: Array

    def difference(self, a: int, b: int) -> tuple[float, float]:
        """Subtract the AUC of model `b` from that of model `a`; return the difference and its standard error."""
        variance = self.covariance[a, a] + self.covariance[b, b] - 2 * self.covariance[a, b]
        return float(self.values[a] - self.values[b]), float(np.sqrt(np.maximum(variance, 0.0)))


def placements(positive: NDArray[np.bool_], scores: Array) -> Array:
    """Compute against what share of the records of the other kind each record is ranked correctly, (n_records,).

    Ties count half. DeLong's structural components; the mean over the positives, and that over the negatives, is the AUC.
    By ranks (Sun & Xu, 2014), so that no pair is formed. NaN where the other kind is missing.

    Args:
        positive: (n_records,).
        scores: (n_records,), finite.
    """
    n_positive = int(positive.sum())
    n_negative = positive.size - n_positive
    overall, shares = rankdata(scores), np.full(positive.size, np.nan)
    if n_negative:
        shares[positive] = (overall[positive] - rankdata(scores[positive])) / n_negative
    if n_positive:
        shares[~positive] = 1 - (overall[~positive] - rankdata(scores[~positive])) / n_positive
    return shares


def correlated_aucs(positive: NDArray[np.bool_], shares: Array, index: NDArray[np.intp]) -> CorrelatedAucs:
    """Compute the AUCs of several models and their covariance over patients.

    Args:
        positive: (n_records,).
        shares: (n_models, n_records) of `placements`; the mean over a model's seeds gives the AUC's mean over seeds.
        index: (n_records,) of `analysis.evaluation.statistics.clusters.patient_index`.
    """
    n_positive, n_models = int(positive.sum()), len(shares)
    n_negative = positive.size - n_positive
    undefined = np.full((n_models, n_models), np.nan)
    if n_positive == 0 or n_negative == 0:
        return CorrelatedAucs(np.full(n_models, np.nan), undefined)
    values = shares[:, positive].mean(axis=1)
    deviations = shares - values[:, None]
    of_positives, of_negatives = patient_sums(deviations * positive, index), patient_sums(deviations * ~positive, index)
    n_with, n_without = np.unique(index[positive]).size, np.unique(index[~positive]).size  # patients with a positive, a negative
    if n_with < 2 or n_without < 2:
        return CorrelatedAucs(values, undefined)
    n_patients = int(index.max()) + 1
    s10 = n_with / (n_with - 1) * of_positives @ of_positives.T / n_positive**2
    s01 = n_without / (n_without - 1) * of_negatives @ of_negatives.T / n_negative**2
    s11 = n_patients / (n_patients - 1) * of_positives @ of_negatives.T / (n_positive * n_negative)
    return CorrelatedAucs(values, np.asarray(s10 + s01 + s11 + s11.T, dtype=np.float64))
