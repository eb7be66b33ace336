"""Calibration measures, Platt scaling and thresholds against scikit-learn, loops and simulation; MADE-UP predictions throughout."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from analysis.evaluation.statistics.bootstrap import patient_weights
from analysis.evaluation.statistics.calibration import (
    ECES,
    MEASURES,
    N_BINS,
    PERFECT,
    SHARES,
    calibration,
    equal_mass_bins,
    estimates,
    mean_calibration,
    patient_signs,
)
from analysis.retraining.platt import logits, platt_parameters, platt_scaled
from analysis.retraining.thresholds import sensitivity_thresholds
from ecg_tune.errors import ConfigError


def made_up(
    n_patients: int, seed: int = 0, *, slope: float = 0.7, shift: float = 0.3, most: int = 3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, probabilities and patients; the true logit is `slope` x the stated one + `shift`, labels alike in a patient."""
    rng = np.random.default_rng(seed)
    index = np.repeat(np.arange(n_patients), rng.integers(1, most + 1, n_patients))
    score = 1.2 * rng.normal(size=n_patients)[index] + 0.8 * rng.normal(size=len(index)) - 1
    luck = np.where(rng.random(len(index)) < 0.5, rng.random(n_patients)[index], rng.random(len(index)))
    return luck < expit(slope * score + shift), expit(score), index


def measured(positive: np.ndarray, probabilities: np.ndarray, index: np.ndarray, n_resamples: int = 300, seed: int = 0):
    weights = patient_weights(index, n_resamples=n_resamples, seed=seed)
    return calibration(positive, probabilities, weights, patient_signs(index, n_resamples=n_resamples, seed=seed))


def test_brier_slope_and_intercept_equal_scikit_learn() -> None:
    positive, probabilities, index = made_up(300)
    values = measured(positive, probabilities, index).values
    assert values["Brier"] == pytest.approx(brier_score_loss(positive, probabilities))
    base = brier_score_loss(positive, np.full(len(positive), positive.mean()))
    assert values["Brier_skill"] == pytest.approx(1 - values["Brier"] / base)
    score = logit(probabilities)
    regression = LogisticRegression(C=np.inf, tol=1e-10).fit(score[:, None], positive)
    assert values["Slope"] == pytest.approx(regression.coef_[0, 0], rel=1e-5)
    residual = (positive - expit(score + values["Intercept"])).sum()  # the intercept's own equation
    assert residual == pytest.approx(0, abs=1e-6)


def test_ece_equals_a_loop_over_bins_of_equal_size() -> None:
    positive, probabilities, index = made_up(200)
    order = np.argsort(probabilities)
    n, expected = len(order), 0.0
    for b in range(N_BINS):
        rows = [r for place, r in enumerate(order) if int((place + 0.5) / n * N_BINS) == b]
        expected += len(rows) / n * abs(probabilities[rows].mean() - positive[rows].mean())
        assert abs(len(rows) - n / N_BINS) <= 1
    assert measured(positive, probabilities, index).values["ECE"] == pytest.approx(expected)


def test_equal_probabilities_stay_in_one_bin_so_that_the_order_of_records_does_not_matter() -> None:
    assert set(equal_mass_bins(np.full(50, 0.3))) == {5}
    bins = equal_mass_bins(np.repeat([0.1, 0.2, 0.9], [30, 5, 15]))
    assert len(set(bins[:30])) == len(set(bins[30:35])) == len(set(bins[35:])) == 1
    assert bins[0] < bins[30] < bins[40]


def test_resamples_equal_a_loop_over_repeated_records() -> None:
    positive, probabilities, index = made_up(60)
    weights = patient_weights(index, n_resamples=20)
    found = measured(positive, probabilities, index, 20)
    for r, w in enumerate(weights.T):
        rows = np.repeat(np.arange(len(index)), w.astype(int))
        y, p = positive[rows], probabilities[rows]
        assert found.resamples["Brier"][r] == pytest.approx(np.mean((p - y) ** 2))


def test_the_eces_behind_the_interval_equal_a_loop_over_patients_whose_errors_change_sign() -> None:
    positive, probabilities, index = made_up(60)
    signs, bins = patient_signs(index, n_resamples=20), equal_mass_bins(probabilities)
    found, error = measured(positive, probabilities, index, 20), probabilities - positive
    members = [bins == b for b in range(N_BINS)]
    for r in range(20):
        assert len({(patient, sign) for patient, sign in zip(index, signs[:, r], strict=True)}) == 60
        turned = error * signs[:, r]
        below = [abs(SHARES[7] * error[m].sum() + turned[m].sum()) / len(index) for m in members]
        above = [abs(ECES[9] * np.sign(error[m].sum()) * m.sum() + turned[m].sum()) / len(index) for m in members]
        assert found.below[7, r] == pytest.approx(sum(below))
        assert found.above[9, r] == pytest.approx(sum(above))


@pytest.mark.slow
def test_intervals_cover_the_truth_in_clustered_samples() -> None:
    positive, probabilities, index = made_up(200_000, seed=99)
    truth = calibration(positive, probabilities, np.ones((len(index), 1)), np.ones((len(index), 1))).values
    hits = dict.fromkeys(MEASURES, 0)
    for i in range(500):
        sample = made_up(200, seed=i)
        for name, (_, low, high) in estimates(measured(*sample, n_resamples=200, seed=i), sample[2]).items():
            hits[name] += low <= truth[name] <= high
    for name, count in hits.items():
        assert 0.92 <= count / 500 <= 0.98, name


@pytest.mark.slow
def test_the_ece_of_perfect_probabilities_is_what_was_foretold_and_its_interval_starts_at_zero() -> None:
    seen, foretold, from_zero = [], [], 0
    for i in range(200):
        sample = made_up(150, seed=i, slope=1, shift=0)
        found = measured(*sample, n_resamples=200, seed=i)
        seen.append(found.values["ECE"])
        foretold.append(found.values[PERFECT])
        from_zero += estimates(found, sample[2])["ECE"][1] == 0
    assert np.mean(seen) > 0.03
    assert np.mean(foretold) == pytest.approx(np.mean(seen), rel=0.1)
    assert from_zero >= 185


def test_platt_scaling_equals_scikit_learn_on_platts_targets_and_restores_calibration() -> None:
    positive, probabilities, _ = made_up(3000, slope=0.5, shift=0.6)
    found = platt_parameters(positive[:, None], probabilities[:, None])
    n_positive, n_negative = positive.sum(), (~positive).sum()
    targets = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    twice = np.tile(logit(probabilities), 2)[:, None]
    labels, weights = np.repeat([1, 0], len(positive)), np.concatenate([targets, 1 - targets])
    regression = LogisticRegression(C=np.inf, tol=1e-10).fit(twice, labels, sample_weight=weights)
    np.testing.assert_allclose(found[0], [regression.coef_[0, 0], regression.intercept_[0]], rtol=1e-4)
    fresh, stated, index = made_up(3000, seed=1, slope=0.5, shift=0.6)
    before, after = (measured(fresh, p, index, 20).values for p in (stated, platt_scaled(stated[:, None], found)[:, 0]))
    assert before["Slope"] < 0.6
    assert after["Slope"] == pytest.approx(1, abs=0.12)
    assert after["Brier"] < before["Brier"]


def test_platt_scaling_is_finite_for_separated_constant_and_one_sided_classes() -> None:
    labels = np.repeat([[1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]], 10, axis=0)
    probabilities = np.repeat([[0.9, 0.3, 0.2], [0.8, 0.3, 0.4], [0.2, 0.3, 0.1], [0.1, 0.3, 0.7]], 10, axis=0)
    found = platt_parameters(labels, probabilities)
    assert np.isfinite(found).all()
    assert found[0, 0] > 0
    scaled = platt_scaled(probabilities, found)
    np.testing.assert_allclose(scaled[:, 1], 0.5)
    np.testing.assert_allclose(scaled[:, 2], probabilities[:, 2])
    assert np.isfinite(logits(np.array([0.0, 1.0]))).all()


def test_measures_without_a_value_are_nan_and_the_others_stay() -> None:
    index, probabilities = np.arange(6), np.array([0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    separated = measured(probabilities > 0.5, probabilities, index, 50)
    assert np.isnan(separated.values["Slope"])
    assert np.isfinite(separated.values["Intercept"])
    absent = estimates(measured(np.zeros(6, bool), probabilities, index, 50), index)
    assert np.isnan(absent["Brier_skill"]).all()
    assert np.isnan(absent["Intercept"][0])
    assert np.isfinite(absent["Brier"]).all()
    constant = measured(np.array([1, 0, 1, 0, 0, 0], bool), np.full(6, 0.3), index, 50)
    assert np.isnan(constant.values["Slope"])
    assert constant.values["ECE"] == pytest.approx(2 / 6 - 0.3)
    one_patient = estimates(measured(np.array([1, 0, 1, 0, 1, 0], bool), probabilities, np.zeros(6, np.intp), 50), np.zeros(6, np.intp))
    assert np.isfinite(one_patient["Slope"][0])
    assert np.isnan(one_patient["Slope"][1:]).all()


def test_the_mean_over_seeds_has_the_means_influence() -> None:
    positive, probabilities, index = made_up(100)
    one, two = measured(positive, probabilities, index, 50), measured(positive, probabilities**2, index, 50)
    mean = mean_calibration([one, two])
    assert mean.values["Slope"] == pytest.approx((one.values["Slope"] + two.values["Slope"]) / 2)
    same = estimates(mean_calibration([one, one]), index)
    assert same["Slope"] == pytest.approx(estimates(one, index)["Slope"])


def test_a_sensitivity_threshold_is_the_highest_that_reaches_the_target() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((90, 4)) < 0.3).astype(np.uint8)
    probabilities = np.round(rng.random((90, 4)), 2)
    labels[:, 3] = 0
    for target in (0.5, 0.9, 1.0):
        found = sensitivity_thresholds(labels, probabilities, target=target)
        for k in range(3):
            hits = probabilities[labels[:, k] == 1, k]
            assert (hits >= found[k]).mean() >= target
            higher = probabilities[probabilities[:, k] >= found[k], k].min() + 1e-6
            assert (hits >= higher).mean() < target
        assert found[3] == 0.5
    ten = np.linspace(0.1, 1, 10)[:, None]
    assert sensitivity_thresholds(np.ones((10, 1)), ten, target=0.9)[0] == pytest.approx(0.15)


def test_a_sensitivity_target_outside_its_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="sensitivity target"):
        sensitivity_thresholds(np.ones((2, 1)), np.ones((2, 1)), target=1.5)
