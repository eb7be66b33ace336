"""Read all twelve leads of a prepared record from the PTB-XL folder it came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tune.config import LEAD_NAMES
from ecg_tune.data.prepared.dataset import PreparedData, Split
from ecg_tune.data.ptbxl.checksums import CHECKSUMS, read_checksums
from ecg_tune.data.ptbxl.records import read_record
from ecg_tune.errors import DamagedRecordError


def read_twelve_leads(data: PreparedData, split: Split, row: int) -> NDArray[Any]:
    """Read the source record of one row of a split, with all of its leads.

    Checked twice: the file against the folder's checksums, and its samples against the prepared leads.

    Args:
        split: With its origin, as `open_test` gives it.
        row: The record's row in `split`, from 0.

    Returns:
        (n_samples, 12) int16 microvolts in the order of `LEAD_NAMES`.

    Raises:
        DamagedRecordError: The folder or file is not known, is gone, was changed, or holds other samples; says which.
    """
    source_folder = data.manifest.get("source_folder")
    if split.origin is None or source_folder is None:
        raise DamagedRecordError("the data were prepared without noting where the records lie: prepare them again into the same folder")
    folder = Path(str(source_folder))
    if not folder.is_dir():
        raise DamagedRecordError(f"the PTB-XL folder {folder} does not exist")
    checksums = read_checksums(folder / CHECKSUMS)
    signal_uv = read_record(folder, split.origin.files[row], sampling_rate_hz=data.sampling_rate_hz, checksums=checksums)
    columns = [LEAD_NAMES.index(lead) for lead in data.leads]
    if not np.array_equal(signal_uv[:, columns], split.signals_uv[row]):
        raise DamagedRecordError(f"{split.origin.files[row]} in {folder} holds other samples than the prepared data")
    return signal_uv
