"""Sums over the records of a patient: what every standard error that respects patients starts from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecg_tune.metrics import Array


def patient_index(patient_ids: NDArray[np.generic]) -> NDArray[np.intp]:
    """Return each record's patient as a number 0..n_patients - 1, (n_records,)."""
    return np.asarray(np.unique(patient_ids, return_inverse=True)[1], dtype=np.intp)


def patient_sums(values: Array, index: NDArray[np.intp]) -> Array:
    """Return the sum over each patient's records, (…, n_patients).

    Args:
        values: (…, n_records).
        index: (n_records,) of `patient_index`.
    """
    rows = values.reshape(-1, values.shape[-1])
    n_patients = int(index.max()) + 1
    sums = [np.bincount(index, weights=row, minlength=n_patients) for row in rows]
    return np.reshape(sums, (*values.shape[:-1], n_patients))


def mean_standard_error(values: Array, index: NDArray[np.intp]) -> float:
    """Return the standard error of the mean of records that come in patients; NaN with fewer than two patients.

    The linearised ratio of the patients' sums to their numbers of records (Cochran, 1977, chapter 6).

    Args:
        values: (n_records,).
    """
    n_patients = int(index.max()) + 1
    if n_patients < 2:
        return float("nan")
    sums = patient_sums(values - values.mean(), index)
    return float(np.sqrt(n_patients / (n_patients - 1) * np.square(sums).sum()) / len(values))
