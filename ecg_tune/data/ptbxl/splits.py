"""Which part of the data a record belongs to. A patient is never in two parts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ecg_tune.config import check_choice
from ecg_tune.errors import DataError

Ints = NDArray[np.int64]


def assign_splits(split: str, *, patient_id: Ints, fold: Ints) -> NDArray[np.str_]:
    """Return "train", "validation" or "test" for every record.

    Args:
        split: A name in `SPLIT_SCHEMES`.
        patient_id: (n_records,).
        fold: (n_records,), the published stratified fold, 1..10.

    Raises:
        DataError: A fold is outside 1..10, or a patient would be in two parts.
    """
    check_choice("split", split, SPLIT_SCHEMES)
    for row in np.flatnonzero((fold < 1) | (fold > 10))[:1]:
        raise DataError(f"strat_fold must be 1..10, but patient {patient_id[row]} has {fold[row]}: fetch the table again")
    part = SPLIT_SCHEMES[split](patient_id, fold)
    check_patients_disjoint(part, patient_id)
    return part


def check_patients_disjoint(part: NDArray[np.str_], patient_id: Ints) -> None:
    """Raise `DataError`, naming the patients, if any patient is in more than one part."""
    pairs = np.unique(np.stack([patient_id, np.unique(part, return_inverse=True)[1]]), axis=1)
    patients, parts = np.unique(pairs[0], return_counts=True)
    shared = patients[parts > 1]
    if len(shared):
        shown = ", ".join(map(str, shared[:5])) + (", ..." if len(shared) > 5 else "")
        raise DataError(
            f"{len(shared)} patient(s) are in more than one part of the split ({shown}): correct strat_fold or fetch the table again"
        )


def official(patient_id: Ints, fold: Ints) -> NDArray[np.str_]:
    """Return the split the data set's authors recommend: folds 1-8 train, 9 validation, 10 test."""
    return np.where(fold <= 8, "train", np.where(fold == 9, "validation", "test"))


def seventy_fifteen_fifteen(patient_id: Ints, fold: Ints) -> NDArray[np.str_]:
    """Return about 70 / 15 / 15 %: folds 1-7 train; fold 8 is shared by its patients between 9 and 10."""
    validation = (fold == 9) | ((fold == 8) & _coin(patient_id))
    return np.where(fold <= 7, "train", np.where(validation, "validation", "test"))


def _coin(patient_id: Ints) -> NDArray[np.bool_]:
    """Return one bit a patient that depends on nothing but the patient's number."""
    return np.array([hashlib.sha256(str(int(patient)).encode()).digest()[0] % 2 == 0 for patient in patient_id], dtype=bool)


SPLIT_SCHEMES: dict[str, Callable[[Ints, Ints], NDArray[np.str_]]] = {"official": official, "70-15-15": seventy_fifteen_fifteen}
