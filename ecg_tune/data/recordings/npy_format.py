"""Read a NumPy file: an array of numbers, of which the user says leads, sampling rate and units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tune.data.array_files import read_array
from ecg_tune.data.recordings.file_facts import FileFacts
from ecg_tune.data.recordings.recording import Recording, make_recording
from ecg_tune.errors import DataError


def read_npy(path: Path, facts: FileFacts) -> list[Recording]:
    """Read one recording (n_samples, n_leads), or many (n_records, n_samples, n_leads).

    Raises:
        DataError: It is no array of numbers of such a shape, or leads, rate or units are not given.
    """
    flags = {"--leads NAMES": facts.leads, "--rate HZ": facts.sampling_rate_hz, "--units mv|uv": facts.units}
    if missing := [flag for flag, value in flags.items() if not value]:
        raise DataError(f"{path.name} holds numbers only: pass {' and '.join(missing)}")
    assert facts.sampling_rate_hz is not None
    try:
        array = read_array(path, mapped=True)
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name} is not an array of numbers (.npy): {' '.join(str(error).split())[:200]}") from error
    if array.dtype.kind == "b" or array.ndim not in (2, 3):
        found = f"{array.dtype} {array.shape}"
        raise DataError(f"{path.name} must hold numbers (n_samples, n_leads) or (n_records, n_samples, n_leads), but holds {found}")
    if array.shape[-1] != len(facts.leads):
        hint = ": transpose it" if array.shape[-2] == len(facts.leads) else ""
        raise DataError(f"{path.name}: --leads names {len(facts.leads)} leads, but the array has the shape {array.shape}{hint}")
    if not array.size:
        raise DataError(f"{path.name} holds no sample: its shape is {array.shape}")
    if array.ndim == 2:
        return [_recording(array, facts, path.name)]
    return [_recording(one, facts, f"{path.name}[{row}]") for row, one in enumerate(array)]


def _recording(array: NDArray[Any], facts: FileFacts, name: str) -> Recording:
    signal = np.asarray(array, dtype=np.float64)
    return make_recording(signal, facts.leads, [facts.units] * len(facts.leads), float(facts.sampling_rate_hz or 0), name=name)
