"""A prepared data set: one folder of memory-mappable arrays with a manifest and a fingerprint.

::

    DATA/
      manifest.json             source, counts at each exclusion, settings, digests, fingerprint
      train/       signals.npy  (n_records, n_samples, n_leads) int16 microvolts
      validation/  labels.npy   (n_records, n_classes) uint8, multi-hot
      test/        records.npz  ecg_id, patient_id, sex, age, device, site, fold, flags: (n_records,) each
                   origin.json  the records' SCP statements and files; not in the fingerprint, older data sets have none
      test_ledger.jsonl         one line for every opening of the test part, see `ecg_tune.data.prepared.ledger`

The folder may lie below a prefix of an S3 bucket, see `ecg_tune.data.prepared.remote_copy`.
The test part is sealed: `PreparedData` holds train and validation only, and `open_test`, which writes the ledger, is the
one way to the rest. Only `analysis/evaluation/evaluate.py` and the export command call it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tune.data.prepared.ledger import enter, ledger_entries
from ecg_tune.data.prepared.manifest import MANIFEST, fingerprint_of, read_manifest, write_manifest
from ecg_tune.data.prepared.origin import ORIGIN, Origin, read_origin, write_origin
from ecg_tune.data.prepared.remote_copy import as_s3_storage, cache_folder, pulled
from ecg_tune.errors import DataError, SealedTestError
from ecg_tune.storage import S3Storage

SPLIT_NAMES = ("train", "validation", "test")
RECORD_FIELDS = ("ecg_id", "patient_id", "sex", "age", "device", "site", "fold", "flags")
FILES = ("signals.npy", "labels.npy", "records.npz")


@dataclass(frozen=True)
class Split:
    """Records of one part of a split.

    Attributes:
        signals_uv: (n_records, n_samples, n_leads) int16, microvolts.
        labels: (n_records, n_classes) uint8, multi-hot in the order of the manifest's class names.
        records: One array (n_records,) for each name in `RECORD_FIELDS`. `sex` is 0 male, 1 female, -1 unknown;
            `age` in years (90 means over 89, NaN unknown); `flags` the bits of `ecg_tune.data.ptbxl.quality`.
        origin: Read for the test part only; None for the others and for data without one.
    """

    name: str
    signals_uv: NDArray[np.int16]
    labels: NDArray[np.uint8]
    records: Mapping[str, NDArray[Any]]
    origin: Origin | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class PreparedData:
    """The open parts of a prepared data set. Holds no test record.

    Attributes:
        folder: Where they lie on this machine.
        bucket: From which they were pulled, and in which the test part is; None where `folder` is all there is.
    """

    folder: Path
    manifest: Mapping[str, Any]
    train: Split
    validation: Split
    bucket: S3Storage | None = None

    @property
    def where(self) -> str:
        """Return what to open to have the same again: a folder, or a bucket's URI."""
        return str(self.bucket or self.folder.resolve())

    @property
    def fingerprint(self) -> str:
        """Return the content's digest, 64 hex digits: equal arrays, records and settings give an equal one."""
        return str(self.manifest["fingerprint"])

    @property
    def sampling_rate_hz(self) -> int:
        return int(self.manifest["sampling_rate_hz"])

    @property
    def leads(self) -> tuple[str, ...]:
        return tuple(self.manifest["leads"])

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(self.manifest["class_names"])

    @property
    def n_samples(self) -> int:
        return int(self.manifest["n_samples"])

    @property
    def synthetic(self) -> bool:
        return bool(self.manifest["synthetic"])

    @property
    def normalisation(self) -> dict[str, Any]:
        """Return {"kind": "global" | "record", "scale_mv": training sd in millivolts}."""
        return dict(self.manifest["normalisation"])

    def in_memory(self) -> PreparedData:
        """Return the same with arrays in memory, which an object store shares without copies; mapped files it would copy."""
        train, validation = (replace(part, signals_uv=np.array(part.signals_uv)) for part in (self.train, self.validation))
        return replace(self, train=train, validation=validation)

    def part(self, name: str) -> Split:
        """Return "train" or "validation".

        Raises:
            SealedTestError: For "test", which only `open_test` opens.
        """
        if name == "test":
            raise SealedTestError("the test part is sealed: only `ecg-tune evaluate` and `data export --include-test` open it")
        return {"train": self.train, "validation": self.validation}[name]


def write_prepared(folder: Path, parts: Mapping[str, Split], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write a prepared data set and return its manifest. The ledger of an earlier one in `folder` is kept.

    Args:
        parts: "train", "validation" and "test".
        facts: What the manifest says besides digests and counts. Must hold `class_names, leads, sampling_rate_hz,
            n_samples, split, label_rule, normalisation, synthetic, source`.

    The manifest is written last, through a rename: a folder without one is unfinished and refused.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    digests: dict[str, str] = {}
    for name in SPLIT_NAMES:
        target = folder / name
        target.mkdir(exist_ok=True)
        part = parts[name]
        np.save(target / "signals.npy", np.ascontiguousarray(part.signals_uv, dtype=np.int16))
        np.save(target / "labels.npy", np.ascontiguousarray(part.labels, dtype=np.uint8))
        np.savez(target / "records.npz", **{key: part.records[key] for key in RECORD_FIELDS})  # type: ignore[arg-type]
        digests |= {f"{name}/{key}": value for key, value in _digests(part).items()}
    origins = {name: write_origin(folder / name, parts[name].origin) for name in SPLIT_NAMES}
    fingerprint = fingerprint_of(facts, digests)
    counts = {name: _counts(parts[name], facts["class_names"]) for name in SPLIT_NAMES}
    manifest = {**facts, "counts": counts, "digests": digests, "origins": origins, "fingerprint": fingerprint}
    write_manifest(folder, manifest)
    return manifest


def open_prepared(where: Path | str) -> PreparedData:
    """Open train and validation of a prepared data set; their content is checked against the manifest.

    Args:
        where: A folder, or s3://BUCKET/PREFIX, from which this machine then pulls what it has not.

    Raises:
        DataError: Not a prepared data set, or its arrays were changed or cut.
        UsageError: The bucket can't be read.
    """
    manifest, bucket = read_manifest(where), as_s3_storage(where)
    folder = Path(where) if bucket is None else cache_folder(manifest)
    if bucket is not None:
        write_manifest(folder, manifest)
    train, validation = (_held_part(folder, name, manifest, bucket) for name in ("train", "validation"))
    return PreparedData(folder=folder, manifest=manifest, train=train, validation=validation, bucket=bucket)


def open_test(data: PreparedData, purpose: str, study: str = "") -> Split:
    """Open the sealed test part, writing one ledger line first.

    Args:
        purpose: Why, e.g. "evaluate" or "export".
        study: The study or checkpoint folder it is opened for.

    Raises:
        UsageError: The data's bucket can't be read, or its ledger not be written.
    """
    enter(data.folder, data.bucket, fingerprint=data.fingerprint, purpose=purpose, study=study)
    return _held_part(data.folder, "test", data.manifest, data.bucket)


def read_ledger(data: PreparedData) -> list[dict[str, str]]:
    """Return the openings of this content's test part, oldest first."""
    return ledger_entries(data.folder, data.fingerprint, data.bucket)


def _held_part(folder: Path, name: str, manifest: Mapping[str, Any], bucket: S3Storage | None) -> Split:
    """Return a part, pulled first where the data lie in a bucket; the test part's origin is read with it."""
    digest = manifest.get("origins", {}).get(name) if name == "test" else None

    def read() -> Split:
        part = _read_part(folder, name, manifest)
        return replace(part, origin=read_origin(folder / name, digest, n_records=len(part)))

    files = [f"{name}/{file}" for file in (*FILES, *([ORIGIN] if digest else []))]
    return read() if bucket is None else pulled(bucket, folder, files, read)


def _read_part(folder: Path, name: str, manifest: Mapping[str, Any]) -> Split:
    source = folder / name
    try:
        signals = np.load(source / "signals.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(source / "labels.npy", allow_pickle=False)
        with np.load(source / "records.npz", allow_pickle=False) as archive:
            records = {key: archive[key] for key in RECORD_FIELDS}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{source} can't be read ({error}): prepare the data again") from error
    part = Split(name=name, signals_uv=signals, labels=labels, records=records)
    for key, value in _digests(part).items():
        if manifest["digests"].get(f"{name}/{key}") != value:
            raise DataError(f"{source}: {key} differ from what the manifest recorded: prepare the data again")
    return part


def _digests(part: Split) -> dict[str, str]:
    records = hashlib.sha256()
    for key in RECORD_FIELDS:
        records.update(f"{key}:{part.records[key].dtype.kind}:".encode())
        records.update("\0".join(map(str, part.records[key].tolist())).encode())
    return {"signals": _digest(part.signals_uv), "labels": _digest(part.labels), "records": records.hexdigest()}


def _digest(array: NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    if array.size:  # an empty buffer has no flat view
        digest.update(np.ascontiguousarray(array).data.cast("B"))
    return digest.hexdigest()


def _counts(part: Split, class_names: list[str]) -> dict[str, int]:
    counts = {"records": len(part), "patients": len(np.unique(part.records["patient_id"]))}
    return counts | {name: int(part.labels[:, k].sum()) for k, name in enumerate(class_names)}
