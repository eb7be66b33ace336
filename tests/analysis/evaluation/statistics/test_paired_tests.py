"""The paired tests against scipy, brute force and simulation; MADE-UP predictions throughout."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import roc_auc_score

from analysis.evaluation.metrics import ECGMetrics, mean_metrics
from analysis.evaluation.statistics.bootstrap import ThresholdedPredictions, mean_over_seeds, patient_weights, weighted_ranks
from analysis.evaluation.statistics.clusters import mean_standard_error
from analysis.evaluation.statistics.delong import correlated_aucs, placements
from analysis.evaluation.statistics.mcnemar import mcnemar_mid_p
from analysis.evaluation.statistics.paired_tests import AUC, RIGHT, ComparedModel, difference_p, holm, paired_table

NAMES = ("MI", "HYP")


def simulated(rng: np.random.Generator, *, n_patients: int, edge: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels (n, 2), the scores of two models (2, n, 2) and patients; equally good models unless `edge`."""
    index = np.repeat(np.arange(n_patients), rng.integers(1, 5, n_patients))
    ill = rng.normal(size=(n_patients, 2))[index]  # labels come in patients
    labels = (ill + 0.3 * rng.normal(size=ill.shape) > 0.3).astype(np.uint8)
    habit = rng.normal(size=(2, n_patients, 2))[:, index]  # and so do each model's errors
    scores = labels + 0.7 * habit + 0.5 * rng.normal(size=habit.shape)
    scores[0] += edge * labels
    return labels, 1 / (1 + np.exp(-scores)), index


def predictions(labels: np.ndarray, seeds: list[ThresholdedPredictions], weights: np.ndarray, chosen: int = 0) -> ComparedModel:
    values = mean_metrics([ECGMetrics(NAMES, seed.thresholds).calculate_metrics(labels, seed.probabilities) for seed in seeds])
    return ComparedModel(seeds, chosen, mean_over_seeds(labels, seeds, weights), values)


def table_of(labels: np.ndarray, scores: np.ndarray, index: np.ndarray, n_resamples: int = 200):
    weights = patient_weights(index, n_resamples=n_resamples)
    models = {
        name: predictions(labels, [ThresholdedPredictions(s, np.full(2, 0.6))], weights) for name, s in zip("ABCDEFG", scores, strict=False)
    }
    return paired_table(labels, index, models, class_names=NAMES)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (3, 3), (9, 2), (4, 15)])
def test_mcnemar_with_one_record_a_patient_is_fagerlands_mid_p(b: int, c: int) -> None:
    a_right, b_right = np.array([True] * b + [False] * c + [True] * 7), np.array([False] * b + [True] * c + [True] * 7)
    expected = 2 * binom.cdf(min(b, c), b + c, 0.5) - binom.pmf(min(b, c), b + c, 0.5)
    assert mcnemar_mid_p(a_right, b_right, np.arange(len(a_right))) == pytest.approx(expected)


def test_mcnemar_with_several_records_a_patient_equals_all_sign_flips_of_patients() -> None:
    rng = np.random.default_rng(0)
    index = np.repeat(np.arange(9), [1, 2, 3, 1, 4, 2, 2, 1, 3])
    a_right, b_right = rng.random(19) < 0.8, rng.random(19) < 0.4
    d = np.array([(a_right[index == i].astype(int) - b_right[index == i]).sum() for i in range(9)])
    sums = np.abs([np.dot(signs, d) for signs in product((-1, 1), repeat=9)])
    expected = (sums > abs(d.sum())).mean() + (sums == abs(d.sum())).mean() / 2
    assert mcnemar_mid_p(a_right, b_right, index) == pytest.approx(expected)
    assert expected < 1


def test_holm_is_the_step_down_rule_and_leaves_out_what_is_undefined() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, np.nan, 0.03, 0.005])), [0.03, 0.06, np.nan, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.6, 0.9])), [1.0, 1.0])
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_a_difference_without_a_standard_error_has_a_p_value_only_when_it_is_zero() -> None:
    assert difference_p(0.0, 0.0) == 1.0
    assert np.isnan(difference_p(0.2, 0.0))
    assert np.isnan(difference_p(0.2, float("nan")))
    assert difference_p(1.96, 1.0) == pytest.approx(0.05, abs=1e-4)
    assert difference_p(-1.96, 1.0) == difference_p(1.96, 1.0)


def delong_p(labels: np.ndarray, scores: np.ndarray, index: np.ndarray) -> float:
    positive = labels[:, 0].astype(bool)
    shares = np.stack([placements(positive, s[:, 0]) for s in scores])
    return difference_p(*correlated_aucs(positive, shares, index).difference(0, 1))


def bootstrap_p(labels: np.ndarray, scores: np.ndarray, index: np.ndarray) -> float:
    """Return the p value of a macro AUC row, without the rest of the table."""
    weights = patient_weights(index, n_resamples=100)
    aucs = np.array([[weighted_ranks(labels[:, k], s[:, k], weights)[0] for k in (0, 1)] for s in scores]).mean(axis=1)
    point = np.mean([[roc_auc_score(labels[:, k], s[:, k]) for k in (0, 1)] for s in scores], axis=1)
    return difference_p(point[0] - point[1], np.std(aucs[0] - aucs[1], ddof=1))


def mcnemar_p(labels: np.ndarray, scores: np.ndarray, index: np.ndarray) -> float:
    right = (scores[:, :, 0] >= 0.6) == labels[:, 0].astype(bool)
    return mcnemar_mid_p(right[0], right[1], index)


@pytest.mark.parametrize("p_value", [delong_p, bootstrap_p, mcnemar_p])
@pytest.mark.slow
def test_under_equal_models_a_test_errs_in_five_percent_of_clustered_samples(p_value: Callable[..., float]) -> None:
    rng = np.random.default_rng(1)
    found = [p_value(*simulated(rng, n_patients=80)) < 0.05 for _ in range(600)]
    assert 0.03 <= np.mean(found) <= 0.07  # 5 % ± 2.2 binomial standard errors of 600


def test_ignoring_patients_would_err_far_more_often() -> None:
    rng, wrong = np.random.default_rng(2), []
    for _ in range(300):
        labels, scores, index = simulated(rng, n_patients=80)
        wrong.append(delong_p(labels, scores, np.arange(len(index))) < 0.05)
    assert np.mean(wrong) > 0.1


def test_a_truly_better_model_is_found_and_the_interval_agrees_with_p() -> None:
    labels, scores, index = simulated(np.random.default_rng(3), n_patients=300, edge=1.0)
    table = table_of(labels, scores, index)
    assert (table["P"] < 0.05).all()
    assert (table["Difference"] > 0).all()
    normal = table[table["Quantity"] != RIGHT]
    assert ((normal["Difference_lo"] > 0) == (normal["P"] < 0.05)).all()
    np.testing.assert_allclose(table["Difference"], table["A"] - table["B"], atol=1e-12)


@pytest.mark.slow
def test_the_macro_rows_rest_on_the_same_resamples_of_both_models() -> None:
    labels, scores, index = simulated(np.random.default_rng(4), n_patients=60)
    row = table_of(labels, scores, index, 60).set_index("Quantity").loc["macro AUC-ROC"]
    weights, metrics = patient_weights(index, n_resamples=60), ECGMetrics(NAMES)
    differences = []
    for w in weights.T:
        rows = np.repeat(np.arange(len(index)), w.astype(int))
        left, right = (metrics.calculate_metrics(labels[rows], s[rows])["macro_avg"]["auc_roc"] for s in scores)
        differences.append(left - right)
    assert row["Difference_hi"] - row["Difference"] == pytest.approx(1.959964 * np.std(differences, ddof=1))


def test_a_trial_with_several_seeds_compares_the_mean_of_its_aucs_and_the_chosen_seeds_predictions() -> None:
    labels, scores, index = simulated(np.random.default_rng(5), n_patients=60)
    weights, cut = patient_weights(index, n_resamples=50), np.full(2, 0.6)
    both = [ThresholdedPredictions(scores[0], cut), ThresholdedPredictions(scores[1][::-1].copy(), cut)]
    models = {
        "A": predictions(labels, both, weights, chosen=1),
        "B": predictions(labels, [ThresholdedPredictions(scores[1], cut)], weights),
    }
    table = paired_table(labels, index, models, class_names=NAMES).set_index(["Quantity", "Class"])
    assert table.loc[(AUC, "MI"), "A"] == pytest.approx(models["A"].values["MI"]["auc_roc"])
    one_seed = ECGMetrics(NAMES, cut).calculate_metrics(labels, both[1].probabilities)
    assert table.loc[(RIGHT, "HYP"), "A"] == pytest.approx(one_seed["HYP"]["accuracy"])
    assert table.loc[(RIGHT, "HYP"), "Difference"] == pytest.approx(
        (table.loc[(RIGHT, "HYP"), "Only_A_right"] - table.loc[(RIGHT, "HYP"), "Only_B_right"]) / len(index)
    )


def test_holm_counts_the_pairs_of_one_quantity_and_class() -> None:
    labels, scores, index = simulated(np.random.default_rng(6), n_patients=60)
    noisy = [scores[0], scores[1], np.clip(scores[0] + 0.1 * np.random.default_rng(7).normal(size=scores[0].shape), 0, 1)]
    table = table_of(labels, noisy, index, 50)
    assert len(table) == 3 * (2 + 2 * len(NAMES))
    assert (table["Pairs"] == 3).all()
    group = table[(table["Quantity"] == AUC) & (table["Class"] == "MI")]
    assert group["P_Holm"].min() == pytest.approx(min(1, 3 * group["P"].min()))


def test_identical_constant_and_single_models_and_a_class_of_one_kind_are_handled() -> None:
    labels, scores, index = simulated(np.random.default_rng(8), n_patients=40)
    labels[:, 1] = 0
    constant = np.full(scores[0].shape, 0.3)
    table = (
        table_of(labels, [scores[0], scores[0], constant], index, 50).set_index(["Quantity", "Class", "Model_A", "Model_B"]).sort_index()
    )
    assert table.loc[(AUC, "MI", "A", "B"), "P"] == 1.0
    assert table.loc[("macro F1-Score", "macro_avg", "A", "B"), "P"] == 1.0
    assert table.loc[(AUC, "MI", "A", "C"), "B"] == 0.5
    assert table.loc[(AUC, "HYP"), "P"].isna().all()
    assert table.loc[("macro AUC-ROC", "macro_avg", "A", "C"), "P"] < 1
    assert len(table_of(labels, [scores[0]], index, 50)) == 0
    one_patient = table_of(labels, scores, np.zeros(len(index), np.intp), 50).set_index(["Quantity", "Class"]).sort_index()
    assert one_patient.loc[[(AUC, "MI"), ("macro AUC-ROC", "macro_avg")], "P"].isna().all()
    assert np.isnan(mean_standard_error(np.ones(3), np.zeros(3, np.intp)))
