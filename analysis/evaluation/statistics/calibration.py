"""How far probabilities are from the frequencies they promise, for one class.

- ECE: the mean distance of promised and observed frequency over bins of equal numbers of records (Nguyen & O'Connor, 2015).
  It is above 0 in small samples even for perfect probabilities; "ECE_if_perfect" says how far, on these records. For the
  same reason its interval is not the bootstrap's but inverts a test (Carpenter, 1999), see `estimates`.
- Brier score: mean squared error of the probability. Skill: the part of the error that is missing against always saying the
  frequency of these records, the strictest constant prediction (1 perfect, 0 no better, negative worse).
- Slope and intercept (Cox, 1958; Van Calster et al., 2019): the logistic regression of the label on the logit. Slope 1 and
  intercept 0 are ideal; a slope below 1 is overconfident; the intercept is the one at slope 1, above 0 when the probabilities
  are too low.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm, rankdata

from analysis.evaluation.statistics.clusters import patient_sums
from analysis.retraining.platt import logistic_line, logistic_shift, logits
from ecg_tune.metrics import Array

N_BINS = 10
RESAMPLED = ("Brier", "Brier_skill")
REGRESSED = ("Slope", "Intercept")
PERFECT = "ECE_if_perfect"
MEASURES = ("ECE", *RESAMPLED, *REGRESSED)
SHARES = np.linspace(0, 1, 21)
"""Candidates for a true ECE below the measured one, as shares of it; between them the interval's end is interpolated."""
ECES = np.linspace(0, 1, 51) ** 2
"""Candidates for one above it."""
Estimate = tuple[float, float, float]


@dataclass(frozen=True)
class Calibration:
    """The measures of one prediction with what their intervals are made from.

    Attributes:
        values: {measure: value}; NaN where it is undefined.
        resamples: {measure of `RESAMPLED`: (n_resamples,)}.
        below: (n_shares, n_resamples), the ECEs that these records would show if the true distances were each of `SHARES` of
            those observed.
        above: (n_eces, n_resamples), the same if the true distance were each of `ECES` in all bins.
        influence: {measure of `REGRESSED`: (n_records,)}, each record's share in the estimate's error.
    """

    values: dict[str, float]
    resamples: dict[str, Array]
    below: Array
    above: Array
    influence: dict[str, Array]


def equal_mass_bins(probabilities: Array, n_bins: int = N_BINS) -> NDArray[np.intp]:
    """Sort records into bins 0..n_bins - 1, (n_records,): as equal in number as ties allow, equal probabilities together."""
    ranks = rankdata(probabilities)
    return np.asarray((ranks - 0.5) / len(ranks) * n_bins, dtype=np.intp)


def patient_signs(index: NDArray[np.intp], *, n_resamples: int, seed: int = 0) -> Array:
    """Toss +1 or -1 for each patient, the same for all of its records, (n_records, n_resamples)."""
    rng = np.random.default_rng(seed)
    return rng.choice((-1.0, 1.0), size=(int(index.max()) + 1, n_resamples))[index]


def calibration(positive: NDArray[np.bool_], probabilities: Array, weights: Array, signs: Array) -> Calibration:
    """Compute all measures of one class.

    Args:
        positive: (n_records,).
        probabilities: (n_records,) in [0, 1].
        weights: (n_records, n_resamples) of `analysis.evaluation.statistics.bootstrap.patient_weights`.
        signs: (n_records, n_resamples) of `patient_signs`. Random signs on the patients' errors give the errors of perfect
            probabilities (wild bootstrap: Cameron, Gelbach & Miller, 2008).
    """
    once = np.ones((len(positive), 1))
    resamples, point = (_by_weights(positive, probabilities, w) for w in (weights, once))
    gaps, errors = _gaps(positive, probabilities, once), _gaps(positive, probabilities, signs)
    equal = np.copysign(np.bincount(equal_mass_bins(probabilities), minlength=N_BINS)[:, None] / len(positive), gaps)
    below, above = _would_show(SHARES, gaps, errors), _would_show(ECES, equal, errors)
    values = {"ECE": float(np.abs(gaps).sum()), PERFECT: float(below[0].mean())} | {name: float(n[0]) for name, n in point.items()}
    influence = {}
    for name, (value, shares) in zip(REGRESSED, (_slope(positive, probabilities), _intercept(positive, probabilities)), strict=True):
        values[name], influence[name] = value, shares
    return Calibration(values, resamples, below, above, influence)


def mean_calibration(calibrations: Sequence[Calibration]) -> Calibration:
    """Average over seeds or classes; undefined in one is undefined in the mean."""
    return Calibration(
        {name: float(np.mean([item.values[name] for item in calibrations])) for name in calibrations[0].values},
        {name: np.mean([item.resamples[name] for item in calibrations], axis=0) for name in calibrations[0].resamples},
        np.mean([item.below for item in calibrations], axis=0),
        np.mean([item.above for item in calibrations], axis=0),
        {name: np.mean([item.influence[name] for item in calibrations], axis=0) for name in calibrations[0].influence},
    )


def estimates(measured: Calibration, index: NDArray[np.intp]) -> dict[str, Estimate]:
    """Compute value and 95 % interval over patients of each measure: {measure: (value, low, high)}.

    ECE: `true_eces`, widened to the measured value where chance alone would show that or more. Brier score and skill:
    percentiles of the resamples. Slope and intercept: normal, with the clustered sandwich variance (Liang & Zeger, 1986).

    Args:
        index: (n_records,) of `analysis.evaluation.statistics.clusters.patient_index`.
    """
    ece, (low, high) = measured.values["ECE"], true_eces(measured)
    result = {"ECE": (ece, low, max(ece, high))}
    for name in RESAMPLED:
        kept = measured.resamples[name][np.isfinite(measured.resamples[name])]
        low, high = np.percentile(kept, [2.5, 97.5]) if kept.size else (np.nan, np.nan)
        result[name] = (measured.values[name], float(low), float(high))
    n_patients = int(index.max()) + 1
    for name in REGRESSED:
        spread = np.sqrt(n_patients / max(n_patients - 1, 1) * np.square(patient_sums(measured.influence[name], index)).sum())
        reach = float(norm.ppf(0.975) * spread) if n_patients > 1 else np.nan
        result[name] = (measured.values[name], measured.values[name] - reach, measured.values[name] + reach)
    return result


def true_eces(measured: Calibration) -> tuple[float, float]:
    """Find the smallest and largest true ECE that the measured one does not rule out, each at 2.5 %.

    Both may lie below the measured one, which chance raises. How a true value spreads over the bins is not known, and a
    distance that is spread evenly raises the measured ECE least: below the measured value the distances shrink in proportion,
    above it they are equal.
    """
    ece = measured.values["ECE"]
    return ece * _end(ece, measured.below, 97.5, SHARES), _end(ece, measured.above, 2.5, ECES)


def _by_weights(positive: NDArray[np.bool_], probabilities: Array, weights: Array) -> dict[str, Array]:
    """Compute Brier score and skill for every weighting, (n_weightings,) each; all at once, which scikit-learn's can't do."""
    total = weights.sum(axis=0)
    frequency = positive.astype(np.float64) @ weights / total
    brier = np.square(probabilities - positive) @ weights / total
    reference = frequency * (1 - frequency)
    skill = 1 - np.divide(brier, reference, out=np.full_like(brier, np.nan), where=reference > 0)
    return {"Brier": brier, "Brier_skill": skill}


def _gaps(positive: NDArray[np.bool_], probabilities: Array, weights: Array) -> Array:
    """Split the weighted mean of promised minus observed into the shares of the bins, (n_bins, n_weightings)."""
    members = (equal_mass_bins(probabilities) == np.arange(N_BINS)[:, None]).astype(np.float64)  # (bins, records)
    return np.asarray((members * (probabilities - positive)) @ weights / len(positive), dtype=np.float64)


def _would_show(factors: Array, gaps: Array, errors: Array) -> Array:
    """Compute the ECEs that would be measured, were the true distances `factor` x `gaps`, (n_factors, n_resamples).

    Args:
        factors: (n_factors,).
        gaps: (n_bins, 1).
        errors: (n_bins, n_resamples), random.
    """
    return np.stack([np.abs(factor * gaps + errors).sum(axis=0) for factor in factors])


def _end(ece: float, shown: Array, percentile: float, candidates: Array) -> float:
    """Find the candidate that would show this ECE at a percentile."""
    return float(np.interp(ece, np.maximum.accumulate(np.percentile(shown, percentile, axis=1)), candidates))


def _slope(positive: NDArray[np.bool_], probabilities: Array) -> tuple[float, Array]:
    """Fit the slope, and each record's influence on it; NaN where no finite slope exists: one kind of record, or no overlap."""
    score = logits(probabilities)
    of_positives, of_negatives = score[positive], score[~positive]
    one_kind = min(of_positives.size, of_negatives.size) == 0
    if one_kind or of_negatives.max() <= of_positives.min() or of_positives.max() <= of_negatives.min():
        return float("nan"), np.full(len(positive), np.nan)
    slope, intercept = logistic_line(score, positive.astype(np.float64))
    design = np.column_stack([score, np.ones_like(score)])
    return slope, _influence(design, positive, expit(slope * score + intercept))[:, 0]


def _intercept(positive: NDArray[np.bool_], probabilities: Array) -> tuple[float, Array]:
    score, ones = logits(probabilities), np.ones((len(positive), 1))
    if not positive.any() or positive.all():
        return float("nan"), np.full(len(positive), np.nan)
    shift = logistic_shift(score, positive.astype(np.float64))
    return shift, _influence(ones, positive, expit(score + shift))[:, 0]


def _influence(design: Array, positive: NDArray[np.bool_], chance: Array) -> Array:
    information = (design * (chance * (1 - chance))[:, None]).T @ design
    return np.asarray((design * (positive - chance)[:, None]) @ np.linalg.inv(information), dtype=np.float64)
