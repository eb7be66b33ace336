"""Load the model that a user names: a model file, an ensemble's file, or the best model of a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.retraining.candidates import find_candidates, winner_of
from analysis.retraining.ensemble_file import ENSEMBLE
from analysis.retraining.ensemble_predictor import EnsemblePredictor, build_ensemble
from ecg_tune.errors import DataError
from ecg_tune.metrics import Array
from ecg_tune.study.race_result import read_race, won_text
from ecg_tune.training.model_file import checked_predictor, load_saved
from ecg_tune.training.platt import platt_scaled
from ecg_tune.training.predictor import Predictor

STUDY_MODELS = "models"


@dataclass(frozen=True)
class ChosenModel:
    """A model that is ready to predict.

    Attributes:
        name: E.g. "ResNet#2", or "Ensemble".
        file: Where it was loaded from.
        why: Why this one was taken, when the user named a folder; else empty.
    """

    name: str
    file: str
    predictor: Predictor | EnsemblePredictor
    why: str = ""

    def thresholds(self, rule: str) -> Array:
        """Look up the thresholds of a rule, (n_classes,).

        Raises:
            DataError: The file has none of this rule; names those it has.
        """
        there = self.predictor.thresholds
        if rule not in there:
            raise DataError(f"{self.file} holds no thresholds {rule!r}: it has {', '.join(sorted(there)) or 'none'}, see --thresholds")
        return np.array(there[rule], dtype=np.float64)

    def calibrated(self, probabilities: Array) -> Array | None:
        """Scale probabilities (n_records, n_classes) as fitted on validation; None when the file holds no scaling."""
        return platt_scaled(probabilities, self.predictor.platt) if len(self.predictor.platt) else None


def open_model(location: Path | str) -> ChosenModel:
    """Load a model file (.pth, also from s3://), an ensemble's (.json), or the best single model of a study or of a folder of models.

    The best is the winner of the race over seeds, else that of the highest mean validation macro AUC, and of it the best seed. An
    ensemble is never chosen for the user: its validation score flatters it.

    Raises:
        DataError: There is no such file, or it is no model.
    """
    if "://" in str(location):
        return _load(str(location))
    location = Path(location)
    if location.is_dir():
        return _best_of(location / STUDY_MODELS if (location / STUDY_MODELS).is_dir() else location)
    if not location.exists():
        raise DataError(f"{location} does not exist: give a model file (.pth), an ensemble's .json, or a study with retrained models")
    if location.suffix == ".json":
        return ChosenModel(ENSEMBLE, str(location), build_ensemble(location)[0])
    return _load(str(location))


def _load(location: str, why: str = "") -> ChosenModel:
    saved = load_saved(location)
    return ChosenModel(saved.name, location, checked_predictor(saved, location), why)


def _best_of(folder: Path) -> ChosenModel:
    candidates = find_candidates(folder)
    best = candidates[0]
    seed = int(np.argmax([np.nan_to_num(saved.validation_macro_auc, nan=-1.0) for saved in best.seeds]))
    race, several = read_race(folder), len(best.seeds) > 1
    if winner_of(race, candidates):
        why = f"chosen by the {won_text(race)}" + ("; its best seed" if several else "")
    else:
        why = f"best of {len(candidates)} by validation macro AUC {best.ranking.validation_macro_auc:.4f}"
        why += f" (mean of {len(best.seeds)} seeds), its best seed" if several else ""
    return _load(str(best.files[seed]), why)
