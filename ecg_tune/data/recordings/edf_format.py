"""Read the ECG channels of an EDF, EDF+ or BDF file."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import numpy as np

from ecg_tune.data.recordings.file_facts import FileFacts
from ecg_tune.data.recordings.leads import list_leads, standard_lead
from ecg_tune.data.recordings.recording import Recording, make_recording
from ecg_tune.errors import DataError

BDF_MARK = b"\xff"
"""The first byte of a BDF file, whose samples have three bytes."""


def read_edf(path: Path, facts: FileFacts) -> list[Recording]:
    """Read one recording. Names, units and rate come from the header; channels that are no standard lead are left out.

    Raises:
        DataError: pyedflib is not installed, the file is damaged or has gaps, or its leads have several rates or no voltage.
    """
    pyedflib = _pyedflib(path)
    _check_size(path)
    try:
        with pyedflib.EdfReader(str(path.resolve())) as file:
            headers = file.getSignalHeaders()
            names = [str(header["label"]).strip() for header in headers]
            chosen = [channel for channel, name in enumerate(names) if standard_lead(name)]
            columns = [file.readSignal(channel) for channel in chosen]
    except (OSError, ValueError, UnicodeError) as error:
        reason = " ".join(str(error).replace(str(path.resolve()), "").split()).lstrip(": ")
        raise DataError(f"{path.name} can't be read as EDF ({reason[:200]}): export it again, as continuous EDF+") from error
    others = [name for name in names if not standard_lead(name)]
    leads = [str(standard_lead(names[channel])) for channel in chosen]
    rates = {float(headers[channel]["sample_frequency"]) for channel in chosen}
    if not chosen:
        raise DataError(f"{path.name} has no standard lead (I, II, III, aVR, aVL, aVF, V1 to V6), its channels are {list_leads(others)}")
    if len(rates) > 1:
        raise DataError(f"{path.name} has leads of several sampling rates ({', '.join(f'{r:g}' for r in sorted(rates))} Hz): use one")
    units = [str(headers[channel]["dimension"]).strip() for channel in chosen]
    facts.check(path.name, leads=leads, rate_hz=min(rates), units=[unit for unit in units if unit])
    units = [unit or facts.units for unit in units]
    if "" in units:
        raise DataError(f"{path.name} does not say its units: pass --units mv or --units uv")
    signal = np.stack(columns, axis=1).astype(np.float64)  # (samples, leads)
    return [make_recording(signal, leads, units, min(rates), name=path.name, others=others)]


def _check_size(path: Path) -> None:
    """Compare a file's size with its header, as pyedflib does, which prints on standard output where they differ.

    Raises:
        DataError: The file was cut, is longer than its header says, or has no such header.
    """
    with path.open("rb") as file:
        head = file.read(256)
        try:
            n_channels, n_records = _whole(head[252:256]), _whole(head[236:244])
            file.seek(256 + 216 * n_channels)
            per_record = sum(_whole(file.read(8)) for _ in range(n_channels))
        except ValueError as error:
            raise DataError(f"{path.name} can't be read as EDF (it has no such header): export it again, as continuous EDF+") from error
    size, wanted = path.stat().st_size, 256 * (n_channels + 1) + n_records * per_record * (3 if head[:1] == BDF_MARK else 2)
    if n_records < 0:
        raise DataError(
            f"{path.name} does not say how many data records it has ({n_records}), so its recording was not ended: export it again"
        )
    if size < wanted:
        raise DataError(f"{path.name} has {size} bytes, but its header says {wanted}: it was cut, fetch it again")
    if size > wanted:
        raise DataError(
            f"{path.name} has {size} bytes, more than the {wanted} its header says: correct the number of records, or export it again"
        )


def _whole(field: bytes) -> int:
    """Read a whole number of an EDF header, padded with spaces; Python itself would take 1_0 for 10."""
    if not re.fullmatch(rb"[-+]?\d+", field.strip()):
        raise ValueError(field)
    return int(field)


def _pyedflib(path: Path) -> ModuleType:
    try:
        import pyedflib  # an extra, which only EDF files need
    except ImportError as error:
        raise DataError(f"{path.name} is an EDF file, which needs pyedflib: pip install 'ecg-tune[edf]'") from error
    module: ModuleType = pyedflib
    return module
