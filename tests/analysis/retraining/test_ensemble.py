"""The ensemble: its weights come from validation and its row is like any other, but it is never the best model."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit

from analysis.evaluation.ensemble_table import ensemble_predictions
from analysis.evaluation.predictions import ModelPredictions, SeedPredictions
from analysis.retraining.candidates import Candidate
from analysis.retraining.ensemble import choose_ensemble, greedy_weights, held_out_scores
from analysis.retraining.ensemble_file import ENSEMBLE, SavedEnsemble
from analysis.retraining.thresholds import sensitivity_thresholds
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


def test_weights_that_others_chose_are_worth_less_than_the_flattered_score_and_more_than_the_best_alone() -> None:
    labels, members = made_up(0)
    flattered = score(labels, members, greedy_weights(labels, members))
    held_out = held_out_scores(labels, members, np.arange(N) // 2)
    assert held_out is not None
    assert held_out.best_alone + 0.01 < held_out.ensemble < flattered + 0.002  # halves are ranked apart from each other
    assert held_out == held_out_scores(labels, members, np.arange(N) // 2)
    assert held_out_scores(labels, {"A": members["A"]}, np.arange(N)) is None
    assert held_out_scores(labels, members, np.zeros(N)) is None


def test_choosing_among_guesses_is_worth_nothing_on_other_patients() -> None:
    rng = np.random.default_rng(5)
    labels = (rng.random((N, 5)) < 0.4).astype(np.uint8)
    guesses = {str(k): [rng.random((N, 5))] for k in range(12)}
    assert float(macro_auc(labels, sum(w * guesses[name][0] for name, w in greedy_weights(labels, guesses).items()))) > 0.55
    held_out = held_out_scores(labels, guesses, np.arange(N))
    assert held_out is not None
    assert abs(held_out.ensemble - 0.5) < 0.03


def test_a_model_that_nothing_improves_is_the_whole_ensemble() -> None:
    labels = np.eye(5, dtype=np.uint8)[np.arange(N) % 5]
    perfect = labels * 0.8 + 0.1
    assert greedy_weights(labels, {"perfect": [perfect], "guess": [np.full((N, 5), 0.5)]}) == {"perfect": 1.0}


def candidates_of(names: list[str]) -> list[Candidate]:
    """Return candidates of two seeds each, whose files are not there."""
    seeds = tuple(SimpleNamespace(seed=seed, data={}, trained_on="train") for seed in (0, 1))
    files = {name: tuple(Path(f"{name}_seed{seed}.pth") for seed in (0, 1)) for name in names}
    return [Candidate(name, files[name], seeds, files[name]) for name in names]  # type: ignore[arg-type]


def predictions_of(name: str, validation: list[np.ndarray], test: list[np.ndarray]) -> ModelPredictions:
    nothing = np.full(5, 0.5)
    pairs = enumerate(zip(validation, test, strict=True))
    return ModelPredictions(name, tuple(SeedPredictions(s, 0.8, v, t, nothing, nothing, np.zeros((5, 2))) for s, (v, t) in pairs))


def chosen(labels: np.ndarray, members: dict[str, list[np.ndarray]]) -> tuple[SavedEnsemble, ...]:
    return choose_ensemble(candidates_of(list(members)), members, labels, sensitivity_target=0.9)


def test_seed_joins_seed_and_thresholds_are_the_ensembles_own_from_validation() -> None:
    labels, on_validation = made_up(2)
    _, on_test = made_up(3)
    validation = Split("validation", np.zeros((N, 1, 1), np.int16), labels, {"patient_id": np.arange(N)})
    models = {name: predictions_of(name, on_validation[name], on_test[name]) for name in on_validation}
    ensembles = chosen(labels, on_validation)
    joined, weights = ensemble_predictions(ensembles, models, validation, sensitivity_target=0.9), ensembles[0].weights
    assert joined.name == ENSEMBLE
    for place, seed in enumerate(joined.seeds):
        np.testing.assert_allclose(seed.test, sum(w * on_test[name][place] for name, w in weights.items()))
        np.testing.assert_allclose(seed.f1_thresholds, f1_thresholds(labels, seed.validation))
        np.testing.assert_array_equal(seed.sensitivity_thresholds, ensembles[place].thresholds["sensitivity"])
        assert seed.validation_macro_auc == macro_auc(labels, seed.validation)
    assert weights == greedy_weights(labels, on_validation), "the test split has no say"


def test_one_model_has_nobody_to_join_and_another_sensitivity_may_be_wanted_of_an_ensemble_later() -> None:
    labels, members = made_up(4)
    assert chosen(labels, {"A": members["A"]}) == ()
    validation = Split("validation", np.zeros((N, 1, 1), np.int16), labels, {"patient_id": np.arange(N)})
    models = {name: predictions_of(name, members[name], members[name]) for name in members}
    joined = ensemble_predictions(chosen(labels, members), models, validation, sensitivity_target=0.5)
    expected = [sensitivity_thresholds(labels, seed.validation, target=0.5) for seed in joined.seeds]
    np.testing.assert_array_equal([seed.sensitivity_thresholds for seed in joined.seeds], expected)
