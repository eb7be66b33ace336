"""Write one signal as a file of each format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyedflib
import wfdb

from ecg_tune.data.recordings.file_facts import FileFacts


def write_wfdb(base: Path, signal_mv: np.ndarray, leads: Sequence[str], rate_hz: float, *, unit: str = "mV", scale: float = 1.0) -> Path:
    """Write a record of format 16 with a step of 1 µV, in another unit where one is given; return its name without suffix."""
    n_leads = len(leads)
    wfdb.wrsamp(
        base.name, fs=rate_hz, units=[unit] * n_leads, sig_name=list(leads), p_signal=signal_mv * scale, fmt=["16"] * n_leads,
        adc_gain=[1000.0 / scale] * n_leads, baseline=[0] * n_leads, write_dir=str(base.parent),
    )  # fmt: skip
    return base


def write_csv(path: Path, signal_mv: np.ndarray, leads: Sequence[str], rate_hz: float, *, unit: str = "mV", scale: float = 1.0) -> Path:
    """Write a table whose first column is the time and whose names hold the unit."""
    lines = [",".join(["time_s", *(f"{lead} ({unit})" for lead in leads)])]
    lines += [",".join([repr(i / rate_hz), *map(repr, row)]) for i, row in enumerate((signal_mv * scale).tolist())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_npy(path: Path, signal_mv: np.ndarray) -> Path:
    """Write the bare numbers."""
    np.save(path, signal_mv)
    return path


def write_edf(path: Path, signal_mv: np.ndarray, leads: Sequence[str], rate_hz: int, *, unit: str = "uV", scale: float = 1000.0) -> Path:
    """Write EDF+ with a step of 1 µV."""
    digits = 32767
    top = digits * scale / 1000
    with pyedflib.EdfWriter(str(path), len(leads)) as file:
        common = {"dimension": unit, "sample_frequency": rate_hz, "transducer": "", "prefilter": ""}
        common |= {"physical_max": top, "physical_min": -top, "digital_max": digits, "digital_min": -digits}
        file.setSignalHeaders([{"label": lead, **common} for lead in leads])
        steps = np.rint(1000 * signal_mv).astype(np.int32)
        file.writeSamples([np.ascontiguousarray(column) for column in steps.T], digital=True)
    return path


def facts(leads: Sequence[str], rate_hz: float, units: str = "mv") -> FileFacts:
    """Say what a NumPy file doesn't."""
    return FileFacts(tuple(leads), rate_hz, units)
