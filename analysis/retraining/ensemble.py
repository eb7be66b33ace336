"""Choose an ensemble of the retrained models on validation: a weighted mean of their probabilities.

Greedy forward selection with replacement (Caruana et al., 2004): starting from nothing, the model is added whose addition gives
the highest validation macro AUC, as long as that rises. A model's weight is the share of the additions that it got.

One set of weights serves all seeds, since it is chosen by the mean over seeds: the ensemble's seed s joins the members' seeds s, so
that its result is a mean over seeds as every other one. Its own validation score rests on the records that chose the weights and
flatters it. It is shown with that mark, and an ensemble is never the best model. The test split is not needed, and not opened.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.retraining.candidates import Candidate
from analysis.retraining.ensemble_file import ENSEMBLE, Member, SavedEnsemble, digests_of, file_digest, write_ensemble
from analysis.retraining.platt import platt_parameters
from analysis.retraining.predictions import predict_validation
from analysis.retraining.thresholds import SENSITIVITY_TARGET, sensitivity_thresholds
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.metrics import Array, f1_thresholds, macro_auc
from ecg_tune.training.model_file import SavedModel

ROUNDS = 30
N_HALVINGS = 5
LEAST_GAIN = 1e-6
RULES = (
    "Weighted mean of the members' probabilities. Greedy forward selection with replacement (Caruana et al., 2004) on validation, by "
    "the mean over seeds of the macro AUC; seed s joins the members' seeds s. Thresholds and Platt scaling are then fitted on validation "
    "as for every model. Its validation macro AUC is that of the records which chose the weights, so it flatters the ensemble, which "
    "for this reason is never the best model."
)


@dataclass(frozen=True)
class HeldOut:
    """What an ensemble is worth on patients that did not choose its weights.

    Attributes:
        ensemble: Validation macro AUC on one half of the patients, of weights chosen on the other; mean over halvings and seeds.
        best_alone: The same of the best single model, chosen on that other half too.
    """

    ensemble: float
    best_alone: float

    def text(self) -> str:
        """Say both, e.g. "0.8690; the best model alone, so chosen, 0.8675"."""
        return f"{self.ensemble:.4f}; the best model alone, so chosen, {self.best_alone:.4f}"


def make_ensemble(folder: Path, candidates: Sequence[Candidate], data: PreparedData, *, device: str = "cpu") -> dict[str, Any] | None:
    """Predict validation with all models of a folder, choose the ensemble, and write its files; those of an earlier one go.

    Args:
        folder: Where the models' files lie.
        candidates: The models, as `find_candidates` reads them.
        data: What they were trained on; train and test are not read.

    Returns:
        What the manifest says of it: its files, weights and validation macro AUC; None where there is nothing to join.

    Raises:
        DataError: A prediction is not a finite number.
        OSError: The folder can't be written to.
    """
    if not can_join(candidates):
        return write_ensemble(folder, ())
    probabilities = {one.name: predict_validation(one, data.validation, device=device) for one in candidates}
    written = write_ensemble(folder, choose_ensemble(candidates, probabilities, data.validation.labels))
    held_out = held_out_scores(data.validation.labels, probabilities, data.validation.records["patient_id"])
    return written if written is None or held_out is None else written | {"held_out": dataclasses.asdict(held_out)}


def can_join(candidates: Sequence[Candidate]) -> bool:
    """Tell whether an ensemble is made of these models: there are two or more, and none is called like the ensemble."""
    return len(candidates) > 1 and all(candidate.name != ENSEMBLE for candidate in candidates)


def greedy_weights(labels: NDArray[np.generic], members: Mapping[str, Sequence[Array]]) -> dict[str, float]:
    """Choose members and their weights, positive and of sum 1, heaviest first.

    Args:
        labels: (n_records, n_classes) of 0/1, validation.
        members: {model: one (n_records, n_classes) array of probabilities a seed}, the same number of seeds each.
    """
    stacked = {name: np.stack(seeds) for name, seeds in members.items()}  # (seeds, records, classes)
    total = np.zeros_like(next(iter(stacked.values())))
    picks: Counter[str] = Counter()
    reached = -np.inf
    for size in range(1, ROUNDS + 1):
        scores = {name: _score(labels, (total + probabilities) / size) for name, probabilities in stacked.items()}
        name = max(scores, key=lambda candidate: scores[candidate])
        if scores[name] <= reached + LEAST_GAIN:
            break
        reached = scores[name]
        total += stacked[name]
        picks[name] += 1
    return {name: count / picks.total() for name, count in picks.most_common()}


def held_out_scores(
    labels: NDArray[np.generic], members: Mapping[str, Sequence[Array]], patient_ids: NDArray[np.generic], *, seed: int = 0
) -> HeldOut | None:
    """Measure what the choice is worth: choose weights on one half of the patients, score on the other, both ways, in five halvings.

    Args:
        labels: (n_records, n_classes) of 0/1, validation.
        members: {model: one (n_records, n_classes) array of probabilities a seed}; a model with more seeds takes part with its first ones.
        patient_ids: (n_records,), equal for records of one patient.
        seed: Of the halvings.

    Returns:
        The two means; None with fewer than two models or patients.
    """
    if len(members) < 2:
        return None
    n_seeds = min(map(len, members.values()))
    stacked = {name: np.stack(seeds[:n_seeds]) for name, seeds in members.items()}  # (seeds, records, classes)
    patients, rng = np.unique(patient_ids), np.random.default_rng(seed)
    if len(patients) < 2:
        return None
    scores = []
    for _ in range(N_HALVINGS):
        half = np.isin(patient_ids, rng.permutation(patients)[: len(patients) // 2])
        scores += [_chosen_elsewhere(labels, stacked, chosen_on) for chosen_on in (half, ~half)]
    return HeldOut(*np.mean(scores, axis=0).tolist())


def _chosen_elsewhere(labels: NDArray[np.generic], stacked: Mapping[str, Array], chosen_on: NDArray[np.bool_]) -> tuple[float, float]:
    """Score the ensemble, and the best model alone, on the records that did not choose them.

    Args:
        stacked: {model: (n_seeds, n_records, n_classes)}.
        chosen_on: (n_records,), those that choose.
    """
    here = {name: list(one[:, chosen_on]) for name, one in stacked.items()}
    there = {name: one[:, ~chosen_on] for name, one in stacked.items()}
    weights = greedy_weights(labels[chosen_on], here)
    joined = np.sum([weight * there[name] for name, weight in weights.items()], axis=0)
    best = max(here, key=lambda name: _score(labels[chosen_on], np.stack(here[name])))
    return _score(labels[~chosen_on], joined), _score(labels[~chosen_on], there[best])


def choose_ensemble(
    candidates: Sequence[Candidate],
    probabilities: Mapping[str, Sequence[Array]],
    labels: NDArray[np.generic],
    *,
    sensitivity_target: float = SENSITIVITY_TARGET,
) -> tuple[SavedEnsemble, ...]:
    """Choose the weights and fit thresholds and Platt scaling for each seed, all on validation.

    A model with more seeds than another takes part with its first ones.

    Args:
        candidates: The models to choose from.
        probabilities: {candidate: one (n_records, n_classes) array a seed}, as `predict_validation` predicts them.
        labels: (n_records, n_classes) of 0/1, validation.
        sensitivity_target: What the sensitivity thresholds reach on validation, 0.01 to 1.

    Returns:
        One ensemble a seed; none where there are fewer than two models, or where one of them is named like the ensemble.
    """
    if not can_join(candidates):
        return ()
    n_seeds = min(len(candidate.files) for candidate in candidates)
    weights = greedy_weights(labels, {one.name: probabilities[one.name][:n_seeds] for one in candidates})
    members = {candidate.name: candidate for candidate in candidates if candidate.name in weights}
    chosen_from = digests_of(candidates)
    ensembles = []
    for index in range(n_seeds):
        files = tuple(_member(members[name], index, weight) for name, weight in weights.items())
        mean = weighted_mean([probabilities[name][index] for name in weights], list(weights.values()))
        saved = [members[name].seeds[index] for name in weights]
        ensembles.append(_fit_on_validation(files, saved, mean, labels, target=sensitivity_target, chosen_from=chosen_from))
    return tuple(ensembles)


def weighted_mean(probabilities: Sequence[Array], weights: Sequence[float]) -> Array:
    """Join the members' probabilities, (n_records, n_classes) each, to one array of the same shape.

    Args:
        weights: One a member, in the same order, of sum 1.
    """
    return np.asarray(np.tensordot(np.array(weights), np.stack(probabilities), axes=1), dtype=np.float64)


def weights_text(ensemble: SavedEnsemble) -> str:
    """Write the members and weights on one line, heaviest first."""
    return ", ".join(f"{member.name} {member.weight:.3f}" for member in ensemble.members)


def _fit_on_validation(
    members: tuple[Member, ...],
    saved: Sequence[SavedModel],
    mean: Array,
    labels: NDArray[np.generic],
    *,
    target: float,
    chosen_from: dict[str, str],
) -> SavedEnsemble:
    """Fit thresholds and Platt scaling to the members' weighted mean on validation.

    Args:
        saved: What the members' files say, in their order.
        mean, labels: (n_records, n_classes).
        target: Sensitivity to reach.
    """
    thresholds = {
        "half": [0.5] * labels.shape[1],
        "f1": f1_thresholds(labels, mean).tolist(),
        "sensitivity": sensitivity_thresholds(labels, mean, target=target).tolist(),
    }
    return SavedEnsemble(
        seed=saved[0].seed,
        members=members,
        data=saved[0].data,
        trained_on=", ".join(sorted({model.trained_on for model in saved})),
        validation_macro_auc=macro_auc(labels, mean),
        thresholds=thresholds,
        sensitivity_target=target,
        platt=platt_parameters(labels, mean).tolist(),
        chosen_from=chosen_from,
    )


def _member(candidate: Candidate, index: int, weight: float) -> Member:
    file = candidate.files[index]
    return Member(candidate.name, file.name, file_digest(file), weight)


def _score(labels: NDArray[np.generic], seeds: Array) -> float:
    """Average the macro AUC over seeds, -1 where it is undefined."""
    return float(np.nan_to_num(np.mean([macro_auc(labels, probabilities) for probabilities in seeds]), nan=-1.0))
