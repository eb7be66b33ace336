"""Turn recordings with a list of their labels into a prepared data set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tune.config import DataConfig, check_choice
from ecg_tune.data.overlap import check_overlap
from ecg_tune.data.prepared.dataset import SPLIT_NAMES, Split
from ecg_tune.data.prepared.origin import Origin
from ecg_tune.data.prepared.writer import check_folder, write_prepared
from ecg_tune.data.ptbxl.prepare import DAMAGED, training_sd_mv
from ecg_tune.data.ptbxl.quality import count_flags, signal_flags, table_flags
from ecg_tune.data.ptbxl.records import DURATION_S
from ecg_tune.data.ptbxl.synthetic_mark import is_synthetic
from ecg_tune.data.rare_classes import rare_classes
from ecg_tune.data.recordings.adaptation import SignalFormat, adapt
from ecg_tune.data.recordings.files import read_recordings
from ecg_tune.data.recordings.wfdb_format import SUFFIXES
from ecg_tune.data.sources.record_list import RecordList
from ecg_tune.errors import ConfigError, DamagedRecordError, DataError

ARRAYS = (".csv", ".tsv", ".npy")
"""Suffixes of files that may hold several recordings, or leave out what they are."""
SHARES = {"train": 0.70, "validation": 0.85, "test": 1.0}
"""Split → upper end of its patients' hashes, of 0..1."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Signals:
    """Signals of the records that could be read.

    Attributes:
        signals_uv: (n_read, n_samples, n_leads) int16.
        rows: (n_read,) rows of the list.
        damaged: File → reason.
        adapted: What was done to recordings, e.g. "resampled from 500 to 100 Hz" → how many.
    """

    signals_uv: NDArray[np.int16]
    rows: NDArray[np.int64]
    damaged: dict[str, str]
    adapted: dict[str, int]


def prepare_recordings(
    folder: Path,
    target: Path,
    records: RecordList,
    config: DataConfig,
    *,
    damaged: str = "refuse",
    replace_other: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Read the recordings of a list, and write a prepared data set: 10 s of the wanted leads at the wanted rate.

    Args:
        folder: Holds the list's files.
        target: Folder for the prepared data set.
        config: Leads, sampling rate and normalisation. Without splits in the list, patients are divided 70 / 15 / 15 by a hash.
        damaged: "refuse" stops at recordings that can't be read or don't fit, "drop" leaves them out and counts them.
        replace_other: Replace other prepared data in the target; the ledger there is kept in any case.
        progress: Called with (records done, records in all).

    Returns:
        The manifest.

    Raises:
        ConfigError: A setting that is PTB-XL's alone.
        DamagedRecordError: There are damaged recordings and `damaged` is "refuse"; names the first and how many there are.
        DataError: A patient is in two splits, a class can't be learnt, or nothing is left.
        WorkFailedError: The target can't be written.
    """
    check_choice("damaged", damaged, DAMAGED)
    _check_config(config)
    _check_folders(folder, target)
    _check_links(folder, records)
    n_listed = len(records)
    records = records.limited(config.limit)
    splits = _divided(records) if records.splits is None else records.splits
    patients = np.unique(records.patients, return_inverse=True)[1].astype(np.int64) + 1
    _check_patients(splits, records.patients, records.name)
    read = _read(folder, records, config, progress)
    if read.damaged and damaged == "refuse":
        file, reason = next(iter(read.damaged.items()))
        raise DamagedRecordError(
            f"{len(read.damaged)} of {len(records)} recordings can't be used, the first is {file}: {reason}; --damaged drop leaves them out"
        )
    rows = {name: read.rows[splits[read.rows] == name] for name in SPLIT_NAMES}
    of_split = {name: records.labels[own] for name, own in rows.items()}
    rare = rare_classes(records.class_names, of_split, drop=config.rare_classes == "drop", zeros_known=records.zeros_known)
    kept = [k for k, name in enumerate(records.class_names) if name not in rare]
    labelled = records.zeros_known | (records.labels[:, kept].max(axis=1) > 0)
    made = {name: _split(name, records, read, rows[name][labelled[rows[name]]], patients, kept) for name in SPLIT_NAMES}
    check_overlap(made)
    facts = _facts(folder, records, config, made, read, n_listed=n_listed, rare=rare)
    return write_prepared(target, made, facts, replace_other=replace_other)


def _check_folders(source: Path, target: Path) -> None:
    """Refuse a source that is no folder, and a target in which the recordings lie or other files."""
    if not source.is_dir():
        raise DataError(f"{source} is no folder: name the one that holds the recordings")
    if source.resolve().is_relative_to(target.resolve()):
        raise DataError(f"{target} holds the recordings: name another folder for the prepared data")
    check_folder(target)


def _check_links(folder: Path, records: RecordList) -> None:
    """Refuse recordings that lie elsewhere, behind a symbolic link: what is read is what lies in the folder that was named."""
    root = folder.resolve()
    for file in records.files:
        base = (folder / file).with_suffix("") if Path(file).suffix in SUFFIXES else folder / file
        for path in dict.fromkeys((folder / file, *(Path(f"{base}{suffix}") for suffix in SUFFIXES))):
            if not path.resolve().is_relative_to(root):
                raise DataError(f"{path} is a link out of {folder}, to {path.resolve()}: copy the file, or name the folder it lies in")


def _check_patients(splits: NDArray[np.str_], patients: NDArray[np.str_], where: str) -> None:
    """Refuse patients who are in two splits."""
    split_of: dict[str, str] = {}
    for patient, split in zip(patients.tolist(), splits.tolist(), strict=True):
        if split_of.setdefault(patient, split) != split:
            raise DataError(f"{where}: patient {patient!r} is in {split_of[patient]} and {split}: a patient may be in one split only")


def _divided(records: RecordList) -> NDArray[np.str_]:
    """Divide patients into train, validation and test, about 70 / 15 / 15 %, by a hash of their name: adding records moves nobody."""

    def split_of(patient: str) -> str:
        share = int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8]) / 2**64
        return next(name for name, end in SHARES.items() if share < end)

    return np.array([split_of(str(patient)) for patient in records.patients], dtype=np.str_)


def _check_config(config: DataConfig) -> None:
    """Refuse settings that have no meaning outside PTB-XL."""
    usual = DataConfig()
    for name, flag in (("split", "--split"), ("labels", "--labels"), ("min_likelihood", "--min-likelihood")):
        if getattr(config, name) != getattr(usual, name):
            raise ConfigError(
                f"{flag} {getattr(config, name)} is for PTB-XL alone: leave it out; a column `split` of the table divides records"
            )


def _read(folder: Path, records: RecordList, config: DataConfig, progress: Progress | None) -> _Signals:
    """Read every recording, and bring it to the wanted leads, rate and length."""
    wanted = SignalFormat(config.leads, config.sampling_rate_hz, DURATION_S * config.sampling_rate_hz)
    signals = np.empty((len(records), wanted.n_samples, len(wanted.leads)), np.int16)
    rows: list[int] = []
    damaged: dict[str, str] = {}
    adapted: dict[str, int] = {}
    for row, file in enumerate(records.files):
        try:
            if Path(file).suffix.lower() in ARRAYS:
                raise DataError(f"{file} does not say its units or rate: give WFDB or EDF files, or arrays with `data import`")
            (recording,) = read_recordings(folder / file)
            fitted = adapt(recording, wanted)
        except DataError as error:
            damaged[file] = str(error)
        else:
            signals[len(rows)] = np.rint(fitted.signal_mv * 1000)
            rows.append(row)
            for note in fitted.notes:
                adapted[note] = adapted.get(note, 0) + 1
        if progress is not None:
            progress(row + 1, len(records))
    return _Signals(signals[: len(rows)], np.array(rows, dtype=np.int64), damaged, adapted)


def _split(name: str, records: RecordList, read: _Signals, rows: NDArray[np.int64], patients: NDArray[np.int64], kept: list[int]) -> Split:
    signals = read.signals_uv[np.isin(read.rows, rows)]
    columns = {
        "ecg_id": rows + 1,
        "patient_id": patients[rows],
        "sex": records.sex[rows],
        "age": records.age[rows],
        "device": records.device[rows],
        "site": records.site[rows],
        "fold": np.zeros(len(rows), np.int64),
        "flags": table_flags(np.nan_to_num(records.age[rows]), {}) | signal_flags(signals),
    }
    origin = Origin(tuple({} for _ in rows), tuple(records.files[row] for row in rows))
    return Split(name, signals, records.labels[rows][:, kept], columns, origin)


def _facts(
    folder: Path,
    records: RecordList,
    config: DataConfig,
    splits: Mapping[str, Split],
    read: _Signals,
    *,
    n_listed: int,
    rare: dict[str, str],
) -> dict[str, Any]:
    """Collect the manifest's entries besides counts and digests."""
    if not len(splits["train"]) or not (scale_mv := training_sd_mv(splits["train"].signals_uv)):
        raise DataError(f"{records.name} leaves no training record that could be learnt from: give more records")
    n_kept = sum(map(len, splits.values()))
    facts: dict[str, Any] = {
        "source": {"name": folder.resolve().name, "version": f"listed in {records.name}", "records": n_listed},
        "source_folder": str(folder.resolve()),
        "synthetic": is_synthetic(folder),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "class_names": [name for name in records.class_names if name not in rare],
        "rare_classes": rare,
        "leads": list(config.leads),
        "sampling_rate_hz": config.sampling_rate_hz,
        "n_samples": DURATION_S * config.sampling_rate_hz,
        "split": "70-15-15" if records.splits is None else "of the table",
        "label_rule": _label_rule(records, rare),
        "normalisation": {"kind": config.normalise, "scale_mv": scale_mv},
        "exclusions": {
            "read": len(records),
            "damaged": len(read.damaged),
            **({} if records.zeros_known else {"without a label": len(records) - len(read.damaged) - n_kept}),
            "kept": n_kept,
        },
        "damaged": read.damaged,
        "adapted": read.adapted,
        "quality": count_flags(np.concatenate([split.records["flags"] for split in splits.values()])),
    }
    if not records.patients_known:
        facts["patients_known"] = False
    return facts if n_listed == len(records) else facts | {"limit": {"read": len(records), "of": n_listed}}


def _label_rule(records: RecordList, rare: Mapping[str, str]) -> dict[str, Any]:
    dropped = f"; without the rare classes {', '.join(rare)}" if rare else ""
    without = "kept: they have none of the classes" if records.zeros_known else "dropped"
    return {"text": f"{records.label_rule}{dropped}; records without any are {without}", "min_likelihood": 0.0}
