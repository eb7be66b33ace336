"""Platt scaling by scikit-learn against the formula that version 0.1 had written by hand; MADE-UP predictions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from analysis.retraining.platt import logistic_line, logistic_shift, logits, platt_parameters


def newton(design: np.ndarray, targets: np.ndarray, offset: np.ndarray | float = 0.0) -> np.ndarray:
    """Return the coefficients of highest likelihood, as version 0.1 found them: Newton's method with halved steps."""
    coefficients = np.zeros(design.shape[1])

    def loss(at: np.ndarray) -> float:
        score = offset + design @ at
        return float(np.sum(np.logaddexp(0.0, score) - targets * score))

    for _ in range(100):
        chance = expit(offset + design @ coefficients)
        step = np.linalg.solve((design * (chance * (1 - chance))[:, None]).T @ design, design.T @ (targets - chance))
        size = 1.0
        while loss(coefficients + size * step) > loss(coefficients) and size > 1e-6:
            size /= 2
        coefficients = coefficients + size * step
        if np.abs(size * step).max() < 1e-9:
            break
    return coefficients


def made_up(kind: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities of one class, (n_records,) each."""
    n_records = int(rng.integers(20, 300))
    labels = (rng.random(n_records) < rng.uniform(0.05, 0.6)).astype(np.uint8)
    labels[:2] = 0, 1
    scores = {"noisy": rng.normal(size=n_records) + 2 * labels, "tied": np.round(rng.normal(size=n_records)), "separated": 8.0 * labels - 4}
    return labels, expit(scores[kind])


@pytest.mark.parametrize("kind", ["noisy", "tied", "separated"])
def test_slopes_and_intercepts_equal_those_of_the_former_formula(kind: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels, probabilities = made_up(kind, rng)
        labels[:20] = np.arange(20) % 2  # enough of both kinds
        n_positive, n_negative = labels.sum(), len(labels) - labels.sum()
        targets = np.where(labels == 1, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
        score, ones = logits(probabilities), np.ones((len(labels), 1))
        expected = newton(np.column_stack([score, ones]), targets)
        np.testing.assert_allclose(platt_parameters(labels[:, None], probabilities[:, None])[0], expected, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(logistic_line(score, targets), expected, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(logistic_shift(score, targets), newton(ones, targets, score)[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n_positive", [0, 1, 9, 31, 40])
def test_a_class_with_few_records_of_one_kind_keeps_its_probabilities(n_positive: int) -> None:
    labels = (np.arange(40) < n_positive).astype(np.uint8)[:, None]
    np.testing.assert_array_equal(platt_parameters(labels, np.linspace(0.1, 0.9, 40)[:, None]), [[1, 0]])


def test_a_class_with_one_probability_is_only_shifted() -> None:
    labels = np.zeros((40, 2), np.uint8)
    labels[:10, 1] = 1
    parameters = platt_parameters(labels, np.full((40, 2), 0.8))
    assert parameters[1, 0] == 1
    mean_target = (10 * 11 / 12 + 30 / 32) / 40
    assert expit(logits(np.array(0.8)) + parameters[1, 1]) == pytest.approx(mean_target, abs=1e-9)


def test_predictions_that_are_surely_wrong_are_shifted_back() -> None:
    scores, targets = np.full(30, 16.0), np.zeros(30)
    targets[0] = 1.0
    assert expit(scores[0] + logistic_shift(scores, targets)) == pytest.approx(1 / 30)
