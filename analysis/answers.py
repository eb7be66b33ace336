"""What the models say about the records: every seed's probabilities, with what was fixed on validation before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.bootstrap import Run
from analysis.candidates import Candidate
from ecg_tune.data.prepared import Part
from ecg_tune.metrics import Array
from ecg_tune.training.checkpoint import SavedModel, build_predictor, load_saved
from ecg_tune.training.predictor import predict_probabilities


@dataclass(frozen=True)
class SeedAnswers:
    """One model file's answers.

    Attributes:
        saved: What the file says, without its weights.
        test: (n_records, n_classes) probabilities.
        f1_thresholds: (n_classes,), highest F1 on validation.
    """

    saved: SavedModel
    test: Array
    f1_thresholds: Array


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


def ask(candidate: Candidate, test: Part, *, device: str) -> ModelAnswers:
    """Return the answers of every seed of a retrained trial; one model is in memory at a time."""
    pairs = zip(candidate.files, candidate.seeds, strict=True)
    return ModelAnswers(candidate.name, tuple(_seed(path, saved, test, device) for path, saved in pairs))


def _seed(path: Path, saved: SavedModel, test: Part, device: str) -> SeedAnswers:
    predictor = build_predictor(load_saved(path))
    return SeedAnswers(
        saved=saved,
        test=predict_probabilities(predictor, test.signals_uv, device=device),
        f1_thresholds=np.asarray(saved.thresholds["f1"], dtype=np.float64),
    )
