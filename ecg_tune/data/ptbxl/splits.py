"""Divide records into train, validation and test by one of two schemes; a patient's records stay in one split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ecg_tune.config import check_choice
from ecg_tune.errors import DataError

Ints = NDArray[np.int64]


def assign_splits(split_scheme: str, *, patient_id: Ints, fold: Ints) -> NDArray[np.str_]:
    """Put every record into "train", "validation" or "test".

    Args:
        split_scheme: A name in `SPLIT_SCHEMES`: "official" or "70-15-15".
        patient_id: (n_records,).
        fold: (n_records,), the published stratified fold, 1..10.

    Returns:
        (n_records,) names of splits.

    Raises:
        ConfigError: An unknown scheme.
        DataError: A fold is outside 1..10, or a patient would be in more than one split.
    """
    check_choice("split", split_scheme, SPLIT_SCHEMES)
    for row in np.flatnonzero((fold < 1) | (fold > 10))[:1]:
        raise DataError(f"strat_fold must be 1..10, but patient {patient_id[row]} has {fold[row]}: fetch the table again")
    splits = SPLIT_SCHEMES[split_scheme](patient_id, fold)
    check_patients_disjoint(splits, patient_id)
    return splits


def check_patients_disjoint(splits: NDArray[np.str_], patient_id: Ints) -> None:
    """Check that every patient is in one split only.

    Args:
        splits: (n_records,) names of splits.
        patient_id: (n_records,).

    Raises:
        DataError: Some patients are in more than one split; names the first five.
    """
    pairs = np.unique(np.stack([patient_id, np.unique(splits, return_inverse=True)[1]]), axis=1)
    patients, n_splits = np.unique(pairs[0], return_counts=True)
    shared = patients[n_splits > 1]
    if len(shared):
        shown = ", ".join(map(str, shared[:5])) + (", ..." if len(shared) > 5 else "")
        raise DataError(f"{len(shared)} patient(s) are in more than one split ({shown}): correct strat_fold or fetch the table again")


def official(patient_id: Ints, fold: Ints) -> NDArray[np.str_]:
    """Split as the authors of PTB-XL recommend: folds 1-8 train, 9 validation, 10 test (Wagner et al., 2020)."""
    return np.where(fold <= 8, "train", np.where(fold == 9, "validation", "test"))


def seventy_fifteen_fifteen(patient_id: Ints, fold: Ints) -> NDArray[np.str_]:
    """Split about 70 / 15 / 15 %: folds 1-7 train, 9 validation, 10 test; the patients of fold 8 are divided between the last two."""
    validation = (fold == 9) | ((fold == 8) & _patient_bit(patient_id))
    return np.where(fold <= 7, "train", np.where(validation, "validation", "test"))


def _patient_bit(patient_id: Ints) -> NDArray[np.bool_]:
    """Derive one pseudo-random bit from each patient's number; the same number always gives the same bit."""
    return np.array([hashlib.sha256(str(int(patient)).encode()).digest()[0] % 2 == 0 for patient in patient_id], dtype=bool)


SPLIT_SCHEMES: dict[str, Callable[[Ints, Ints], NDArray[np.str_]]] = {"official": official, "70-15-15": seventy_fifteen_fifteen}
