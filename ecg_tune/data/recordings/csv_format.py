"""Read a CSV file: a first line that names the leads, one line a sample, and perhaps a column of time."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg_tune.data.recordings.file_facts import FileFacts
from ecg_tune.data.recordings.leads import standard_lead
from ecg_tune.data.recordings.recording import Recording, make_recording
from ecg_tune.errors import DataError

DELIMITERS = ",;\t"
TIME_S = {"time": 1.0, "time_s": 1.0, "time (s)": 1.0, "time_ms": 1e-3, "time (ms)": 1e-3}
"""Name of a column of time, in lower case → seconds."""
WITH_UNIT = re.compile(r"(.+?)(?:\s*[(\[]([munµμ]?V)[)\]]|_([munµμ]?V))", re.IGNORECASE)


def read_csv(path: Path, facts: FileFacts) -> list[Recording]:
    """Read one recording. A unit may stand in the names: `I (mV)`, `I_uV`.

    Raises:
        DataError: It is no such table, or nobody says its sampling rate or units.
    """
    names, values = _read_table(path)
    rate_hz = _rate_of_time(path.name, names, values)
    split = [WITH_UNIT.fullmatch(name) for name in names]
    units = [(match[2] or match[3]) if match else "" for match in split]
    names = [match[1].strip() if match else name for match, name in zip(split, names, strict=True)]
    columns = [column for column, name in enumerate(names) if standard_lead(name)]
    facts.check(
        path.name,
        leads=[lead for name in names if (lead := standard_lead(name))],
        rate_hz=rate_hz,
        units=[units[column] for column in columns],
    )
    rate_hz = rate_hz or facts.sampling_rate_hz
    if rate_hz is None:
        raise DataError(f"{path.name} does not say its sampling rate: pass --rate HZ, or give it a column time_s")
    if not facts.units and any(not units[column] for column in columns):
        raise DataError(f"{path.name} does not say its units: pass --units mv or --units uv, or name the columns like I_mV")
    units = [unit or facts.units for unit in units]
    kept = [column for column, name in enumerate(names) if name.lower() not in TIME_S]
    return [make_recording(values[:, kept], [names[k] for k in kept], [units[k] for k in kept], rate_hz, name=path.name)]


def _read_table(path: Path) -> tuple[list[str], NDArray[np.float64]]:
    """Read names and values, (n_samples, n_columns)."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline(1_000_000)
            delimiter = delimiter_of(first)
            names = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
            if not any(map(standard_lead, (_without_unit(name) for name in names))):
                raise DataError(f"{path.name}: its first line names no lead; write the names there, as in I,II,V2")
            return names, _parse(path.name, names, csv.reader(file, delimiter=delimiter))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} is not a CSV file of text: {error}") from error


def delimiter_of(first: str) -> str:
    """Find what separates the cells of a table, comma, semicolon or tab, by its first line."""
    return max(DELIMITERS, key=first.count)


def _without_unit(name: str) -> str:
    match = WITH_UNIT.fullmatch(name)
    return match[1].strip() if match else name


def _parse(where: str, names: Sequence[str], lines: Iterable[Sequence[str]]) -> NDArray[np.float64]:
    """Parse the lines below the names; an empty cell is a missing sample, NaN."""
    rows = []
    for number, cells in enumerate(lines, 2):
        if not cells:
            continue
        if len(cells) != len(names):
            raise DataError(f"{where}, line {number}: {len(cells)} values, but the first line names {len(names)} columns")
        rows.append([_number(cell, f"{where}, line {number}, column {name}") for cell, name in zip(cells, names, strict=True)])
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(names))  # (samples, columns)


def _number(cell: str, where: str) -> float:
    try:
        if not cell.isascii() or "_" in cell:  # Python would take 1_0 for 10
            raise ValueError(cell)
        return float(cell) if cell.strip() else float("nan")
    except ValueError as error:
        raise DataError(f"{where}: {cell[:40]!r} is not a number (with a point, as in 0.125)") from error


def _rate_of_time(where: str, names: Sequence[str], values: NDArray[np.float64]) -> float | None:
    """Compute the sampling rate from the column of time; None without one."""
    found = [column for column, name in enumerate(names) if name.lower() in TIME_S]
    if len(found) > 1:
        raise DataError(f"{where} has the columns of time {' and '.join(names[column] for column in found)}: keep one")
    if not found or len(values) < 2:
        return None
    time_s = values[:, found[0]] * TIME_S[names[found[0]].lower()]
    step_s = (time_s[-1] - time_s[0]) / (len(time_s) - 1)
    off = np.abs(time_s - time_s[0] - step_s * np.arange(len(time_s)))
    if not step_s > 0 or not (off <= 0.51 * step_s).all():
        raise DataError(f"{where}: its column {names[found[0]]} does not rise in equal steps: resample it evenly first")
    rate_hz = 1 / step_s
    return float(round(rate_hz)) if abs(round(rate_hz) / rate_hz - 1) < 1e-3 else float(rate_hz)
