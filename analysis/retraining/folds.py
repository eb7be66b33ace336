"""Divide the training split into folds by patient, to judge trials on records that neither search nor validation has chosen by.

Each fold's records validate a training on the other folds: validation and test stay out of it. No patient is in two folds, and the classes
are spread as evenly as that allows (scikit-learn's StratifiedGroupKFold, by each record's rarest class).
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from analysis.retraining.training_jobs import Fold
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.errors import UsageError

SEED = 0
"""Of the division: every race divides the same data alike, so that an interrupted one resumes."""


def train_folds(data: PreparedData, n_folds: int) -> list[Fold]:
    """Divide the training split.

    Args:
        n_folds: 2 or more.

    Raises:
        UsageError: Fewer patients or records of a class than folds, or images that stay in their files.
    """
    if data.train.images is not None:
        raise UsageError("--folds divides signals, and these data come with stored images: leave it out")
    patients = data.train.records["patient_id"]
    splitter = StratifiedGroupKFold(n_splits=n_folds, shuffle=True, random_state=SEED)
    strata = rarest_class(data.train.labels)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        try:
            parts = [held_out for _, held_out in splitter.split(strata, strata, groups=patients)]
        except ValueError as error:
            raise UsageError(f"--folds {n_folds} can't divide {len(np.unique(patients))} train patients: {error}") from error
    if not all(map(len, parts)):
        raise UsageError(f"--folds {n_folds} leaves a fold empty, with {len(np.unique(patients))} train patients: give fewer")
    return [Fold(number, n_folds, tuple(held_out.tolist())) for number, held_out in enumerate(parts)]


def rarest_class(labels: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Find the rarest of each record's classes, (n_records,); n_classes for a record without any.

    Args:
        labels: (n_records, n_classes) of 0/1.
    """
    counts = np.where(labels.astype(bool), labels.sum(axis=0, dtype=np.intp), len(labels) + 1)  # (n_records, n_classes)
    return np.asarray(np.where(labels.any(axis=1), counts.argmin(axis=1), labels.shape[1]), dtype=np.intp)
