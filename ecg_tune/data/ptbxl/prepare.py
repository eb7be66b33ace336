"""Turn a PTB-XL folder into a prepared data set. Every record that is left out is counted in the manifest."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tune.config import LEAD_NAMES, DataConfig, check_choice
from ecg_tune.data.overlap import equal_records
from ecg_tune.data.prepared.dataset import SPLIT_NAMES, Split
from ecg_tune.data.prepared.origin import Origin
from ecg_tune.data.prepared.writer import check_folder, write_prepared
from ecg_tune.data.ptbxl.checksums import CHECKSUMS
from ecg_tune.data.ptbxl.labels import LabelSet, describe_rule, label_set, multi_hot
from ecg_tune.data.ptbxl.quality import count_flags, signal_flags, table_flags
from ecg_tune.data.ptbxl.records import DURATION_S, read_record
from ecg_tune.data.ptbxl.splits import assign_splits, check_patients_disjoint
from ecg_tune.data.ptbxl.tables import DATABASE, PtbxlTable, read_ptbxl
from ecg_tune.data.rare_classes import rare_classes
from ecg_tune.data.recordings.resampling import resample
from ecg_tune.errors import DamagedRecordError, DataError

DAMAGED = ("refuse", "drop")
EQUAL = ("refuse", "keep")
AGE_OVER_89 = 90.0  # the publishers hide the age of everybody over 89
REPORT_EVERY = 100
CHUNK = 512
WITHOUT = (
    {level: f"without {level}" for level in ("superclass", "subclass")}
    | {level: f"without {level} statement" for level in ("diagnostic", "form", "rhythm")}
    | {"all": "without statement"}
)

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Reading:
    """Signals of the records that are kept, and why others are not.

    Attributes:
        signals_uv: Split → (n_records, n_samples, n_leads) int16 microvolts.
        rows: Split → (n_records,) rows of the table.
        damaged: ecg_id → reason, in the order of the table.
        n_unlabelled: Readable records without a label.
    """

    signals_uv: dict[str, NDArray[np.int16]]
    rows: dict[str, NDArray[np.int64]]
    damaged: dict[str, str]
    n_unlabelled: int

    def only(self, kept: NDArray[np.bool_]) -> _Reading:
        """Leave records out that have lost their labels; `kept` is (records of the table,)."""
        masks = {name: kept[rows] for name, rows in self.rows.items()}
        return replace(
            self,
            signals_uv={name: self.signals_uv[name][mask] for name, mask in masks.items()},
            rows={name: self.rows[name][mask] for name, mask in masks.items()},
            n_unlabelled=self.n_unlabelled + sum(int((~mask).sum()) for mask in masks.values()),
        )


def prepare(
    source: Path | str,
    target: Path | str,
    config: DataConfig,
    *,
    damaged: str = "refuse",
    equal: str = "refuse",
    replace_other: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Read PTB-XL, check it, label it, split it by patient, and write a prepared data set.

    Args:
        source: The folder with `ptbxl_database.csv`; it may hold only some of the records.
        target: Folder for the prepared data set.
        config: Leads, sampling rate, split scheme, labels and normalisation.
        damaged: "refuse" stops at damaged records, "drop" leaves them out and counts them. Damaged means: a missing file, a
            wrong SHA-256 or checksum, wrong leads, rate or length, or missing samples.
        equal: "refuse" stops at records with the samples of one in another split, "keep" takes them; both count them.
        replace_other: Replace other prepared data in the target; the ledger there is kept in any case.
        progress: Called now and then with (records done, records in all).

    Returns:
        The manifest.

    Raises:
        DamagedRecordError: There are damaged records and `damaged` is "refuse"; names the first and how many there are.
        DataError: The tables can't be used, a patient is in two splits, or a class can't be learnt from these records.
        WorkFailedError: The target can't be written.

    Example:
        >>> from pathlib import Path
        >>> from ecg_tune.config import DataConfig
        >>> from ecg_tune.data.synthetic.generator import synthesize
        >>> counts = synthesize(Path("ptbxl"), n_records=60)  # or a folder with the real PTB-XL
        >>> manifest = prepare(Path("ptbxl"), Path("prepared"), DataConfig(leads=("I", "II", "V2")))
        >>> manifest["leads"], manifest["exclusions"]["read"]
        (['I', 'II', 'V2'], 60)
    """
    check_choice("damaged", damaged, DAMAGED)
    check_choice("equal records", equal, EQUAL)
    source, target = Path(source), Path(target)
    _check_target(target)
    source_table = read_ptbxl(source)
    table = source_table.limited(config.limit)
    classes = label_set(config.labels, table.statements)
    labels = multi_hot(table.scp_codes, classes, min_likelihood=config.min_likelihood)
    split_of = assign_splits(config.split, patient_id=table.patient_id, fold=table.fold)
    reading = _read_signals(table, config, split_of=split_of, labels=labels, progress=progress)
    if reading.damaged and damaged == "refuse":
        ecg_id, reason = next(iter(reading.damaged.items()))
        raise DamagedRecordError(f"{len(reading.damaged)} of {len(table)} records are damaged; the first is ecg_id {ecg_id}: {reason}")
    of_split = {name: labels[rows] for name, rows in reading.rows.items()}
    rare = rare_classes(classes.class_names, of_split, drop=config.rare_classes == "drop")
    labels = labels[:, [name not in rare for name in classes.class_names]]
    reading = reading.only(labels.max(axis=1) > 0)
    splits = {name: _build_split(name, table, labels, reading, source_rate_hz(table, config)) for name in SPLIT_NAMES}
    kept_rows = np.concatenate([reading.rows[name] for name in SPLIT_NAMES])
    check_patients_disjoint(split_of[kept_rows], table.patient_id[kept_rows])
    facts = _facts(table, config, splits, reading, classes.without(tuple(rare)), rare, n_source=len(source_table))
    facts["equal_records"] = _equal_records(splits, kept=equal == "keep")
    return write_prepared(target, splits, facts, replace_other=replace_other)


def training_sd_mv(signals_uv: NDArray[np.int16]) -> float:
    """Measure the standard deviation over all samples and leads, exactly: sums are integers.

    Args:
        signals_uv: (n_records, n_samples, n_leads) int16 microvolts.

    Returns:
        Millivolts.
    """
    total = squares = 0
    for start in range(0, len(signals_uv), CHUNK):
        chunk = signals_uv[start : start + CHUNK].astype(np.int64)
        total += int(chunk.sum())
        squares += int(np.square(chunk).sum())
    return math.sqrt(signals_uv.size * squares - total**2) / signals_uv.size / 1000


def _equal_records(splits: dict[str, Split], *, kept: bool) -> dict[str, int]:
    """Count records of equal samples for the manifest.

    Raises:
        DataError: One is in two splits, and that was not said to be kept.
    """
    within, across = equal_records(splits)
    if across and not kept:
        raise DataError(
            f"{across} records have exactly the samples of a record in another split: numbers on validation and test would be too good; "
            "take them out of the table, or keep them with --equal-records keep"
        )
    return {"within a split": within, "across splits": across}


def _check_target(target: Path) -> None:
    if (target / DATABASE).exists():
        raise DataError(f"{target} holds PTB-XL itself: name another folder for the prepared data")
    check_folder(target)


def _read_signals(
    table: PtbxlTable, config: DataConfig, *, split_of: NDArray[np.str_], labels: NDArray[np.uint8], progress: Progress | None
) -> _Reading:
    """Read every record once; keep the configured leads of readable, labelled records."""
    labelled = np.asarray(labels.max(axis=1) > 0)
    leads = [LEAD_NAMES.index(lead) for lead in config.leads]
    n_samples = DURATION_S * config.sampling_rate_hz
    sizes = {name: int((labelled & (split_of == name)).sum()) for name in SPLIT_NAMES}
    signals = {name: np.empty((size, n_samples, len(leads)), dtype=np.int16) for name, size in sizes.items()}
    rows: dict[str, list[int]] = {name: [] for name in SPLIT_NAMES}
    damaged: dict[str, str] = {}
    n_unlabelled = 0
    rate_hz = source_rate_hz(table, config)
    for row, name in enumerate(table.filenames[rate_hz]):
        try:
            signal_uv = read_record(table.folder, name, sampling_rate_hz=rate_hz, checksums=table.checksums)
        except DamagedRecordError as error:
            damaged[str(table.ecg_id[row])] = str(error)
        else:
            if labelled[row]:
                split = str(split_of[row])
                signals[split][len(rows[split])] = _at_rate(signal_uv[:, leads], rate_hz, config.sampling_rate_hz)
                rows[split].append(row)
            else:
                n_unlabelled += 1
        if progress is not None and ((row + 1) % REPORT_EVERY == 0 or row + 1 == len(table)):
            progress(row + 1, len(table))
    return _Reading(
        signals_uv={name: signals[name][: len(rows[name])] for name in SPLIT_NAMES},
        rows={name: np.array(rows[name], dtype=np.int64) for name in SPLIT_NAMES},
        damaged=damaged,
        n_unlabelled=n_unlabelled,
    )


def source_rate_hz(table: PtbxlTable, config: DataConfig) -> int:
    """Choose which of PTB-XL's two sets of files to read: the wanted rate's, or the 500 Hz ones where a download has only those."""
    only_500 = not (table.folder / "records100").is_dir() and (table.folder / "records500").is_dir()
    return 500 if only_500 else config.sampling_rate_hz


def _at_rate(signal_uv: NDArray[np.int16], rate_hz: int, wanted_hz: int) -> NDArray[np.int16]:
    """Resample (n_samples, n_leads) microvolts with an anti-alias filter; samples of the wanted rate stay as they are."""
    return signal_uv if rate_hz == wanted_hz else np.rint(resample(signal_uv / 1000, rate_hz, wanted_hz) * 1000).astype(np.int16)


def _build_split(name: str, table: PtbxlTable, labels: NDArray[np.uint8], reading: _Reading, sampling_rate_hz: int) -> Split:
    """Join the signals that were read with the table's rows and the quality flags."""
    rows, signals_uv = reading.rows[name], reading.signals_uv[name]
    flags = table_flags(table.age[rows], {note: noted[rows] for note, noted in table.notes.items()}) | signal_flags(signals_uv)
    records = {
        "ecg_id": table.ecg_id[rows],
        "patient_id": table.patient_id[rows],
        "sex": table.sex[rows],
        "age": np.where(table.age[rows] > 89, AGE_OVER_89, table.age[rows]),
        "device": table.device[rows],
        "site": table.site[rows],
        "fold": table.fold[rows],
        "flags": flags,
    }
    files = table.filenames[sampling_rate_hz]
    origin = Origin(tuple(table.scp_codes[row] for row in rows), tuple(files[row] for row in rows))
    return Split(name=name, signals_uv=signals_uv, labels=labels[rows], records=records, origin=origin)


def _special_facts(table: PtbxlTable, config: DataConfig, *, n_source: int) -> dict[str, Any]:
    """Say in the manifest that only some records were read, or that they were resampled."""
    facts: dict[str, Any] = {} if len(table) == n_source else {"limit": {"read": len(table), "of": n_source}}
    if (rate_hz := source_rate_hz(table, config)) != config.sampling_rate_hz:
        facts["resampled_from_hz"] = rate_hz
    return facts


def _facts(
    table: PtbxlTable,
    config: DataConfig,
    splits: dict[str, Split],
    reading: _Reading,
    classes: LabelSet,
    rare: dict[str, str],
    *,
    n_source: int,
) -> dict[str, Any]:
    """Collect the manifest's entries besides counts and digests."""
    scale_mv = training_sd_mv(splits["train"].signals_uv)
    if scale_mv == 0:
        raise DataError(f"every training sample of leads {','.join(config.leads)} is equal: these records can't be learnt from")
    n_kept = sum(len(split) for split in splits.values())
    return {
        "source": {"name": table.folder.resolve().name, "version": table.version, "records": n_source},
        "source_folder": str(table.folder.resolve()),
        "labels": config.labels,
        "class_of": dict(classes.class_of),
        "rare_classes": rare,
        "synthetic": table.synthetic,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "class_names": list(classes.class_names),
        "leads": list(config.leads),
        "sampling_rate_hz": config.sampling_rate_hz,
        "n_samples": DURATION_S * config.sampling_rate_hz,
        "split": config.split,
        "label_rule": describe_rule(config.min_likelihood, config.labels, tuple(rare)),
        "normalisation": {"kind": config.normalise, "scale_mv": scale_mv},
        "exclusions": {"read": len(table), "damaged": len(reading.damaged), WITHOUT[config.labels]: reading.n_unlabelled, "kept": n_kept},
        "damaged": reading.damaged,
        "quality": count_flags(np.concatenate([split.records["flags"] for split in splits.values()])),
        "ptbxl_checksum": _verification(table, config),
        **_special_facts(table, config, n_source=n_source),
    }


def _verification(table: PtbxlTable, config: DataConfig) -> dict[str, Any]:
    """Count the files with a listed SHA-256; these were verified, and a file that differs makes its record damaged."""
    names = [name + end for name in table.filenames[source_rate_hz(table, config)] for end in (".hea", ".dat")]
    listed = sum(name in table.checksums for name in names)
    return {
        "listing": CHECKSUMS if table.checksums else None,
        "record_files": len(names),
        "listed": listed,
        "not_listed": len(names) - listed,
    }
