"""What the models say about the records: every seed's probabilities, with what was fixed on validation before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.bootstrap import Run
from analysis.candidates import Candidate
from analysis.platt import platt_parameters, platt_scaled
from analysis.thresholds import sensitivity_thresholds
from ecg_tune.data.prepared import Part
from ecg_tune.errors import DataError
from ecg_tune.metrics import Array
from ecg_tune.training.checkpoint import SavedModel, build_predictor, load_saved
from ecg_tune.training.predictor import predict_probabilities


@dataclass(frozen=True)
class SeedAnswers:
    """One model file's answers.

    Attributes:
        saved: What the file says, without its weights.
        validation, test: (n_records, n_classes) probabilities of the two parts.
        f1_thresholds: (n_classes,), highest F1 on validation.
        sensitivity_thresholds: (n_classes,), the highest that reach the wanted sensitivity on validation.
        platt: (n_classes, 2), slope and intercept fitted on validation.
    """

    saved: SavedModel
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
class ModelAnswers:
    """One retrained trial's answers, one entry a seed."""

    name: str
    seeds: tuple[SeedAnswers, ...]

    @property
    def chosen(self) -> int:
        """Return the index of the seed with the best validation macro AUC, the one that `<Name>_best.pth` holds."""
        return int(np.argmax([np.nan_to_num(seed.saved.validation_macro_auc, nan=-1.0) for seed in self.seeds]))

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


def ask(candidate: Candidate, validation: Part, test: Part, *, sensitivity_target: float, device: str) -> ModelAnswers:
    """Return the answers of every seed of a retrained trial; one model is in memory at a time.

    Raises:
        DataError: An answer is not a number.
    """
    seeds = []
    for path, saved in zip(candidate.files, candidate.seeds, strict=True):
        seeds.append(_seed(path, saved, validation, test, target=sensitivity_target, device=device))
    return ModelAnswers(candidate.name, tuple(seeds))


def _seed(path: Path, saved: SavedModel, validation: Part, test: Part, *, target: float, device: str) -> SeedAnswers:
    predictor = build_predictor(load_saved(path))
    known, asked = (predict_probabilities(predictor, part.signals_uv, device=device) for part in (validation, test))
    for part, probabilities in ((validation, known), (test, asked)):
        if lost := int((~np.isfinite(probabilities)).any(axis=1).sum()):
            raise DataError(f"the model in {path} answers {lost} of {len(part)} {part.name} records with NaN: retrain it")
    return SeedAnswers(
        saved=saved,
        validation=known,
        test=asked,
        f1_thresholds=np.asarray(saved.thresholds["f1"], dtype=np.float64),
        sensitivity_thresholds=sensitivity_thresholds(validation.labels, known, target=target),
        platt=platt_parameters(validation.labels, known),
    )
