"""The 95 % intervals hold the truth about as often as they say: simulated test splits with several records a patient.

`benchmarks/interval_coverage.py` does the same at the size of a real test split, for the paired tests too.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from analysis.evaluation.statistics.bootstrap import (
    ThresholdedPredictions,
    macro_metric,
    mean_over_seeds,
    patient_weights,
    percentile_interval,
)

N_PATIENTS, N_RESAMPLES = 150, 250
PREVALENCE, DISTANCE, CUT = np.array([0.45, 0.25]), np.array([2.0, 1.5]), 0.9
HABIT, NOISE = 0.8, 0.6  # standard deviations of a model's error on a patient and on a record
THRESHOLDS = np.full(2, 1 / (1 + np.exp(-CUT)))


def truth() -> dict[str, float]:
    """Return macro AUC and F1 of infinitely many patients, in closed form (binormal model)."""
    spread = np.hypot(HABIT, NOISE)
    positive, alarms = PREVALENCE * norm.sf((CUT - DISTANCE) / spread), (1 - PREVALENCE) * norm.sf(CUT / spread)
    f1 = 2 * positive / (positive + alarms + PREVALENCE)
    return {"auc_roc": float(norm.cdf(DISTANCE / (np.sqrt(2) * spread)).mean()), "f1_score": float(f1.mean())}


def simulated(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, probabilities and patients; labels and errors of a patient are alike."""
    patients = np.repeat(np.arange(N_PATIENTS), rng.integers(1, 5, N_PATIENTS))
    latent = 0.9 * rng.normal(size=(N_PATIENTS, 2))[patients] + np.sqrt(0.19) * rng.normal(size=(len(patients), 2))
    labels = (latent > norm.isf(PREVALENCE)).astype(np.uint8)
    error = HABIT * rng.normal(size=(N_PATIENTS, 2))[patients] + NOISE * rng.normal(size=latent.shape)
    return labels, 1 / (1 + np.exp(-(DISTANCE * labels + error))), patients


def held(labels: np.ndarray, probabilities: np.ndarray, patients: np.ndarray, seed: int) -> list[bool]:
    """Return whether the intervals of macro AUC and of macro F1 hold the truth."""
    values = mean_over_seeds(
        labels, [ThresholdedPredictions(probabilities, THRESHOLDS)], patient_weights(patients, n_resamples=N_RESAMPLES, seed=seed)
    )
    limits = {metric: percentile_interval(macro_metric(labels, values, metric)) for metric in truth()}
    return [limits[metric].low <= value <= limits[metric].high for metric, value in truth().items()]


def coverage(n_sets: int, *, torn: bool) -> np.ndarray:
    """Return the shares of intervals that hold macro AUC and macro F1, patients kept whole or torn apart."""
    rng = np.random.default_rng(11)
    sets = [simulated(rng) for _ in range(n_sets)]
    return np.mean([held(*one[:2], np.arange(len(one[2])) if torn else one[2], seed) for seed, one in enumerate(sets)], axis=0)


@pytest.mark.slow
def test_intervals_over_patients_hold_the_truth_in_93_to_97_percent() -> None:
    whole = coverage(600, torn=False)
    assert ((whole >= 0.93) & (whole <= 0.97)).all(), whole


def test_intervals_over_records_hold_it_too_seldom() -> None:
    torn = coverage(100, torn=True)
    assert (torn < 0.92).all(), torn
