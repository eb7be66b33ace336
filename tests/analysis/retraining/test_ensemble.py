"""The ensemble: its weights come from validation and its row is like any other, but it is never the best model."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.special import expit

from analysis.evaluation.predictions import ModelPredictions, SeedPredictions
from analysis.retraining.ensemble import ENSEMBLE, ensemble_predictions, greedy_weights
from ecg_tune.data.prepared.dataset import Split
from ecg_tune.metrics import f1_thresholds, macro_auc

N = 200


def made_up(seed: int) -> tuple[np.ndarray, dict[str, list[np.ndarray]]]:
    """Return labels, and probabilities of three models with two seeds each; the first two err apart, the third guesses."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((N, 5)) < 0.4).astype(np.uint8)
    noise = {"A": 1.0, "B": 1.1, "guess": 50.0}
    return labels, {name: [expit(labels - 0.5 + sd * rng.normal(size=(N, 5))) for _ in range(2)] for name, sd in noise.items()}


def score(labels: np.ndarray, members: dict[str, list[np.ndarray]], weights: dict[str, float]) -> float:
    return float(np.mean([macro_auc(labels, sum(w * members[name][s] for name, w in weights.items())) for s in (0, 1)]))


def test_the_members_are_better_together_than_the_best_alone_and_the_guesser_is_left_out() -> None:
    labels, members = made_up(0)
    weights = greedy_weights(labels, members)
    assert set(weights) == {"A", "B"}
    assert sum(weights.values()) == pytest.approx(1)
    assert score(labels, members, weights) > max(score(labels, members, {name: 1.0}) for name in members) + 0.01


def test_the_weights_are_near_the_best_of_a_grid() -> None:
    labels, members = made_up(1)
    grid = [(a / 20, b / 20, 1 - (a + b) / 20) for a, b in product(range(21), repeat=2) if a + b <= 20]
    best = max(score(labels, members, dict(zip(members, point, strict=True))) for point in grid)
    assert score(labels, members, greedy_weights(labels, members)) > best - 0.002


def test_a_model_that_nothing_improves_is_the_whole_ensemble() -> None:
    labels = np.eye(5, dtype=np.uint8)[np.arange(N) % 5]
    perfect = labels * 0.8 + 0.1
    assert greedy_weights(labels, {"perfect": [perfect], "guess": [np.full((N, 5), 0.5)]}) == {"perfect": 1.0}


def answers_of(name: str, known: list[np.ndarray], asked: list[np.ndarray]) -> ModelPredictions:
    nothing = np.full(5, 0.5)
    pairs = enumerate(zip(known, asked, strict=True))
    return ModelPredictions(name, tuple(SeedPredictions(s, 0.8, k, a, nothing, nothing, np.zeros((5, 2))) for s, (k, a) in pairs))


def test_seed_joins_seed_and_thresholds_are_the_ensembles_own_from_validation() -> None:
    labels, known = made_up(2)
    _, asked = made_up(3)
    part = Split("validation", np.zeros((N, 1, 1), np.int16), labels, {"patient_id": np.arange(N)})
    models = {name: answers_of(name, known[name], asked[name]) for name in known}
    joined, weights = ensemble_predictions(models, part, sensitivity_target=0.9)
    assert joined.name == ENSEMBLE
    for place, seed in enumerate(joined.seeds):
        np.testing.assert_allclose(seed.test, sum(w * asked[name][place] for name, w in weights.items()))
        np.testing.assert_allclose(seed.f1_thresholds, f1_thresholds(labels, seed.validation))
        assert seed.validation_macro_auc == macro_auc(labels, seed.validation)
    other = {name: answers_of(name, known[name], known[name]) for name in known}
    assert ensemble_predictions(other, part, sensitivity_target=0.9)[1] == weights, "the test part has no say"
