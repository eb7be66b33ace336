from __future__ import annotations

import numpy as np
import pytest

from analysis.evaluation.metrics import ECGMetrics
from analysis.evaluation.statistics.bootstrap import (
    METRIC_NAMES,
    ThresholdedPredictions,
    intervals,
    mean_over_seeds,
    patient_weights,
    percentile_interval,
    resampled_metrics,
)
from ecg_tune.errors import ConfigError, DataError

NAMES = ("NORM", "MI", "HYP")


def made_up(n_records: int = 40, seed: int = 0, decimals: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, probabilities with many ties, patient ids; every class has both kinds of record."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((n_records, 3)) < [0.5, 0.3, 0.0]).astype(np.uint8)
    labels[:2] = 1  # two positives of HYP: some resamples draw none
    probabilities = np.round(np.clip(0.4 * labels + 0.6 * rng.random((n_records, 3)), 0, 1), decimals)
    return labels, probabilities, rng.integers(0, n_records // 2, n_records)


def test_patients_are_drawn_whole_and_as_many_as_there_are() -> None:
    patients = np.array([7, 7, 3, 9, 9, 9])
    weights = patient_weights(patients, n_resamples=200, seed=1)
    assert weights.shape == (6, 200)
    assert (weights[0] == weights[1]).all()
    assert (weights[3] == weights[5]).all()
    assert (weights[0] + weights[2] + weights[3] == 3).all()


def test_resampled_metrics_equal_a_loop_over_repeated_records() -> None:
    labels, probabilities, patients = made_up()
    thresholds = np.array([0.5, 0.4, 0.7])
    weights = patient_weights(patients, n_resamples=60, seed=2)
    fast = resampled_metrics(labels, ThresholdedPredictions(probabilities, thresholds), weights)
    metrics = ECGMetrics(NAMES, thresholds)
    lost = 0
    for r in range(60):
        rows = np.repeat(np.arange(len(labels)), weights[:, r].astype(int))
        slow = metrics.calculate_metrics(labels[rows], probabilities[rows])
        for k, name in enumerate(NAMES):
            one_sided = labels[rows, k].min() == labels[rows, k].max()
            lost += one_sided
            for metric in METRIC_NAMES:
                expected = np.nan if one_sided else slow[name][metric]
                np.testing.assert_allclose(fast[metric][r, k], expected, rtol=1e-12, err_msg=f"{name} {metric}")
    assert lost > 0


def test_intervals_are_percentiles_of_the_loop_and_count_the_resamples_without_positives() -> None:
    labels, probabilities, patients = made_up()
    weights = patient_weights(patients, n_resamples=300, seed=3)
    run = ThresholdedPredictions(probabilities, np.full(3, 0.5))
    found = intervals(labels, mean_over_seeds(labels, [run], weights), class_names=NAMES)
    values = resampled_metrics(labels, run, weights)["auc_roc"]
    low, high = np.nanpercentile(values[:, 2], [2.5, 97.5])
    assert found["HYP"]["auc_roc"].low == pytest.approx(low)
    assert found["HYP"]["auc_roc"].high == pytest.approx(high)
    n_without = int((weights[labels[:, 2] == 1].sum(axis=0) == 0).sum())
    assert found["HYP"]["auc_roc"].n_undefined == n_without > 0
    assert found["macro_avg"]["auc_roc"].n_undefined == int(np.isnan(values).any(axis=1).sum())


def test_several_seeds_give_the_interval_of_their_mean_on_the_same_resamples() -> None:
    labels, first, patients = made_up()
    second = np.clip(first + 0.1, 0, 1)[:, ::-1]
    weights = patient_weights(patients, n_resamples=50, seed=4)
    runs = [ThresholdedPredictions(first, np.full(3, 0.5)), ThresholdedPredictions(second, np.full(3, 0.6))]
    both = mean_over_seeds(labels, runs, weights)
    for metric in METRIC_NAMES:
        expected = (resampled_metrics(labels, runs[0], weights)[metric] + resampled_metrics(labels, runs[1], weights)[metric]) / 2
        np.testing.assert_allclose(both[metric], expected)


def test_a_class_without_positives_has_no_auc_interval_and_does_not_spoil_the_macro_mean() -> None:
    labels, probabilities, patients = made_up()
    labels[:, 1] = 0
    weights = patient_weights(patients, n_resamples=100, seed=5)
    found = intervals(labels, mean_over_seeds(labels, [ThresholdedPredictions(probabilities, np.full(3, 0.5))], weights), class_names=NAMES)
    assert np.isnan(found["MI"]["auc_roc"].low)
    assert found["MI"]["auc_roc"].n_undefined == 100
    assert np.isfinite(found["MI"]["specificity"].low)
    assert np.isfinite(found["macro_avg"]["auc_roc"].low)
    assert found["macro_avg"]["auc_roc"].n_undefined < 100


def test_a_constant_predictor_has_an_auc_of_one_half_in_every_resample() -> None:
    labels, _, patients = made_up()
    weights = patient_weights(patients, n_resamples=100, seed=6)
    found = intervals(
        labels, mean_over_seeds(labels, [ThresholdedPredictions(np.full((40, 3), 0.3), np.full(3, 0.5))], weights), class_names=NAMES
    )
    assert (found["NORM"]["auc_roc"].low, found["NORM"]["auc_roc"].high) == (0.5, 0.5)
    assert found["NORM"]["sensitivity"].high == 0.0


def test_the_interval_holds_the_point_estimate() -> None:
    labels, probabilities, patients = made_up(300, decimals=6)
    weights = patient_weights(patients, n_resamples=500, seed=7)
    found = intervals(labels, mean_over_seeds(labels, [ThresholdedPredictions(probabilities, np.full(3, 0.5))], weights), class_names=NAMES)
    point = ECGMetrics(NAMES).calculate_metrics(labels, probabilities)
    for row in ("macro_avg", *NAMES):
        for metric in METRIC_NAMES:
            assert found[row][metric].low <= point[row][metric] <= found[row][metric].high


def test_an_interval_of_nothing_is_not_a_number() -> None:
    nothing = percentile_interval(np.full(5, np.nan))
    assert np.isnan(nothing.low)
    assert nothing.n_undefined == 5


def test_no_resample_and_no_record_are_refused() -> None:
    with pytest.raises(ConfigError, match="resamples must be 1 or more, but got 0"):
        patient_weights(np.array([1, 2]), n_resamples=0)
    with pytest.raises(DataError, match="0 records"):
        patient_weights(np.array([]))
