"""The ensemble: its members are trainings, chosen on validation, and its row is like any other, but it is never the best model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from analysis.evaluation.ensemble_table import add_ensemble_cost, ensemble_lines, ensemble_predictions, ensemble_ranking, ensemble_table
from analysis.evaluation.predictions import ModelPredictions, SeedPredictions
from analysis.retraining.candidates import Candidate
from analysis.retraining.ensemble import MOST_MEMBERS, NEAR_THE_BEST, best_members, choose_ensemble, held_out_scores
from analysis.retraining.ensemble_file import ENSEMBLE, SavedEnsemble
from analysis.retraining.thresholds import sensitivity_thresholds
from ecg_tune.data.prepared.dataset import Split
from ecg_tune.metrics import f1_thresholds, macro_auc

N = 200


def made_up(seed: int) -> tuple[np.ndarray, dict[str, list[np.ndarray]]]:
    """Return labels, and probabilities of three models with two seeds each; all of the first two err apart in part, the third guesses."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((N, 5)) < 0.4).astype(np.uint8)
    hard = labels - 0.5 + 0.8 * rng.normal(size=(N, 5))  # what all of them find hard
    noise = {"A": 0.5, "B": 0.55, "guess": 50.0}
    return labels, {name: [expit(hard + sd * rng.normal(size=(N, 5))) for _ in range(2)] for name, sd in noise.items()}


def trainings(members: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    """Name each seed's probabilities by its file."""
    return {f"{name}_seed{seed}.pth": one for name, seeds in members.items() for seed, one in enumerate(seeds)}


def score(labels: np.ndarray, files: dict[str, np.ndarray], weights: dict[str, float]) -> float:
    return float(macro_auc(labels, sum(weight * files[name] for name, weight in weights.items())))


def test_seeds_and_models_are_better_together_than_the_best_alone_and_the_guesser_is_left_out() -> None:
    labels, members = made_up(0)
    files = trainings(members)
    weights = best_members(labels, files)
    assert set(weights) == {"A_seed0.pth", "A_seed1.pth", "B_seed0.pth", "B_seed1.pth"}
    assert sum(weights.values()) == pytest.approx(1)
    assert score(labels, files, weights) > max(score(labels, files, {name: 1.0}) for name in files) + 0.01


def test_the_best_come_first_with_equal_weights_and_no_more_than_allowed() -> None:
    rng = np.random.default_rng(3)
    labels = (rng.random((N, 5)) < 0.4).astype(np.uint8)
    files = {str(k): expit(labels - 0.5 + (0.9 + 0.02 * k) * rng.normal(size=(N, 5))) for k in range(12)}
    alone = {name: score(labels, files, {name: 1.0}) for name in files}
    near = [name for name in sorted(files, key=lambda name: -alone[name]) if alone[name] >= max(alone.values()) - NEAR_THE_BEST]
    assert 3 < len(near) < 12
    assert list(best_members(labels, files, most=12)) == near
    assert best_members(labels, files, most=3) == dict.fromkeys(near[:3], 1 / 3)
    assert len(best_members(labels, {f"{name}{k}": files[name] for name in near for k in range(9)})) == MOST_MEMBERS


def test_members_that_others_chose_are_worth_less_than_the_flattered_score_and_more_than_the_best_alone() -> None:
    labels, members = made_up(0)
    files = trainings(members)
    flattered = score(labels, files, best_members(labels, files))
    held_out = held_out_scores(labels, files, np.arange(N) // 2)
    assert held_out is not None
    assert held_out.best_alone + 0.01 < held_out.ensemble < flattered + 0.002  # halves are ranked apart from each other
    assert held_out == held_out_scores(labels, files, np.arange(N) // 2)
    assert held_out_scores(labels, {"A": members["A"][0]}, np.arange(N)) is None
    assert held_out_scores(labels, files, np.zeros(N)) is None


def test_choosing_among_guesses_is_worth_nothing_on_other_patients() -> None:
    rng = np.random.default_rng(5)
    labels = (rng.random((N, 5)) < 0.4).astype(np.uint8)
    guesses = {str(k): rng.random((N, 5)) for k in range(12)}
    assert float(macro_auc(labels, sum(w * guesses[name] for name, w in best_members(labels, guesses).items()))) > 0.55
    held_out = held_out_scores(labels, guesses, np.arange(N))
    assert held_out is not None
    assert abs(held_out.ensemble - 0.5) < 0.03


def test_a_model_that_none_comes_near_is_the_whole_ensemble() -> None:
    labels = np.eye(5, dtype=np.uint8)[np.arange(N) % 5]
    perfect = labels * 0.8 + 0.1
    assert best_members(labels, {"perfect": perfect, "guess": np.full((N, 5), 0.5)}) == {"perfect": 1.0}


def candidates_of(names: list[str]) -> list[Candidate]:
    """Return candidates of two seeds each, whose files are not there."""
    seeds = tuple(SimpleNamespace(seed=seed, data={}, trained_on="train") for seed in (0, 1))
    files = {name: tuple(Path(f"{name}_seed{seed}.pth") for seed in (0, 1)) for name in names}
    return [Candidate(name, files[name], seeds, files[name]) for name in names]  # type: ignore[arg-type]


def predictions_of(name: str, validation: list[np.ndarray], test: list[np.ndarray]) -> ModelPredictions:
    nothing = np.full(5, 0.5)
    pairs = enumerate(zip(validation, test, strict=True))
    seeds = [SeedPredictions(s, 0.8, v, t, nothing, nothing, np.zeros((5, 2)), f"{name}_seed{s}.pth") for s, (v, t) in pairs]
    return ModelPredictions(name, tuple(seeds))


def chosen(labels: np.ndarray, members: dict[str, list[np.ndarray]]) -> SavedEnsemble:
    ensemble = choose_ensemble(candidates_of(list(members)), members, labels, sensitivity_target=0.9)
    assert ensemble is not None
    return ensemble


def test_the_members_are_trainings_and_thresholds_are_the_ensembles_own_from_validation() -> None:
    labels, on_validation = made_up(2)
    _, on_test = made_up(3)
    validation = Split("validation", np.zeros((N, 1, 1), np.int16), labels, {"patient_id": np.arange(N)})
    models = {name: predictions_of(name, on_validation[name], on_test[name]) for name in on_validation}
    ensemble = chosen(labels, on_validation)
    joined = ensemble_predictions(ensemble, models, validation, sensitivity_target=0.9)
    (seed,), weights = joined.seeds, {member.file: member.weight for member in ensemble.members}
    assert joined.name == ENSEMBLE
    np.testing.assert_allclose(seed.test, sum(weight * trainings(on_test)[name] for name, weight in weights.items()))
    np.testing.assert_allclose(seed.f1_thresholds, f1_thresholds(labels, seed.validation))
    np.testing.assert_array_equal(seed.sensitivity_thresholds, ensemble.thresholds["sensitivity"])
    assert seed.validation_macro_auc == macro_auc(labels, seed.validation)
    assert weights == best_members(labels, trainings(on_validation)), "the test split has no say"


def test_an_ensemble_of_an_earlier_version_is_said_to_be_chosen_by_its_own_rule() -> None:
    labels, members = made_up(2)
    validation = Split("validation", np.zeros((N, 1, 1), np.int16), labels, {"patient_id": np.arange(N)})
    models = {name: predictions_of(name, members[name], members[name]) for name in members}
    texts = {}
    for rule in ("mean", "greedy"):
        ensemble = replace(chosen(labels, members), rule=rule)
        ranking = ensemble_ranking(ensemble_predictions(ensemble, models, validation, sensitivity_target=0.9))
        texts[rule] = " ".join(
            " ".join(ensemble_lines(ensemble_table(ensemble, models, validation, split_scheme="official"), ranking)).split()
        )
    assert "by an earlier version: greedy forward selection" in texts["greedy"]
    assert "greedy" not in texts["mean"]
    assert ["scored on the other" in text for text in texts.values()] == [True, False], "what the other rule is worth is not measured"


def test_the_seeds_of_one_model_join_and_one_training_has_nobody_to_join() -> None:
    labels, members = made_up(4)
    assert {member.name for member in chosen(labels, {"A": members["A"]}).members} == {"A"}
    assert chosen(labels, {"A": members["A"]}).text == "A 1.000 (2 seeds)"
    lone = [replace(one, files=one.files[:1], seeds=one.seeds[:1]) for one in candidates_of(["A"])]
    assert choose_ensemble(lone, {"A": members["A"][:1]}, labels) is None


def test_a_training_that_no_other_comes_near_is_no_ensemble() -> None:
    labels = np.eye(5, dtype=np.uint8)[np.arange(N) % 5]
    perfect, guess = labels * 0.8 + 0.1, np.full((N, 5), 0.5)
    assert choose_ensemble(candidates_of(["A"]), {"A": [perfect, guess]}, labels) is None


def test_another_sensitivity_may_be_wanted_of_an_ensemble_later() -> None:
    labels, members = made_up(4)
    validation = Split("validation", np.zeros((N, 1, 1), np.int16), labels, {"patient_id": np.arange(N)})
    models = {name: predictions_of(name, members[name], members[name]) for name in members}
    (seed,) = ensemble_predictions(chosen(labels, members), models, validation, sensitivity_target=0.5).seeds
    np.testing.assert_array_equal(seed.sensitivity_thresholds, sensitivity_thresholds(labels, seed.validation, target=0.5))


def test_the_table_has_a_row_a_training_and_costs_are_summed_over_the_members() -> None:
    labels, members = made_up(2)
    validation = Split("validation", np.zeros((N, 1, 1), np.int16), labels, {"patient_id": np.arange(N)})
    models = {name: predictions_of(name, members[name], members[name]) for name in members}
    ensemble = chosen(labels, members)
    table = ensemble_table(ensemble, models, validation, split_scheme="official")
    assert list(zip(table["Model"], table["Seed"], strict=True)) == [(name, seed) for name in members for seed in (0, 1)]
    assert table["Weight"].sum() == pytest.approx(1)
    assert table.set_index("Model").loc["guess", "Weight"].tolist() == [0, 0]
    text = " ".join(
        " ".join(
            ensemble_lines(table, ensemble_ranking(ensemble_predictions(ensemble, models, validation, sensitivity_target=0.9)))
        ).split()
    )
    assert "It joins 4 of 6 trainings:" in text
    cost = {"Parameters": 10, "Latency_ms_batch_1": 2.0, "Latency_ms_batch_1_passes": 5, "Training_s": 30.0, "Training_s_per_seed": 15.0}
    facts = {"Input": "100 x 3", "Seeds": 2, "Epochs_mean": 4.0}
    row = add_ensemble_cost(pd.DataFrame([{"Model": name, **cost, **facts} for name in members]), ensemble).set_index("Model").loc[ENSEMBLE]
    assert (row["Parameters"], row["Latency_ms_batch_1"], row["Latency_ms_batch_1_passes"]) == (40, 8.0, 5)
    assert (row["Training_s"], row["Seeds"], row["Input"], row["Epochs_mean"]) == (60.0, 1, "100 x 3", 16.0)
