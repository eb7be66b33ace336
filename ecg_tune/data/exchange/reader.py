"""Read a tree in the exchange layout, and refuse what does not fit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecg_tune.config import CLASS_NAMES
from ecg_tune.data.exchange.facts import checked_facts
from ecg_tune.data.exchange.layout import DATASET, FACTS, SHORT
from ecg_tune.data.overlap import check_overlap
from ecg_tune.data.prepared.dataset import RECORD_FIELDS, SPLIT_NAMES, Split, check_folder, write_prepared
from ecg_tune.data.prepared.ledger import LEDGER, ledger_entries, record_opening
from ecg_tune.data.ptbxl.prepare import training_sd_mv
from ecg_tune.data.ptbxl.quality import signal_flags
from ecg_tune.data.rare_classes import rare_classes
from ecg_tune.data.recordings.recording import unit_scale
from ecg_tune.errors import ConfigError, DataError

BATCH_FILE = re.compile(r"batch_(\d+)\.npy")
LARGEST_MV = np.iinfo(np.int16).max / 1000
WHOLE = ("ecg_id", "patient_id", "sex", "site", "fold", "flags")
PLAUSIBLE_SD_MV = (0.005, 5.0)
"""Standard deviation of a whole data set's samples in millivolts: outside it, the unit is another one."""


def import_tree(
    tree: Path,
    out: Path,
    *,
    class_names: Sequence[str] = (),
    leads: Sequence[str] = (),
    sampling_rate_hz: int | None = None,
    units: str = "mv",
) -> dict[str, Any]:
    """Read a tree in the exchange layout and write a prepared data set. Its images are not read: they are computed from the signals.

    Args:
        class_names, leads, sampling_rate_hz: What a tree without `dataset.json` does not say.
        units: Of the signals: "mv", "uv" or "v".

    Returns:
        The manifest.

    Raises:
        ConfigError: Units that are no voltage.
        DataError: A file is missing or no plain array, shapes or counts don't fit each other, values are not finite or no labels, the unit
            is wrong, records are in two splits, or facts are missing, or given twice.
    """
    check_folder(out)
    given = {"class_names": list(class_names), "leads": list(leads), "sampling_rate_hz": sampling_rate_hz}
    facts = _facts_of(tree, {key: value for key, value in given.items() if value})
    scale = 1000 * _millivolts(units)
    ledger_entries(tree, "")  # refuses one that can't be read before anything is written
    splits = {name: _read_split(tree, name, facts, scale) for name in SPLIT_NAMES}
    lengths = {split.signals_uv.shape[1] for split in splits.values() if len(split)}
    if len(lengths) > 1:
        raise DataError(f"{tree}: the splits' records have {sorted(lengths)} samples: all must have as many")
    _check_tables(tree, splits)
    for name in ("train", "validation"):
        if not len(splits[name]):
            raise DataError(f"{tree} has no {name} records: signals/{name}/batch_0000.npy and labels/y_{SHORT[name]}.npy are needed")
    sd_mv = training_sd_mv(splits["train"].signals_uv)
    if not PLAUSIBLE_SD_MV[0] < sd_mv < PLAUSIBLE_SD_MV[1]:
        raise DataError(
            f"{tree}: the signals' standard deviation is {sd_mv:.3g} mV, which no ECG has: give --units uv if they are in microvolts, "
            "and export them before any normalisation"
        )
    check_overlap(splits)
    _check_patients(splits)
    rare_classes(facts["class_names"], {name: split.labels for name, split in splits.items()}, drop=False)
    facts["normalisation"] = {"kind": facts["normalisation"]["kind"], "scale_mv": sd_mv}
    facts["n_samples"] = splits["train"].signals_uv.shape[1]
    manifest = write_prepared(out, splits, facts)
    if len(splits["test"]):
        _keep_ledger(tree, out, manifest["fingerprint"])
    return manifest


def _millivolts(units: str) -> float:
    scale = unit_scale(units)
    if scale is None:
        raise ConfigError(f"units must be mv, uv or v, but got {units!r}")
    return scale


def _keep_ledger(tree: Path, out: Path, fingerprint: str) -> None:
    """Take over the openings of the test split that the tree knows, and note that its records were read from open files."""
    known = ledger_entries(out, fingerprint)
    with (out / LEDGER).open("a", encoding="utf-8") as ledger:
        ledger.writelines(json.dumps(entry) + "\n" for entry in ledger_entries(tree, fingerprint) if entry not in known)
    record_opening(out, None, fingerprint=fingerprint, purpose="import", study=str(tree))


def _facts_of(tree: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Collect what the tree says of itself, and what the user says where it says nothing."""
    if not (tree / "labels").is_dir():
        raise DataError(f"{tree} is no exchange layout: folders signals/ and labels/ are needed (see `ecg-tune data export`)")
    if not (tree / "signals").is_dir():
        raise DataError(f"{tree} has no signals/: images are computed from signals, so images alone can't be imported")
    path = tree / DATASET
    if not path.is_file():
        return _given_facts(tree, given)
    if given:
        raise DataError(f"{path} states {', '.join(given)} already: leave the flags out, or remove the file")
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in FACTS if key not in facts]
        if not isinstance(facts, dict):
            raise TypeError("no object")
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path} is not JSON ({error}): export the data again, or remove the file and give its facts by flags") from error
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}: export the data again, or remove the file and give its facts by flags")
    return checked_facts(facts, str(path))


def _given_facts(tree: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    missing = [flag for key, flag in (("leads", "--leads"), ("sampling_rate_hz", "--rate")) if key not in given]
    if missing:
        raise DataError(f"{tree} has no {DATASET}: say with {', '.join(missing)} what its signals are")
    checked_facts(given, "the flags")
    return {
        "class_names": list(CLASS_NAMES),
        "split": "as imported",
        "label_rule": {"text": f"as imported from {tree.name}", "min_likelihood": 0.0},
        "normalisation": {"kind": "global"},
        "synthetic": False,
        "source": {"name": tree.name, "version": "imported; without a table of records each counts as a patient"},
        **given,
    }


def _read_split(tree: Path, name: str, facts: Mapping[str, Any], scale: float) -> Split:
    """Read a split's signals, labels and records, and check them against each other."""
    labels_file, n_leads = tree / "labels" / f"y_{SHORT[name]}.npy", len(facts["leads"])
    signals = [_microvolts(path, n_leads, scale) for path in _batch_files(tree / "signals" / name)]
    if not signals and not labels_file.exists():
        n_samples = int(facts.get("n_samples", 1))
        empty = np.empty((0, len(facts["class_names"])), np.uint8)
        return Split(name, np.empty((0, n_samples, n_leads), np.int16), empty, _records(tree, name, 0, None))
    labels = _labels(labels_file, facts["class_names"])
    lengths = {signal.shape[1] for signal in signals}
    if len(lengths) > 1:
        raise DataError(f"{tree / 'signals' / name}: records have {sorted(lengths)} samples: all must have as many")
    if (n_records := sum(map(len, signals))) != len(labels):
        raise DataError(f"{tree}: {n_records} {name} records in signals/, but {len(labels)} in {labels_file.name}")
    joined = np.concatenate(signals)
    return Split(name, joined, labels, _records(tree, name, n_records, joined))


def _check_tables(tree: Path, splits: Mapping[str, Split]) -> None:
    """Refuse a table of records for some splits only: made-up patients beside real ones would hide one who is in two splits."""
    tables = {name: (tree / "labels" / f"records_{SHORT[name]}.csv").is_file() for name in SPLIT_NAMES if len(splits[name])}
    if len(set(tables.values())) > 1:
        lacking = next(name for name, there in tables.items() if not there)
        raise DataError(f"{tree}: labels/records_{SHORT[lacking]}.csv is missing beside the other splits': copy it, or take all away")


def _batch_files(folder: Path) -> Iterator[Path]:
    """List a folder's batches by number; none may be missing."""
    named = [(int(match[1]), path) for path in sorted(folder.glob("batch_*.npy")) if (match := BATCH_FILE.fullmatch(path.name))]
    found = dict(named)
    if len(found) < len(named):
        raise DataError(f"{folder} holds two files of one number, {min(n for n, p in named if found[n] != p)}: keep the right one")
    first = min(found, default=0)
    for number in range(first, first + len(found)):
        if number not in found or first > 1:
            raise DataError(f"{folder}: batch {number if first <= 1 else 0} of {max(found)} is missing: copy it again")
    yield from (found[number] for number in sorted(found))


def _load(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it holds several arrays")
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise DataError(f"{path} can't be read as a plain array ({' '.join(str(error).split())}): write it with numpy.save") from error
    if array.dtype.kind not in "iufb":
        raise DataError(f"{path} holds {array.dtype}, not numbers")
    return array


def _microvolts(path: Path, n_leads: int, scale: float) -> NDArray[np.int16]:
    """Read a batch of signals, (b, n_samples, n_leads), as int16 microvolts."""
    array = _load(path)
    if array.ndim != 3 or array.shape[2] != n_leads or not array.shape[1]:
        raise DataError(f"{path} has the shape {array.shape}, not (records, samples, {n_leads} leads)")
    values = array.astype(np.float64) * scale
    if not np.isfinite(values).all():
        record = int(np.flatnonzero(~np.isfinite(values).all(axis=(1, 2)))[0])
        raise DataError(f"{path}: record {record} holds NaN or infinity: leave it out or fill it in")
    if (largest := np.abs(values).max(initial=0) / 1000) > LARGEST_MV:
        raise DataError(f"{path}: a sample is {largest:.4g} mV, more than {LARGEST_MV} mV: give --units uv if it is in microvolts")
    return np.rint(values).astype(np.int16)


def _labels(path: Path, class_names: Sequence[str]) -> NDArray[np.uint8]:
    labels = _load(path)
    if labels.ndim != 2 or labels.shape[1] != len(class_names):
        raise DataError(
            f"{path} has the shape {labels.shape}, not (records, {len(class_names)} classes {','.join(class_names)}): "
            "name the columns in their order with --class-names"
        )
    if not np.isin(labels, (0, 1)).all():
        raise DataError(f"{path} holds other values than 0 and 1")
    return labels.astype(np.uint8)


def _records(tree: Path, name: str, n_records: int, signals_uv: NDArray[np.int16] | None) -> dict[str, NDArray[Any]]:
    """Read the records' table; without one, number the records and call the rest unknown."""
    path = tree / "labels" / f"records_{SHORT[name]}.csv"
    if path.is_file():
        return _record_table(path, n_records)
    first = 1 + SPLIT_NAMES.index(name) * 10_000_000
    numbers = np.arange(first, first + n_records)
    unknown = np.full(n_records, -1, np.int64)
    flags = np.zeros(0, np.int64) if signals_uv is None else signal_flags(signals_uv)
    records = {"ecg_id": numbers, "patient_id": numbers, "sex": unknown, "site": unknown, "flags": flags}
    return records | {"age": np.full(n_records, np.nan), "device": np.full(n_records, "unknown"), "fold": np.zeros(n_records, np.int64)}


def _record_table(path: Path, n_records: int) -> dict[str, NDArray[Any]]:
    try:
        table = pd.read_csv(path, dtype={"device": str}, keep_default_na=False, na_values={"age": [""]})
        columns = {name: table[name].to_numpy() for name in RECORD_FIELDS}
        numbers = {name: pd.to_numeric(table[name]).to_numpy() for name in WHOLE}
        if any(not np.isfinite(values).all() or (values % 1 != 0).any() or (values < -1).any() for values in numbers.values()):
            raise ValueError(f"{', '.join(WHOLE)} must be whole numbers from 0 on, or -1 for unknown")
        whole = {name: values.astype(np.int64) for name, values in numbers.items()}
        records = columns | whole | {"age": columns["age"].astype(np.float64), "device": columns["device"].astype(np.str_)}
    except (KeyError, ValueError, TypeError, OverflowError, pd.errors.ParserError) as error:
        raise DataError(f"{path} can't be read ({error}): it needs the columns {', '.join(RECORD_FIELDS)}") from error
    if len(table) != n_records:
        raise DataError(f"{path} has {len(table)} lines, but there are {n_records} records")
    return records


def _check_patients(splits: Mapping[str, Split]) -> None:
    """Refuse patients, or numbers of records, that are in two splits."""
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        for field, what in (("patient_id", "patients"), ("ecg_id", "numbers ecg_id")):
            both = set(splits[one].records[field].tolist()) & set(splits[other].records[field].tolist())
            if both:
                raise DataError(f"{len(both)} {what} are in {one} and {other} (e.g. {min(both)}): each may be in one split only")
