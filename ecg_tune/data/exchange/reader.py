"""Read a tree in the exchange layout, and refuse what does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecg_tune.config import CLASS_NAMES, check_choice
from ecg_tune.data.exchange.arrays import Progress, batch_files, check_links, count_batches, load_array
from ecg_tune.data.exchange.facts import checked_facts, read_facts
from ecg_tune.data.exchange.images import choose_images, image_facts, read_images
from ecg_tune.data.exchange.layout import DATASET, IMAGE_FOLDERS, IMAGES_ALONE, NO_IMAGES, SHORT
from ecg_tune.data.overlap import check_overlap
from ecg_tune.data.prepared.dataset import RECORD_FIELDS, SPLIT_NAMES, Split
from ecg_tune.data.prepared.images import ImageFile, StoredImages
from ecg_tune.data.prepared.ledger import LEDGER, ledger_lines, record_opening, sealed_records
from ecg_tune.data.prepared.writer import check_folder, write_prepared
from ecg_tune.data.ptbxl.prepare import training_sd_mv
from ecg_tune.data.ptbxl.quality import count_flags, signal_flags
from ecg_tune.data.rare_classes import rare_classes
from ecg_tune.data.recordings.recording import unit_scale
from ecg_tune.errors import ConfigError, DataError
from ecg_tune.storage import check_room

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
    images: str | None = None,
    replace_other: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Read a tree in the exchange layout and write a prepared data set.

    Args:
        class_names, leads, sampling_rate_hz: What a tree without `dataset.json` does not say.
        units: Of the signals: "mv", "uv" or "v".
        images: The folder of images to keep as they are, "gaf" or "mtf", or "none" to have images computed from the signals. None
            keeps them where there are no signals, where others made the tree, and where the exported data were trained on them.
        replace_other: Replace other prepared data in `out`; the ledger there is kept in any case.
        progress: Called with (files read, files in all).

    Returns:
        The manifest.

    Raises:
        ConfigError: Units that are no voltage, or an unknown folder of images.
        DataError: A file is missing, no plain array or elsewhere (a link), shapes or counts don't fit each other, values are not finite
            or no labels, the unit is wrong, records are in two splits, facts are missing, or given twice, or the disk has not room enough.
    """
    check_folder(out)
    check_links(tree)
    if images is not None:
        check_choice("images", images, (*IMAGE_FOLDERS, NO_IMAGES))
    given = {"class_names": list(class_names), "leads": list(leads), "sampling_rate_hz": sampling_rate_hz}
    facts = _facts_of(tree, {key: value for key, value in given.items() if value})
    kind = choose_images(tree, facts, images, ours=(tree / DATASET).is_file())
    scale = 1000 * _millivolts(units)
    ledger_lines(tree)  # refuses one that can't be read before anything is written
    one_done = count_batches(tree, kind, progress)
    splits = {name: _read_split(tree, name, facts, scale, one_done) for name in SPLIT_NAMES}
    splits, facts = _with_images(tree, kind, splits, facts, one_done)
    _check_splits(tree, splits, facts)
    facts |= _signal_facts(tree, splits, facts) | _quality(tree, splits, facts)
    check_overlap(splits)
    _check_patients(splits)
    rare_classes(facts["class_names"], {name: split.labels for name, split in splits.items()}, drop=False, zeros_known=True)
    check_room(out, sum(array.nbytes for split in splits.values() for array in (split.signals_uv, split.images) if array is not None))
    manifest = write_prepared(out, splits, facts, replace_other=replace_other)
    if len(splits["test"]):
        _keep_ledger(tree, out, manifest)
    return manifest


def _with_images(
    tree: Path, kind: str | None, splits: Mapping[str, Split], facts: Mapping[str, Any], one_done: Callable[[], None]
) -> tuple[dict[str, Split], dict[str, Any]]:
    """Add the images of a folder to the splits, and what they are to the facts; without a folder, take their facts away."""
    others = {name: value for name, value in facts.items() if name != "images"}
    if kind is None:
        return dict(splits), others
    found = {name: read_images(tree, kind, name, n_records=len(split), one_done=one_done) for name, split in splits.items()}
    stated = image_facts(kind, found)
    none = StoredImages([ImageFile(tree, "", (0, stated["n_channels"], stated["size"], stated["size"]))])
    return {name: replace(split, images=found[name] or none) for name, split in splits.items()}, {**others, "images": stated}


def _check_splits(tree: Path, splits: Mapping[str, Split], facts: Mapping[str, Any]) -> None:
    """Refuse records of different lengths, tables for some splits only, and empty splits."""
    lengths = {split.signals_uv.shape[1] for split in splits.values() if len(split)}
    if len(lengths) > 1:
        raise DataError(f"{tree}: the splits' records have {sorted(lengths)} samples: all must have as many")
    _check_tables(tree, splits)
    for name in ("train", "validation"):
        if not len(splits[name]):
            where = f"signals/{name}/batch_0000.npy" if facts["leads"] else f"images/{name}/{facts['images']['folder']}/batch_0000.npy"
            raise DataError(f"{tree} has no {name} records: {where} and labels/y_{SHORT[name]}.npy are needed")


def _signal_facts(tree: Path, splits: Mapping[str, Split], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Measure the signals of the train split; nothing where there are images alone."""
    if not facts["leads"]:
        return {}
    sd_mv = training_sd_mv(splits["train"].signals_uv)
    if not PLAUSIBLE_SD_MV[0] < sd_mv < PLAUSIBLE_SD_MV[1]:
        raise DataError(
            f"{tree}: the signals' standard deviation is {sd_mv:.3g} mV, which no ECG has: give --units uv if they are in microvolts, "
            "and export them before any normalisation"
        )
    return {"normalisation": {"kind": facts["normalisation"]["kind"], "scale_mv": sd_mv}, "n_samples": splits["train"].signals_uv.shape[1]}


def _quality(tree: Path, splits: Mapping[str, Split], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Count the quality flags, of the table of records or of the signals; nothing where there is neither."""
    if not facts["leads"] and not (tree / "labels" / f"records_{SHORT['train']}.csv").is_file():
        return {}
    flags = np.concatenate([split.records["flags"] for split in splits.values()])
    return {"quality": count_flags(flags[flags >= 0])}


def _millivolts(units: str) -> float:
    scale = unit_scale(units)
    if scale is None:
        raise ConfigError(f"units must be mv, uv or v, but got {units!r}")
    return scale


def _keep_ledger(tree: Path, out: Path, manifest: Mapping[str, Any]) -> None:
    """Take over the openings of test records that the tree knows, and note that these were read from open files."""
    known = ledger_lines(out)
    with (out / LEDGER).open("a", encoding="utf-8") as ledger:
        ledger.writelines(json.dumps(line) + "\n" for line in ledger_lines(tree) if line not in known)
    record_opening(out, None, sealed_records(manifest, out), purpose="import", study=str(tree))


def _facts_of(tree: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Collect what the tree says of itself, and what the user says where it says nothing."""
    with_signals = (tree / "signals").is_dir()
    if not (tree / "labels").is_dir() or not (with_signals or (tree / "images").is_dir()):
        raise DataError(f"{tree} is no exchange layout: folders labels/ and signals/ or images/ are needed (see `ecg-tune data export`)")
    path = tree / DATASET
    facts = _stated_facts(path, given) if path.is_file() else _given_facts(tree, given, with_signals=with_signals)
    if with_signals and any(facts[name] == IMAGES_ALONE[name] for name in ("leads", "sampling_rate_hz", "normalisation")):
        raise DataError(f"{path} says that there are images alone, but {tree} has signals/: remove one of them")
    if not (tree / "labels" / f"records_{SHORT['train']}.csv").is_file():
        facts["patients_known"] = False
    return facts if with_signals else {**facts, **IMAGES_ALONE}


def _stated_facts(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Read `dataset.json`."""
    if given:
        raise DataError(f"{path} states {', '.join(given)} already: leave the flags out, or remove the file")
    return checked_facts(read_facts(path), str(path))


def _given_facts(tree: Path, given: Mapping[str, Any], *, with_signals: bool) -> dict[str, Any]:
    flags = {"leads": "--leads", "sampling_rate_hz": "--rate"}
    if with_signals and (missing := [flag for key, flag in flags.items() if key not in given]):
        raise DataError(f"{tree} has no {DATASET}: say with {', '.join(missing)} what its signals are")
    if not with_signals and (unfit := [flag for key, flag in flags.items() if key in given]):
        raise DataError(f"{tree} has no signals/: leave {', '.join(unfit)} out, nothing is known of the signals behind its images")
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


def _read_split(tree: Path, name: str, facts: Mapping[str, Any], scale: float, one_done: Callable[[], None]) -> Split:
    """Read a split's signals, labels and records, and check them against each other."""
    labels_file, n_leads = tree / "labels" / f"y_{SHORT[name]}.npy", len(facts["leads"])
    signals: list[NDArray[np.int16]] = []
    for path in batch_files(tree / "signals" / name) if n_leads else ():
        signals.append(_microvolts(path, n_leads, scale))
        one_done()
    if not signals and not labels_file.exists():
        empty = np.empty((0, len(facts["class_names"])), np.uint8)
        return Split(name, _no_signals(0, facts), empty, _records(tree, name, 0, None))
    labels = _labels(labels_file, facts["class_names"])
    if not n_leads:
        return Split(name, _no_signals(len(labels), facts), labels, _records(tree, name, len(labels), None))
    lengths = {signal.shape[1] for signal in signals}
    if len(lengths) > 1:
        raise DataError(f"{tree / 'signals' / name}: records have {sorted(lengths)} samples: all must have as many")
    if (n_records := sum(map(len, signals))) != len(labels):
        raise DataError(f"{tree}: {n_records} {name} records in signals/, but {len(labels)} in {labels_file.name}")
    joined = np.concatenate(signals)
    return Split(name, joined, labels, _records(tree, name, n_records, joined))


def _no_signals(n_records: int, facts: Mapping[str, Any]) -> NDArray[np.int16]:
    return np.empty((n_records, int(facts.get("n_samples", 1)), len(facts["leads"])), np.int16)


def _check_tables(tree: Path, splits: Mapping[str, Split]) -> None:
    """Refuse a table of records for some splits only: made-up patients beside real ones would hide one who is in two splits."""
    tables = {name: (tree / "labels" / f"records_{SHORT[name]}.csv").is_file() for name in SPLIT_NAMES if len(splits[name])}
    if len(set(tables.values())) > 1:
        lacking = next(name for name, there in tables.items() if not there)
        raise DataError(f"{tree}: labels/records_{SHORT[lacking]}.csv is missing beside the other splits': copy it, or take all away")


def _microvolts(path: Path, n_leads: int, scale: float) -> NDArray[np.int16]:
    """Read a batch of signals, (b, n_samples, n_leads), as int16 microvolts."""
    array = load_array(path)
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
    labels = load_array(path)
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
    flags = np.zeros(n_records, np.int64) if signals_uv is None else signal_flags(signals_uv)
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
