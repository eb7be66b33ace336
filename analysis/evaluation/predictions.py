"""What the models say about the records: every seed's probabilities, with what was fixed on validation before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.evaluation.candidates import Candidate
from analysis.evaluation.statistics.bootstrap import Run
from analysis.evaluation.statistics.platt import platt_parameters, platt_scaled
from analysis.evaluation.thresholds import sensitivity_thresholds
from ecg_tune.data.prepared.dataset import Split
from ecg_tune.errors import DataError
from ecg_tune.metrics import Array
from ecg_tune.training.model_file import SavedModel, build_predictor, load_saved
from ecg_tune.training.predictor import predict_probabilities


@dataclass(frozen=True)
class SeedPredictions:
    """One model file's answers.

    Attributes:
        seed: Of the training.
        validation_macro_auc: As the file says.
        validation, test: (n_records, n_classes) probabilities of the two parts; on validation those of the model or, when it
            was trained on validation, of its twin.
        f1_thresholds: (n_classes,), highest F1 on validation.
        sensitivity_thresholds: (n_classes,), the highest that reach the wanted sensitivity on validation.
        platt: (n_classes, 2), slope and intercept fitted on validation.
    """

    seed: int
    validation_macro_auc: float
    validation: Array
    test: Array
    f1_thresholds: Array
    sensitivity_thresholds: Array
    platt: Array

    @property
    def calibrated(self) -> Array:
        """Return the test probabilities after Platt scaling."""
        return platt_scaled(self.test, self.platt)


@dataclass(frozen=True)
class ModelPredictions:
    """One retrained trial's answers, one entry a seed."""

    name: str
    seeds: tuple[SeedPredictions, ...]

    @property
    def chosen(self) -> int:
        """Return the index of the seed with the best validation macro AUC, the one that `<Name>_best.pth` holds."""
        return int(np.argmax([np.nan_to_num(seed.validation_macro_auc, nan=-1.0) for seed in self.seeds]))

    @property
    def runs(self) -> list[Run]:
        """Return every seed at its F1 thresholds."""
        return [Run(seed.test, seed.f1_thresholds) for seed in self.seeds]

    @property
    def runs_at_half(self) -> list[Run]:
        """Return every seed at 0.5."""
        return [Run(seed.test, np.full(seed.test.shape[1], 0.5)) for seed in self.seeds]

    @property
    def runs_at_sensitivity(self) -> list[Run]:
        """Return every seed at the thresholds of the wanted sensitivity."""
        return [Run(seed.test, seed.sensitivity_thresholds) for seed in self.seeds]


def ask(candidate: Candidate, validation: Split, test: Split, *, sensitivity_target: float, device: str) -> ModelPredictions:
    """Return the answers of every seed of a retrained trial; one model is in memory at a time.

    Raises:
        DataError: An answer is not a number.
    """
    files = zip(candidate.files, candidate.judged, candidate.seeds, strict=True)
    seeds = [_seed(*one, validation, test, target=sensitivity_target, device=device) for one in files]
    return ModelPredictions(candidate.name, tuple(seeds))


def _seed(path: Path, judged: Path, saved: SavedModel, validation: Split, test: Split, *, target: float, device: str) -> SeedPredictions:
    known, asked = (_answers(file, part, device) for file, part in ((judged, validation), (path, test)))
    return SeedPredictions(
        seed=saved.seed,
        validation_macro_auc=saved.validation_macro_auc,
        validation=known,
        test=asked,
        f1_thresholds=np.asarray(saved.thresholds["f1"], dtype=np.float64),
        sensitivity_thresholds=sensitivity_thresholds(validation.labels, known, target=target),
        platt=platt_parameters(validation.labels, known),
    )


def _answers(path: Path, part: Split, device: str) -> Array:
    found = predict_probabilities(build_predictor(load_saved(path)), part.signals_uv, device=device)
    if lost := int((~np.isfinite(found)).any(axis=1).sum()):
        raise DataError(f"the model in {path} answers {lost} of {len(part)} {part.name} records with NaN: retrain it")
    return found
