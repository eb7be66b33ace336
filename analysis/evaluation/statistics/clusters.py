"""Sums over the records of a patient, for standard errors that take records of one patient as alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecg_tune.metrics import Array


def patient_index(patient_ids: NDArray[np.generic]) -> NDArray[np.intp]:
    """Number the patients 0..n_patients - 1, and give each record its patient's number, (n_records,)."""
    return np.asarray(np.unique(patient_ids, return_inverse=True)[1], dtype=np.intp)


def patient_sums(values: Array, index: NDArray[np.intp]) -> Array:
    """Add up the values of each patient's records, (…, n_patients).

    Args:
        values: (…, n_records).
        index: (n_records,) of `patient_index`.
    """
    rows = values.reshape(-1, values.shape[-1])
    n_patients = int(index.max()) + 1
    sums = [np.bincount(index, weights=row, minlength=n_patients) for row in rows]
    return np.reshape(sums, (*values.shape[:-1], n_patients))


def mean_standard_error(values: Array, index: NDArray[np.intp]) -> float:
    """Compute the standard error of a mean over records, several of which may be one patient's; NaN with fewer than two patients.

    The linearised ratio of the patients' sums to their numbers of records (Cochran, 1977, chapter 6).

    Args:
        values: (n_records,).
    """
    n_patients = int(index.max()) + 1
    if n_patients < 2:
        return float("nan")
    sums = patient_sums(values - values.mean(), index)
    return float(np.sqrt(n_patients / (n_patients - 1) * np.square(sums).sum()) / len(values))
