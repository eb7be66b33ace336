"""All twelve leads of a prepared record, read again from the PTB-XL folder it came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tune.config import LEAD_NAMES
from ecg_tune.data.prepared.dataset import PreparedData, Split
from ecg_tune.data.ptbxl.records import read_record
from ecg_tune.data.ptbxl.tables import CHECKSUMS, read_checksums
from ecg_tune.errors import DamagedRecordError


def read_twelve_leads(data: PreparedData, part: Split, row: int) -> NDArray[Any]:
    """Return one record's twelve leads, (n_samples, 12) int16 microvolts in the order of `LEAD_NAMES`.

    Verified twice: against the folder's checksums, and the prepared leads must be the same samples.

    Args:
        row: The record's place in `part`.

    Raises:
        DamagedRecordError: The folder or file is not known, is gone, was changed, or holds other samples; says which.
    """
    known = data.manifest.get("source_folder")
    if part.origin is None or known is None:
        raise DamagedRecordError("the data were prepared without noting where the records lie: prepare them again into the same folder")
    folder = Path(str(known))
    if not folder.is_dir():
        raise DamagedRecordError(f"the PTB-XL folder {folder} is not there")
    listed = read_checksums(folder / CHECKSUMS)
    signal_uv = read_record(folder, part.origin.files[row], sampling_rate_hz=data.sampling_rate_hz, checksums=listed)
    places = [LEAD_NAMES.index(lead) for lead in data.leads]
    if not np.array_equal(signal_uv[:, places], part.signals_uv[row]):
        raise DamagedRecordError(f"{part.origin.files[row]} in {folder} holds other samples than the prepared data")
    return signal_uv
