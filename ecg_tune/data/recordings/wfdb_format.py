"""Read a WFDB record: a header (.hea) with the signal files, or the segments, that it names."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import numpy as np
import wfdb
from numpy.typing import NDArray

from ecg_tune.data.recordings.file_facts import FileFacts
from ecg_tune.data.recordings.leads import list_leads, standard_lead
from ecg_tune.data.recordings.recording import Recording, make_recording
from ecg_tune.data.recordings.wfdb_header import BYTES, GAP, Header, read_header
from ecg_tune.errors import DataError

SUFFIXES = (".hea", ".dat")


def read_wfdb(path: Path, facts: FileFacts) -> list[Recording]:
    """Read one record. Units come from the header; samples that the format marks as missing are NaN.

    Args:
        path: The header, the signal file, or their common name without suffix.

    Raises:
        DataError: A file is missing or damaged, or its units are no voltage.
    """
    base = path.with_suffix("") if path.suffix in SUFFIXES else path
    file = Path(f"{base}.hea")
    if not file.is_file():
        raise DataError(f"{path} has no header {file.name} beside it: fetch the header too")
    header = read_header(file)
    recording = _read_segments(header, facts) if header.segments else _read_signals(header, facts)
    facts.check(header.name, leads=recording.leads)
    return [recording]


def read_samples(header: Header) -> NDArray[np.float64]:
    """Read the samples of a record without segments, (n_samples, n_signals), each in the unit of its signal; NaN where one is missing.

    Raises:
        DataError: A signal file is missing, cut, changed or damaged.
    """
    _check_files(header)
    try:
        with np.errstate(all="ignore"):
            record = wfdb.rdrecord(str(header.path.with_name(header.name)), physical=False)
            found = list(zip(record.file_name, record.fmt, strict=True)), len(record.d_signal)
            record.adc_gain = [signal.gain for signal in header.signals]
            record.baseline = [signal.baseline for signal in header.signals]
            samples = np.asarray(record.dac(), dtype=np.float64)
    except Exception as error:  # wfdb raises errors of many types on a broken file; in each case the record is damaged
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{header.name} can't be read as a WFDB record ({reason[:200]}): fetch its files again") from error
    if found != ([(signal.file, signal.format) for signal in header.signals], header.n_samples or record.sig_len):
        raise DataError(f"{header.path.name} has control characters, by which it can be read in two ways: take them out")
    _check_sums(header, record.d_signal)
    return samples


def _read_signals(header: Header, facts: FileFacts) -> Recording:
    """Read a record with its own signal files."""
    names = [signal.name for signal in header.signals]
    units = [signal.unit for signal in header.signals]
    of_leads = [unit for name, unit in zip(names, units, strict=True) if standard_lead(name)]
    facts.check(header.name, rate_hz=header.rate_hz, units=of_leads)
    return make_recording(read_samples(header), names, units, header.rate_hz, name=header.name)


def _read_segments(header: Header, facts: FileFacts) -> Recording:
    """Read each segment by its own header, since gain, units and order of leads may differ, and join them in millivolts."""
    parts: list[Recording] = []
    start = 0
    for name, length in header.segments:
        if name == GAP and length:
            raise DataError(
                f"{header.name}: samples {start} to {start + length - 1} are missing (a gap between segments): cut the record there"
            )
        if length:  # a segment without samples says how others are laid out
            parts.append(_read_segment(header, name, length, facts))
        start += length
    if not parts:
        raise DataError(f"{header.name} has no sample: its segments are empty")
    leads = parts[0].leads
    for part in parts:
        if missing := sorted(set(leads) ^ set(part.leads)):
            raise DataError(f"{header.name}: {list_leads(missing)} is missing in some of its segments: write segments of the same leads")
    joined = np.concatenate([part.signal_mv[:, [part.leads.index(lead) for lead in leads]] for part in parts])
    others = tuple(dict.fromkeys(name for part in parts for name in part.others))
    return Recording(joined, leads, header.rate_hz, header.name, others)


def _read_segment(whole: Header, name: str, length: int, facts: FileFacts) -> Recording:
    path = whole.path.with_name(f"{name}.hea")
    if not path.is_file():
        raise DataError(f"{whole.path.name} names the segment {name}, whose header {path.name} is not beside it: fetch it too")
    header = read_header(path)
    if header.segments:
        raise DataError(f"{whole.path.name} names the segment {name}, which itself is of segments: name those that have signals")
    if header.rate_hz != whole.rate_hz:
        raise DataError(f"{whole.path.name} says {whole.rate_hz:g} Hz, but its segment {name} {header.rate_hz:g}: resample it first")
    part = _read_signals(header, facts)
    if len(part.signal_mv) != length:
        raise DataError(f"{whole.path.name} says {length} samples of {name}, which has {len(part.signal_mv)}: correct the header")
    return part


def _check_files(header: Header) -> None:
    """Refuse signal files that are missing, no files, or too small for what the header promises, before `wfdb` makes room for that."""
    groups = [(name, list(signals)) for name, signals in groupby(header.signals, key=lambda signal: signal.file)]
    if len(groups) > len({name for name, _ in groups}):
        raise DataError(f"{header.path.name} has signals of another file between those of one: write a file's signals on lines in sequence")
    for name, signals in groups:
        file = header.path.with_name(name)
        n_bytes = sum(header.n_samples * BYTES[signal.format] for signal in signals)
        if not file.exists():
            raise DataError(f"{header.path.name} names {name}, which is not beside it: fetch the signal file too")
        if not file.is_file():  # reading a pipe waits for its writer
            raise DataError(f"{header.path.name} names {name}, a folder, a pipe or a device: fetch the signal file")
        if file.stat().st_size < int(n_bytes):
            size = f"{file.stat().st_size} bytes, too few for {header.n_samples} samples"
            raise DataError(f"{name} has {size}, as {header.path.name} says: it was cut, fetch it again, or correct the header")


def _check_sums(header: Header, steps: NDArray[np.int64]) -> None:
    """Compare samples (n_samples, n_signals) with the header's checksums: a channel's sum modulo 65536 (WFDB `header(5)`)."""
    sums = steps.sum(axis=0, dtype=np.int64) & 0xFFFF
    for signal, actual in zip(header.signals, sums.tolist(), strict=True):
        if signal.checksum is not None and actual != signal.checksum & 0xFFFF:
            said = f"checksum of {signal.name} is {actual}, the header says {signal.checksum}"
            raise DataError(f"{header.name} was changed ({said}): fetch its files again")
