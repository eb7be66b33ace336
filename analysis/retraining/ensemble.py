"""Choose an ensemble of the retrained models on validation: the mean of the best trainings' probabilities.

Every training is a candidate of its own: each seed of each model. The best on validation are the members, all that come near the best
one but eight at most: each costs its whole network in every prediction and in an exported file, and few carry most of the gain
(Lakshminarayanan et al., 2017, had it with five). Members have equal weights. Weights that validation chose, by greedy forward selection
with replacement (Caruana et al., 2004), were worth less on patients that did not choose them (`benchmarks/ensembles.py`).

The ensemble is one model: it has one row of results, no mean over seeds. Its own validation score rests on the records that chose the
members and flatters it. It is shown with that mark, and an ensemble is never the best model. The test split is not needed, and not opened.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.retraining.candidates import Candidate
from analysis.retraining.ensemble_file import ENSEMBLE, GREEDY, MEAN, Member, SavedEnsemble, digests_of, file_digest, write_ensemble
from analysis.retraining.platt import platt_parameters
from analysis.retraining.predictions import predict_validation
from analysis.retraining.thresholds import SENSITIVITY_TARGET, sensitivity_thresholds
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.metrics import Array, f1_thresholds, macro_auc

MOST_MEMBERS = 8
NEAR_THE_BEST = 0.03
"""Validation macro AUC by which a member may be worse than the best training. Seeds of one config differ by 0.002 to 0.007."""
N_HALVINGS = 5
CHOICES = {
    MEAN: f"Mean of the members' probabilities: of the {MOST_MEMBERS} trainings with the highest validation macro AUC, if they come within "
    f"{NEAR_THE_BEST} of the best.",
    GREEDY: "Weighted mean of the members' probabilities, chosen by an earlier version: greedy forward selection with replacement "
    "(Caruana et al., 2004) on validation by macro AUC.",
}
RULES = (
    "Each seed of each model could become a member. Thresholds and Platt scaling are fitted on validation as for every model. The "
    "validation macro AUC is that of the records which chose the members, so it flatters the ensemble, which is thus never the best model. "
    "The ensemble is one model: its results are no mean over seeds."
)


@dataclass(frozen=True)
class HeldOut:
    """What an ensemble is worth on patients that did not choose its members.

    Attributes:
        ensemble: Validation macro AUC on one half of the patients, of members chosen on the other; mean over halvings.
        best_alone: The same of the best single training, chosen on that other half too.
    """

    ensemble: float
    best_alone: float

    def text(self) -> str:
        """Say both, e.g. "0.8690; the best training alone, so chosen, 0.8675"."""
        return f"{self.ensemble:.4f}; the best training alone, so chosen, {self.best_alone:.4f}"


def make_ensemble(folder: Path, candidates: Sequence[Candidate], data: PreparedData, *, device: str = "cpu") -> dict[str, Any] | None:
    """Predict validation with all models of a folder, choose the ensemble, and write its file; that of an earlier one goes.

    Args:
        folder: Where the models' files lie.
        candidates: The models, as `find_candidates` reads them.
        data: What they were trained on; train and test are not read.

    Returns:
        What the manifest says of it: its file, members and validation macro AUC; None where there is nothing to join.

    Raises:
        DataError: A prediction is not a finite number.
        OSError: The folder can't be written to.
    """
    if not can_join(candidates):
        return write_ensemble(folder, None)
    validation = data.validation
    probabilities = {one.name: predict_validation(one, validation, device=device) for one in candidates}
    written = write_ensemble(folder, choose_ensemble(candidates, probabilities, validation.labels))
    held_out = held_out_scores(validation.labels, _by_file(candidates, probabilities), validation.records["patient_id"])
    return written if written is None or held_out is None else written | {"held_out": dataclasses.asdict(held_out)}


def can_join(candidates: Sequence[Candidate]) -> bool:
    """Tell whether an ensemble is made of these models: they are two trainings or more, and none is called like the ensemble."""
    return sum(len(candidate.files) for candidate in candidates) > 1 and all(candidate.name != ENSEMBLE for candidate in candidates)


def best_members(labels: NDArray[np.generic], candidates: Mapping[str, Array], *, most: int = MOST_MEMBERS) -> dict[str, float]:
    """Choose members, the best first, and their weights, which are equal and of sum 1.

    Args:
        labels: (n_records, n_classes) of 0/1, validation.
        candidates: {training: (n_records, n_classes) probabilities}.
        most: Members.
    """
    alone = {name: _score(labels, probabilities) for name, probabilities in candidates.items()}
    best = max(alone.values())
    members = sorted((name for name, score in alone.items() if score >= best - NEAR_THE_BEST), key=lambda name: -alone[name])[:most]
    return dict.fromkeys(members, 1 / len(members))


def held_out_scores(
    labels: NDArray[np.generic], candidates: Mapping[str, Array], patient_ids: NDArray[np.generic], *, seed: int = 0
) -> HeldOut | None:
    """Measure what the choice is worth: choose members on one half of the patients, score on the other, both ways, in five halvings.

    Args:
        labels: (n_records, n_classes) of 0/1, validation.
        candidates: {training: (n_records, n_classes) probabilities}.
        patient_ids: (n_records,), equal for records of one patient.
        seed: Of the halvings.

    Returns:
        The two means; None with fewer than two trainings or patients.
    """
    patients, rng = np.unique(patient_ids), np.random.default_rng(seed)
    if len(candidates) < 2 or len(patients) < 2:
        return None
    scores = []
    for _ in range(N_HALVINGS):
        half = np.isin(patient_ids, rng.permutation(patients)[: len(patients) // 2])
        scores += [_chosen_elsewhere(labels, candidates, chosen_on) for chosen_on in (half, ~half)]
    return HeldOut(*np.mean(scores, axis=0).tolist())


def _chosen_elsewhere(labels: NDArray[np.generic], candidates: Mapping[str, Array], chosen_on: NDArray[np.bool_]) -> tuple[float, float]:
    """Score the ensemble, and the best training alone, on the records that did not choose them.

    Args:
        chosen_on: (n_records,), those that choose.
    """
    here = {name: one[chosen_on] for name, one in candidates.items()}
    weights = best_members(labels[chosen_on], here)
    joined = weighted_mean([candidates[name][~chosen_on] for name in weights], list(weights.values()))
    best = max(here, key=lambda name: _score(labels[chosen_on], here[name]))
    return _score(labels[~chosen_on], joined), _score(labels[~chosen_on], candidates[best][~chosen_on])


def choose_ensemble(
    candidates: Sequence[Candidate],
    probabilities: Mapping[str, Sequence[Array]],
    labels: NDArray[np.generic],
    *,
    sensitivity_target: float = SENSITIVITY_TARGET,
) -> SavedEnsemble | None:
    """Choose the members, and fit thresholds and Platt scaling, all on validation.

    Args:
        candidates: The models to choose from, each seed by itself.
        probabilities: {model: one (n_records, n_classes) array a seed}, as `predict_validation` predicts them.
        labels: (n_records, n_classes) of 0/1, validation.
        sensitivity_target: What the sensitivity thresholds reach on validation, 0.01 to 1.

    Returns:
        The ensemble; None where there are fewer than two trainings, where no other comes near the best one (it would be that training
        under another name), or where a model is named like the ensemble.
    """
    if not can_join(candidates):
        return None
    of_file = _by_file(candidates, probabilities)
    weights = best_members(labels, of_file)
    if len(weights) < 2:
        return None
    mean = weighted_mean([of_file[name] for name in weights], list(weights.values()))
    trainings = {
        file.name: (candidate.name, file, saved)
        for candidate in candidates
        for file, saved in zip(candidate.files, candidate.seeds, strict=True)
    }
    members = {name: trainings[name] for name in weights}
    thresholds = {
        "half": [0.5] * labels.shape[1],
        "f1": f1_thresholds(labels, mean).tolist(),
        "sensitivity": sensitivity_thresholds(labels, mean, target=sensitivity_target).tolist(),
    }
    return SavedEnsemble(
        seed=0,
        members=tuple(Member(model, name, file_digest(file), weights[name]) for name, (model, file, _) in members.items()),
        data=candidates[0].seeds[0].data,
        trained_on=", ".join(sorted({saved.trained_on for _, _, saved in members.values()})),
        validation_macro_auc=macro_auc(labels, mean),
        thresholds=thresholds,
        sensitivity_target=sensitivity_target,
        platt=platt_parameters(labels, mean).tolist(),
        chosen_from=digests_of(candidates),
        rule=MEAN,
    )


def weighted_mean(probabilities: Sequence[Array], weights: Sequence[float]) -> Array:
    """Join the members' probabilities, (n_records, n_classes) each, to one array of the same shape.

    Args:
        weights: One a member, in the same order, of sum 1.
    """
    return np.asarray(np.tensordot(np.array(weights), np.stack(probabilities), axes=1), dtype=np.float64)


def _by_file(candidates: Sequence[Candidate], probabilities: Mapping[str, Sequence[Array]]) -> dict[str, Array]:
    """Name the predictions of each training by its model file."""
    return {
        file.name: of_seed for candidate in candidates for file, of_seed in zip(candidate.files, probabilities[candidate.name], strict=True)
    }


def _score(labels: NDArray[np.generic], probabilities: Array) -> float:
    """Compute the macro AUC, -1 where it is undefined."""
    return float(np.nan_to_num(macro_auc(labels, probabilities), nan=-1.0))
