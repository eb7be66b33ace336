"""The difference between two independent sets of records: like with like, and as wide as both together."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from analysis.evaluation.metrics import ECGMetrics
from analysis.evaluation.statistics.bootstrap import ThresholdedPredictions, mean_over_seeds, patient_weights
from analysis.evaluation.statistics.set_difference import MeasuredSet, difference_table

NAMES = ("MI", "CD", "HYP")
THRESHOLDS = np.array([0.5, 0.4, 0.6])


def measured(labels: np.ndarray, probabilities: np.ndarray, *, seed: int, n_resamples: int = 400) -> MeasuredSet:
    run, patients = ThresholdedPredictions(probabilities, THRESHOLDS), np.arange(len(labels)) // 2
    weights = patient_weights(patients, n_resamples=n_resamples, seed=seed)
    metrics = {"CNN1D": ECGMetrics(NAMES, THRESHOLDS).calculate_metrics(labels, probabilities)}
    return MeasuredSet(labels, patients, metrics, {"CNN1D": mean_over_seeds(labels, [run], weights)})


def simulated(n: int, *, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, 3)) < 0.4).astype(np.uint8)
    return labels, 1 / (1 + np.exp(-(rng.normal(size=(n, 3)) + shift * (labels - 0.5))))


@pytest.fixture(scope="module")
def sides() -> tuple[MeasuredSet, MeasuredSet]:
    return measured(*simulated(300, shift=1.0, seed=1), seed=0), measured(*simulated(160, shift=2.0, seed=2), seed=1)


def test_values_are_those_of_scikit_learn_and_the_difference_is_external_minus_internal(sides):
    (labels, values), (inner_labels, inner_values) = simulated(300, shift=1.0, seed=1), simulated(160, shift=2.0, seed=2)
    table = difference_table(*sides, class_names=NAMES).set_index(["Class", "Metric"])
    there, here = roc_auc_score(inner_labels[:, 1], inner_values[:, 1]), roc_auc_score(labels[:, 1], values[:, 1])
    assert table.loc[("CD", "auc_roc"), "Difference"] == pytest.approx(here - there)
    f1 = [f1_score(y, p >= THRESHOLDS, average="macro") for y, p in ((labels, values), (inner_labels, inner_values))]
    assert table.loc[("macro_avg", "f1_score"), "Difference"] == pytest.approx(f1[0] - f1[1])
    assert set(table["Classes_in_means"]) == {"MI CD HYP"}
    assert (table["Internal_Records"].iloc[0], table["Internal_Patients"].iloc[0]) == (160, 80)


def test_the_interval_is_as_wide_as_both_sides_together_and_turns_round_with_them(sides):
    table = difference_table(*sides, class_names=NAMES).set_index(["Class", "Metric"])
    row, back = table.loc[("macro_avg", "auc_roc")], difference_table(*sides[::-1], class_names=NAMES).set_index(["Class", "Metric"])
    sd = [one.resamples["CNN1D"]["auc_roc"].mean(axis=1).std() for one in sides]
    assert row["Difference_hi"] - row["Difference_lo"] == pytest.approx(2 * 1.96 * np.hypot(*sd), rel=0.1)
    assert row["Difference_hi"] < 0, "the external set is the harder one"
    assert back.loc[("macro_avg", "auc_roc"), "Difference_lo"] == pytest.approx(-row["Difference_hi"])


def test_the_interval_of_two_alike_sets_holds_zero_about_as_often_as_it_says():
    held = 0
    for k in range(100):
        pair = [measured(*simulated(120, shift=1.5, seed=1000 + 2 * k + i), seed=i, n_resamples=200) for i in (0, 1)]
        row = difference_table(*pair, class_names=NAMES).set_index(["Class", "Metric"]).loc[("macro_avg", "auc_roc")]
        held += row["Difference_lo"] <= 0 <= row["Difference_hi"]
    assert 89 <= held <= 99  # of 95 expected; 2.2 is the standard error


def test_a_class_that_one_side_lacks_has_no_difference_and_is_in_no_mean_of_either_side(sides):
    internal = sides[1]
    labels, values = simulated(300, shift=1.0, seed=1)
    labels[:, 2] = 0
    table = difference_table(measured(labels, values, seed=0), internal, class_names=NAMES).set_index(["Class", "Metric"])
    assert np.isnan(table.loc[("HYP", "f1_score"), ["Difference", "Difference_lo", "Difference_hi"]].astype(float)).all()
    inner = internal.metrics["CNN1D"]
    assert table.loc[("macro_avg", "f1_score"), "Internal"] == pytest.approx((inner["MI"]["f1_score"] + inner["CD"]["f1_score"]) / 2)
    assert set(table["Classes_in_means"]) == {"MI CD"}
