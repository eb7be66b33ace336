"""Read a WFDB record: a header (.hea) with the signal files that it names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import wfdb

from ecg_tune.data.recordings.file_facts import FileFacts
from ecg_tune.data.recordings.leads import standard_lead
from ecg_tune.data.recordings.recording import Recording, make_recording
from ecg_tune.errors import DataError
from ecg_tune.file_sizes import LARGEST_HEADER, check_size

SUFFIXES = (".hea", ".dat")
GAIN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def read_wfdb(path: Path, facts: FileFacts) -> list[Recording]:
    """Read one record. Units come from the header; samples that the format marks as missing are NaN.

    Args:
        path: The header, the signal file, or their common name without suffix.

    Raises:
        DataError: A file is missing or damaged, or its units are no voltage.
    """
    base = path.with_suffix("") if path.suffix in SUFFIXES else path
    header = Path(f"{base}.hea")
    if not header.is_file():
        raise DataError(f"{path} has no header {header.name} beside it: fetch the header too")
    check_header(header)
    record = _read(base)
    names = [str(name or "unnamed") for name in record.sig_name]
    of_leads = [unit for name, unit in zip(names, record.units, strict=True) if standard_lead(name)]
    leads = [lead for name in names if (lead := standard_lead(name))]
    facts.check(base.name, leads=leads, rate_hz=float(record.fs), units=of_leads)
    return [make_recording(record.p_signal, names, record.units, float(record.fs), name=base.name)]


def check_header(header: Path) -> None:
    """Refuse a header that `wfdb` would misread, or wait for; the headers of a record's segments likewise.

    Raises:
        DataError: A signal has no gain, for which `wfdb` assumes 200 units a millivolt, or its file is a folder, a pipe or a device.
    """
    first, *lines = _lines(header)
    if first and "/" in first[0]:
        for file in sorted({f"{fields[0]}.hea" for fields in lines} - {"~.hea"}):
            if Path(file).name == file and file != header.name and header.with_name(file).is_file():
                _check_signals(header.with_name(file), _lines(header.with_name(file))[1:])
    else:
        _check_signals(header, lines)


def _lines(header: Path) -> list[list[str]]:
    """Split a header's lines into fields, the record line first."""
    check_size(header, most=LARGEST_HEADER)
    text = header.read_text(encoding="latin-1")
    return [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")] or [[]]


def _check_signals(header: Path, lines: list[list[str]]) -> None:
    for number, fields in enumerate(lines, 1):
        signal_file = header.parent / fields[0]
        if signal_file.exists() and not signal_file.is_file():  # reading a pipe waits for its writer
            raise DataError(f"{header.name} names {fields[0]}, a folder, a pipe or a device: fetch the signal file")
        gain = GAIN.match(fields[2]) if len(fields) > 2 else None
        if gain is None or float(gain[0]) == 0:
            raise DataError(
                f"{header.name} states no gain for signal {number}, so its amplitude is unknown: write the gain into the header"
            )


def _read(base: Path) -> Any:
    """Read a record with its samples in the header's units. wfdb takes plain file names in a header, no paths."""
    try:
        record = wfdb.rdrecord(str(base), physical=False)
        if isinstance(record, wfdb.MultiRecord):
            record = record.multi_to_single(physical=False)
        if max(record.samps_per_frame, default=1) > 1:
            raise DataError(f"{base.name} has channels of several rates: write its ECG leads as a record of their own (`xform`)")
        _check_sums(base.name, record)
        record.p_signal = np.asarray(record.dac(), dtype=np.float64)
    except DataError:
        raise
    except Exception as error:  # wfdb raises errors of many types on a broken file; in each case the record is damaged
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(f"{base.name} can't be read as a WFDB record ({reason[:200]}): fetch its files again") from error
    return record


def _check_sums(name: str, record: Any) -> None:
    """Compare the samples with the header's checksums: a channel's sum modulo 65536 (WFDB `header(5)`)."""
    stated = record.checksum or []
    if not stated or None in stated:
        return
    sums = record.d_signal.sum(axis=0, dtype=np.int64) & 0xFFFF
    for channel, actual, expected in zip(record.sig_name, sums.tolist(), stated, strict=True):
        if actual != expected & 0xFFFF:
            raise DataError(f"{name} was changed (checksum of {channel} is {actual}, the header says {expected}): fetch its files again")
