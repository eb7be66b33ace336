"""Write a synthetic PTB-XL: real WFDB files and tables in the published layout, made from a dipole model.

It serves to try everything out without PTB-XL. Results on it say nothing about patients. Only the 100 Hz files are made. The
folder carries `SYNTHETIC.txt`; everything that is prepared from it is marked SYNTHETIC.
"""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg_tune.config import CLASS_NAMES, LEAD_NAMES
from ecg_tune.data.ptbxl.synthetic_mark import SYNTHETIC_MARK
from ecg_tune.data.synthetic.beats import normal_beat
from ecg_tune.data.synthetic.cohort import Member, draw_cohort
from ecg_tune.data.synthetic.dipole import ELECTRODES, N_SAMPLES, SAMPLING_RATE_HZ, DipoleParameters, Noise, frontal_axis_deg, render
from ecg_tune.data.synthetic.pathology import diseased_beat, draw_rhythm, draw_severities
from ecg_tune.data.synthetic.statements import STATEMENT_COLUMNS, draw_codes, statement_rows
from ecg_tune.data.synthetic.tables import DATABASE_COLUMNS, Flags, database_row, record_path
from ecg_tune.errors import DataError

MARK_TEXT = (
    "SYNTHETIC: every signal, label and patient in this folder was drawn by ecg-tune from a dipole model of the heart, none was recorded.\n"
    "Results obtained on it test the software only and say nothing about real electrocardiograms or about PTB-XL.\n"
)
FEWEST, MOST = 10, 99_000
COHORT_STREAM, PATIENT_STREAM, RECORD_STREAM = 0, 1, 2


def synthesize(out: Path, *, n_records: int = 600, seed: int = 0, progress: Callable[[int, int], None] | None = None) -> dict[str, int]:
    """Write a synthetic PTB-XL; equal arguments give equal bytes.

    Args:
        out: A new or empty folder.
        n_records: 10..99,000; from 60 on, every class is in every split.
        seed: 0 or more.
        progress: Called with (records written, n_records) after each record.

    Returns:
        Counts: "records", "patients", "without_superclass", and one for each of `CLASS_NAMES`.

    Raises:
        DataError: `n_records` or `seed` is out of range, or `out` is not empty.

    Example:
        >>> from pathlib import Path
        >>> counts = synthesize(Path("synthetic"), n_records=60, seed=1)
        >>> counts["records"], counts["NORM"]
        (60, 26)
    """
    if not FEWEST <= n_records <= MOST:
        raise DataError(
            f"the number of synthetic records must be {FEWEST}..{MOST} (60 or more put every class in every split), but got {n_records}"
        )
    if seed < 0:
        raise DataError(f"seed must be 0 or more, but got {seed}")
    _check_empty(out)
    members = draw_cohort(n_records, np.random.default_rng([seed, COHORT_STREAM]))
    with _taken_back(out):
        _write_all(out, members, seed=seed, progress=progress)
    return _counts(members)


@contextmanager
def _taken_back(out: Path) -> Iterator[None]:
    """Remove what was written into a folder that was new or empty when the block fails or is interrupted: the next try needs it so."""
    made = not out.exists()
    try:
        yield
    except BaseException:
        for path in out.iterdir() if out.is_dir() else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if made and out.is_dir():
            out.rmdir()
        raise


def _write_all(out: Path, members: Sequence[Member], *, seed: int, progress: Callable[[int, int], None] | None) -> None:
    sums = {SYNTHETIC_MARK: _write(out / SYNTHETIC_MARK, MARK_TEXT.encode())}
    rows = []
    for done, member in enumerate(members, start=1):
        signal_uv, row = make_record(member, seed=seed)
        rows.append(row)
        sums |= _write_record(out, record_path(member.ecg_id, rate="lr"), signal_uv)
        if progress is not None:
            progress(done, len(members))
    paths = [record_path(member.ecg_id, rate="lr") for member in members]
    sums["RECORDS"] = _write(out / "RECORDS", "".join(f"{path}\n" for path in paths).encode())
    sums["ptbxl_database.csv"] = _write(out / "ptbxl_database.csv", _csv(DATABASE_COLUMNS, rows))
    sums["scp_statements.csv"] = _write(out / "scp_statements.csv", _csv(STATEMENT_COLUMNS, statement_rows()))
    _write(out / "SHA256SUMS.txt", "".join(f"{sums[name]} {name}\n" for name in sorted(sums)).encode())


def make_record(member: Member, *, seed: int) -> tuple[NDArray[np.int16], list[str]]:
    """Make one record's signal and its row of the database table.

    Records of one patient share the anatomy; all else comes from a random stream of the record's own.

    Returns:
        (1000, 12) int16 microvolts in the order of `LEAD_NAMES`, and the cells in the order of `DATABASE_COLUMNS`.
    """
    patient = np.random.default_rng([seed, PATIENT_STREAM, member.patient_id])
    rng = np.random.default_rng([seed, RECORD_STREAM, member.ecg_id])
    codes = draw_codes(member.classes, rng)
    severities = draw_severities(codes, rng) | ({"PACE": 1.2} if "PACE" in codes else {})
    beat = diseased_beat(normal_beat(sex=member.sex, age=min(member.age, 92), patient=patient, record=rng), severities)
    noise, flags = draw_noise(rng)
    signal_uv = render(DipoleParameters(beat, draw_rhythm(codes, rng), noise), rng)
    return signal_uv, database_row(member, codes, flags, frontal_axis_deg(beat), rng=rng)


def draw_noise(rng: np.random.Generator) -> tuple[Noise, Flags]:
    """Draw a record's noise; strong noise is flagged in the table, ordinary noise is not."""
    n = len(ELECTRODES)
    muscle = np.exp(rng.normal(np.log(6), 0.45) + rng.normal(0, 0.3, n))
    mains = np.exp(rng.normal(np.log(2), 0.6)) * rng.uniform(0.2, 1.0, n)
    wander = np.exp(rng.normal(np.log(28), 0.5) + rng.normal(0, 0.35, n))
    electrode = int(rng.integers(3, n))
    lead = LEAD_NAMES[electrode + 3]
    baseline = static = burst_words = problem = ""
    burst, loose = None, None
    if rng.random() < 0.06:
        baseline, wander[electrode] = f" , {lead}", wander[electrode] * 8 + 200
    if rng.random() < 0.10:
        static, muscle[:3] = " , I-AVF,  ", muscle[:3] * 2.5
    if rng.random() < 0.025:
        burst_words, burst = "alles", (float(rng.uniform(1, 9)), float(rng.uniform(0.4, 1.2)), float(rng.uniform(60, 150)))
    if rng.random() < 0.012:
        problem, loose = lead, electrode + 3
    return Noise(muscle, mains, wander, burst, loose), Flags(baseline, static, burst_words, problem)


def _check_empty(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file: name a new folder")
    if out.is_dir() and any(out.iterdir()):
        raise DataError(f"{out} is not empty: name a new folder or remove this one first")


def _write_record(out: Path, path: str, signal_uv: NDArray[np.int16]) -> dict[str, str]:
    """Write one record as WFDB format 16 with its header; returns file name → SHA-256."""
    name = Path(path).name
    initial = signal_uv[0]
    checksums = signal_uv.sum(axis=0, dtype=np.int64) % 65536
    lines = [f"{name} {len(LEAD_NAMES)} {SAMPLING_RATE_HZ} {N_SAMPLES}"]
    for lead, first, checksum in zip(LEAD_NAMES, initial, checksums, strict=True):
        lines.append(f"{name}.dat 16 1000.0(0)/mV 16 0 {first} {checksum} 0 {lead}")
    header = "".join(f"{line}\n" for line in lines).encode()
    samples = np.ascontiguousarray(signal_uv, dtype="<i2").tobytes()
    return {f"{path}.hea": _write(out / f"{path}.hea", header), f"{path}.dat": _write(out / f"{path}.dat", samples)}


def _write(target: Path, content: bytes) -> str:
    """Write a file and the folders above it; returns the content's SHA-256 in hex."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _csv(columns: tuple[str, ...], rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([list(columns), *rows])
    return text.getvalue().encode()


def _counts(members: list[Member]) -> dict[str, int]:
    counts = {
        "records": len(members),
        "patients": len({member.patient_id for member in members}),
        "without_superclass": sum(not member.classes for member in members),
    }
    return counts | {name: sum(name in member.classes for member in members) for name in CLASS_NAMES}
