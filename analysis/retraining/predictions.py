"""The probabilities that a model file predicts for one split, train or validation or test."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from analysis.retraining.candidates import Candidate
from ecg_tune.data.prepared.dataset import Split
from ecg_tune.errors import DataError
from ecg_tune.metrics import Array
from ecg_tune.training.model_file import build_predictor, load_saved
from ecg_tune.training.predictor import predict_probabilities


def predict_split(path: Path, split: Split, *, device: str) -> Array:
    """Load a model file and predict every record of a split, (n_records, n_classes) in [0, 1].

    Raises:
        DataError: A prediction is not a finite number; names the file and how many records.
    """
    probabilities = predict_probabilities(build_predictor(load_saved(path)), split, device=device)
    if lost := int((~np.isfinite(probabilities)).any(axis=1).sum()):
        raise DataError(f"the model in {path} predicts NaN for {lost} of {len(split)} {split.name} records: retrain it")
    return probabilities


def predict_validation(candidate: Candidate, validation: Split, *, device: str) -> tuple[Array, ...]:
    """Predict validation with every seed of a candidate, one model in memory at a time.

    A model that was trained on validation too gives no honest prediction there: its reference model predicts instead.

    Returns:
        One (n_records, n_classes) array a seed, in [0, 1].

    Raises:
        DataError: As `predict_split`.
    """
    return tuple(predict_split(path, validation, device=device) for path in candidate.validation_files)
