"""Patient-cluster bootstrap of every metric, all resamples at once.

Patients, not records, are resampled with replacement: records of one patient are alike, and intervals that ignore this are too
narrow (Field & Welsh, 2007). A resample is a weight for every record, the number of times its patient occurs, so that a
metric of 1000 resamples is a few matrix operations. That is why the metrics are not scikit-learn's here: its functions take one
weighting at a time, and 1000 resamples of 30 models would take hours. Intervals are 95 % percentile intervals.

A resample that holds no positive (or no negative) of a class says nothing about that class: NaN there, skipped by the
percentiles and counted. A class that is so in the full sample keeps the conventions of `ecg_tune.metrics` in all resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg_tune.errors import ConfigError, DataError
from ecg_tune.metrics import NEED_POSITIVES, Array, class_rates

RANK_METRICS = ("auc_roc", "auc_pr")
METRIC_NAMES = ("sensitivity", "specificity", "precision", "npv", "f1_score", "accuracy", *RANK_METRICS)


@dataclass(frozen=True)
class Interval:
    """A 95 % percentile interval.

    Attributes:
        low, high: NaN when no resample gave a value.
        n_undefined: Resamples that gave none.
    """

    low: float
    high: float
    n_undefined: int


@dataclass(frozen=True)
class ThresholdedPredictions:
    """The predictions of one trained model (one seed of one retrained trial) and the thresholds that turn them into yes or no.

    Attributes:
        probabilities: (n_records, n_classes) in [0, 1].
        thresholds: (n_classes,); positive at probability >= threshold.
    """

    probabilities: Array
    thresholds: Array


def patient_weights(patient_ids: NDArray[np.generic], *, n_resamples: int = 1000, seed: int = 0) -> Array:
    """Resample patients with replacement; return how often each record's patient occurs in each resample, (n_records, n_resamples).

    Args:
        patient_ids: (n_records,), equal for records of one patient.
    """
    if n_resamples < 1:
        raise ConfigError(f"bootstrap resamples must be 1 or more, but got {n_resamples}; 1000 is the default")
    if len(patient_ids) == 0:
        raise DataError("the bootstrap got 0 records: evaluate on a split that holds some")
    patients, index = np.unique(patient_ids, return_inverse=True)
    draws = np.random.default_rng(seed).multinomial(len(patients), np.full(len(patients), 1 / len(patients)), size=n_resamples)
    return np.ascontiguousarray(draws.T[index], dtype=np.float64)


def weighted_ranks(labels: NDArray[np.generic], scores: Array, weights: Array) -> tuple[Array, Array]:
    """Compute AUC-ROC and average precision of one class in every resample, (n_resamples,) each.

    Weighted forms of `ecg_tune.metrics.auc_roc` (Mann-Whitney, ties half) and `average_precision` (step-wise).

    Args:
        labels: (n_records,) of 0/1.
        scores: (n_records,).
        weights: (n_records, n_resamples), not negative.
    """
    positive = np.asarray(labels).astype(bool)
    order = np.argsort(-scores, kind="stable")
    pos, neg = order[positive[order]], order[~positive[order]]
    zero = np.zeros((1, weights.shape[1]))
    seen_neg = np.concatenate([zero, np.cumsum(weights[neg], axis=0)])
    w_pos = weights[pos]
    seen_pos = np.concatenate([zero, np.cumsum(w_pos, axis=0)])
    above = seen_neg[np.searchsorted(-scores[neg], -scores[pos], side="left")]
    not_below = seen_neg[np.searchsorted(-scores[neg], -scores[pos], side="right")]
    hits = seen_pos[np.searchsorted(-scores[pos], -scores[pos], side="right")]
    n_pos, n_neg = seen_pos[-1], seen_neg[-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        beaten = np.einsum("ir,ir->r", w_pos, n_neg - (above + not_below) / 2)
        precision = np.divide(hits, hits + not_below, out=np.zeros_like(hits), where=hits > 0)
        auc = beaten / (n_pos * n_neg)
        ap = np.einsum("ir,ir->r", w_pos, precision) / n_pos
    return auc, ap


def resampled_metrics(
    labels: NDArray[np.generic], predictions: ThresholdedPredictions, weights: Array, *, ranks: bool = True
) -> dict[str, Array]:
    """Compute every metric of `METRIC_NAMES` in every resample, (n_resamples, n_classes) each.

    Args:
        labels: (n_records, n_classes) of 0/1.
        weights: (n_records, n_resamples) of `patient_weights`.
        ranks: False leaves out `RANK_METRICS`, which do not depend on the thresholds and take most of the time.
    """
    truth = np.asarray(labels).astype(bool)
    positive = predictions.probabilities >= predictions.thresholds
    cells = [truth & positive, ~truth & positive, truth & ~positive, ~truth & ~positive]
    counts = np.stack([weights.T @ cell.astype(np.float64) for cell in cells], axis=-1)  # (n_resamples, n_classes, 4)
    values = class_rates(np.rint(counts).astype(np.int64))
    if ranks:
        pairs = [weighted_ranks(truth[:, k], predictions.probabilities[:, k], weights) for k in range(truth.shape[1])]
        values |= {name: np.stack([pair[i] for pair in pairs], axis=1) for i, name in enumerate(RANK_METRICS)}
    n_positive = counts[..., 0] + counts[..., 2]
    one_sided = (n_positive == 0) | (n_positive == weights.sum(axis=0)[:, None])
    usable = truth.any(axis=0) & ~truth.all(axis=0)
    return {name: np.where(one_sided & usable, np.nan, numbers) for name, numbers in values.items()}


def percentile_interval(values: Array) -> Interval:
    """Take the 2.5 and 97.5 percentiles of (n_resamples,) values, NaN skipped."""
    kept = values[np.isfinite(values)]
    if kept.size == 0:
        return Interval(float("nan"), float("nan"), values.size)
    low, high = np.percentile(kept, [2.5, 97.5])
    return Interval(float(low), float(high), int(values.size - kept.size))


def macro_of_resamples(values: Array, *, defined: NDArray[np.bool_]) -> Array:
    """Average over classes in every resample, (n_resamples,); NaN where a class that counts has no value.

    Args:
        values: (n_resamples, n_classes).
        defined: (n_classes,), the classes that the full sample's macro mean counts.
    """
    if not defined.any():
        return np.full(len(values), np.nan)
    return np.asarray(values[:, defined].mean(axis=1), dtype=np.float64)


def mean_over_seeds(
    labels: NDArray[np.generic],
    seeds: Sequence[ThresholdedPredictions],
    weights: Array,
    *,
    known_ranks: Mapping[str, Array] | None = None,
) -> dict[str, Array]:
    """Average every metric over the seeds, resample by resample, (n_resamples, n_classes) each.

    Args:
        seeds: One a seed, on the same records; all are resampled alike.
        known_ranks: What this function returned for the same probabilities at other thresholds: its `RANK_METRICS` are taken over.
    """
    every = [resampled_metrics(labels, seed, weights, ranks=known_ranks is None) for seed in seeds]
    mean = {name: np.asarray(sum(one[name] for one in every) / len(seeds), dtype=np.float64) for name in every[0]}
    return mean if known_ranks is None else mean | {name: known_ranks[name] for name in RANK_METRICS}


def macro_metric(labels: NDArray[np.generic], values: Mapping[str, Array], metric: str) -> Array:
    """Average one metric over classes in every resample, (n_resamples,): over the classes that the full sample's macro mean counts.

    Args:
        labels: (n_records, n_classes) of 0/1.
        values: Of `mean_over_seeds`.
    """
    n_positive = np.asarray(labels).astype(np.int64).sum(axis=0)
    everything: NDArray[np.bool_] = np.full(n_positive.shape, True)
    counted = dict.fromkeys((*NEED_POSITIVES, "auc_pr"), n_positive > 0) | {"auc_roc": (n_positive > 0) & (n_positive < len(labels))}
    return macro_of_resamples(values[metric], defined=counted.get(metric, everything))


def intervals(labels: NDArray[np.generic], values: Mapping[str, Array], *, class_names: Sequence[str]) -> dict[str, Mapping[str, Interval]]:
    """Compute the intervals of all metrics: {"macro_avg" | class name: {metric: Interval}}.

    Args:
        labels: (n_records, n_classes) of 0/1.
        values: Of `mean_over_seeds`.
    """
    limits: dict[str, Mapping[str, Interval]] = {
        "macro_avg": {name: percentile_interval(macro_metric(labels, values, name)) for name in METRIC_NAMES}
    }
    for k, class_name in enumerate(class_names):
        limits[class_name] = {name: percentile_interval(values[name][:, k]) for name in METRIC_NAMES}
    return limits
