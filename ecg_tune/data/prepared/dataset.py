"""Read and write a prepared data set: a folder of arrays with a manifest and a fingerprint.

::

    DATA/
      manifest.json             source, counts at each exclusion, settings, digests, fingerprint
      train/       signals.npy  (n_records, n_samples, n_leads) int16 microvolts
      validation/  labels.npy   (n_records, n_classes) uint8, multi-hot
      test/        records.npz  ecg_id, patient_id, sex, age, device, site, fold, flags: (n_records,) each
                   origin.json  the records' SCP statements and files; not in the fingerprint, older data sets have none
      test_ledger.jsonl         one line for every opening of the test split, see `ecg_tune.data.prepared.ledger`

The folder may lie below a prefix of an S3 bucket, see `ecg_tune.data.prepared.remote_copy`. Arrays are memory-mapped.
The test split is sealed: `PreparedData` holds train and validation only. The only way to the test records is `open_test`,
which writes the ledger first; only `analysis/evaluation/evaluate.py` and the export command call it.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tune.data.prepared.ledger import LEDGER, OPENINGS, ledger_entries, record_opening
from ecg_tune.data.prepared.manifest import MANIFEST, compute_fingerprint, read_manifest, write_manifest
from ecg_tune.data.prepared.origin import ORIGIN, Origin, read_origin, write_origin
from ecg_tune.data.prepared.remote_copy import as_s3_storage, cache_folder, read_fetched
from ecg_tune.errors import DataError, SealedTestError, WorkFailedError
from ecg_tune.storage import S3Storage

SPLIT_NAMES = ("train", "validation", "test")
RECORD_FIELDS = ("ecg_id", "patient_id", "sex", "age", "device", "site", "fold", "flags")
FILES = ("signals.npy", "labels.npy", "records.npz")


@dataclass(frozen=True)
class Split:
    """The records of train, validation or test. Not the scheme ("official", "70-15-15") that divides the records.

    Attributes:
        name: "train", "validation" or "test".
        signals_uv: (n_records, n_samples, n_leads) int16, microvolts.
        labels: (n_records, n_classes) uint8, multi-hot in the order of the manifest's class names.
        records: One array (n_records,) for each name in `RECORD_FIELDS`. `sex` is 0 male, 1 female, -1 unknown;
            `age` in years (90 means over 89, NaN unknown); `flags` the bits of `ecg_tune.data.ptbxl.quality`.
        origin: SCP statements and files of the records; None for train and validation, and for older data sets.
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
    """Train and validation of a prepared data set, with its manifest. Holds no test record.

    Attributes:
        folder: The data's folder on this machine; for data in S3 the local cache.
        manifest: Source, counts, settings, digests and fingerprint, as `manifest.json` holds them.
        remote: The S3 storage that holds the data; None for a local folder.
    """

    folder: Path
    manifest: Mapping[str, Any]
    train: Split
    validation: Split
    remote: S3Storage | None = None

    @property
    def location(self) -> str:
        """The folder or s3:// URI that `open_prepared` opens again."""
        return str(self.remote or self.folder.resolve())

    @property
    def fingerprint(self) -> str:
        """Digest of the content, 64 hex digits: equal arrays, records and settings give equal fingerprints."""
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
    def limited(self) -> str:
        """What `--limit` left, e.g. "500 of 21799 records"; empty for whole data."""
        limit = self.manifest.get("limit")
        return f"{limit['read']} of {limit['of']} records" if limit else ""

    @property
    def normalisation(self) -> dict[str, Any]:
        """{"kind": "global" | "record", "scale_mv": standard deviation of the training signals in millivolts}."""
        return dict(self.manifest["normalisation"])

    def in_memory(self) -> PreparedData:
        """Copy the mapped signals into memory, from where Ray's object store shares them without further copies."""
        train, validation = (replace(split, signals_uv=np.array(split.signals_uv)) for split in (self.train, self.validation))
        return replace(self, train=train, validation=validation)

    def split(self, name: str) -> Split:
        """Look up "train" or "validation" by name.

        Raises:
            SealedTestError: For "test", which only `open_test` opens.
        """
        if name == "test":
            raise SealedTestError("the test split is sealed: only `ecg-tune evaluate` and `data export --include-test` open it")
        return {"train": self.train, "validation": self.validation}[name]


def write_prepared(folder: Path, splits: Mapping[str, Split], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write a prepared data set into a folder, all or nothing; the ledger of an earlier data set there is kept.

    Args:
        splits: "train", "validation" and "test".
        facts: The manifest's other entries. Must hold `class_names, leads, sampling_rate_hz, n_samples, split, label_rule,
            normalisation, synthetic, source`.

    Returns:
        The manifest: `facts` with counts, digests and fingerprint.

    Raises:
        DataError: The folder holds something else.
        WorkFailedError: It can't be written.
    """
    check_folder(folder)
    made = not folder.exists()
    partial = folder / f".{secrets.token_hex(4)}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        manifest = _write_arrays(partial, splits, facts)
        (folder / MANIFEST).unlink(missing_ok=True)
        for name in SPLIT_NAMES:
            shutil.rmtree(folder / name, ignore_errors=True)
            (partial / name).rename(folder / name)
        write_manifest(folder, manifest)
    except OSError as error:
        raise WorkFailedError(f"{folder} can't be written ({error.strerror or error}): make room or name another folder") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if made and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return manifest


def check_folder(folder: Path) -> None:
    """Refuse to write prepared data among other files, or beside a ledger that can't be read.

    Raises:
        DataError: Names what is in the way.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file: name a folder for the prepared data")
    if folder.is_dir():
        known = (MANIFEST, LEDGER, OPENINGS, *SPLIT_NAMES)
        if strange := sorted(path.name for path in folder.iterdir() if path.name not in known and not path.name.endswith(".partial")):
            raise DataError(f"{folder} holds something else ({strange[0]}): name another folder for the prepared data")
        if wrong := [name for name in SPLIT_NAMES if (folder / name).exists() and not (folder / name).is_dir()]:
            raise DataError(f"{folder / wrong[0]} is a file: name another folder for the prepared data")
        ledger_entries(folder, "")


def _write_arrays(folder: Path, splits: Mapping[str, Split], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write the splits into a new folder, and compute the manifest."""
    folder.mkdir()
    digests: dict[str, str] = {}
    for name in SPLIT_NAMES:
        target = folder / name
        target.mkdir(exist_ok=True)
        split = splits[name]
        np.save(target / "signals.npy", np.ascontiguousarray(split.signals_uv, dtype=np.int16))
        np.save(target / "labels.npy", np.ascontiguousarray(split.labels, dtype=np.uint8))
        np.savez(target / "records.npz", **{key: split.records[key] for key in RECORD_FIELDS})  # type: ignore[arg-type]
        digests |= {f"{name}/{key}": value for key, value in _digests(split).items()}
    origins = {name: write_origin(folder / name, splits[name].origin) for name in SPLIT_NAMES}
    fingerprint = compute_fingerprint(facts, digests)
    counts = {name: _counts(splits[name], facts["class_names"]) for name in SPLIT_NAMES}
    return {**facts, "counts": counts, "digests": digests, "origins": origins, "fingerprint": fingerprint}


def open_prepared(location: Path | str) -> PreparedData:
    """Open train and validation of a prepared data set, and check the arrays against the manifest's digests.

    Args:
        location: A folder, or s3://BUCKET/PREFIX; from S3, this machine fetches the files that its cache lacks.

    Raises:
        DataError: Not a prepared data set, or its arrays were changed or cut.
        UsageError: The bucket can't be read.

    Example:
        >>> data = open_prepared("data")
        >>> data.leads, data.train.signals_uv.shape
        (('I', 'II', 'V2'), (96, 250, 3))
    """
    manifest, remote = read_manifest(location), as_s3_storage(location)
    folder = Path(location) if remote is None else cache_folder(manifest)
    if remote is not None:
        write_manifest(folder, manifest)
    train, validation = (_load_split(folder, name, manifest, remote) for name in ("train", "validation"))
    return PreparedData(folder=folder, manifest=manifest, train=train, validation=validation, remote=remote)


def open_test(data: PreparedData, purpose: str, study: str = "") -> Split:
    """Break the seal of the test split: write a line into the ledger, then load the records.

    Args:
        purpose: The reason that the ledger keeps, e.g. "evaluate" or "export".
        study: The study or checkpoint folder it is opened for.

    Raises:
        UsageError: The data's bucket can't be read, or its ledger can't be written.
    """
    record_opening(data.folder, data.remote, fingerprint=data.fingerprint, purpose=purpose, study=study)
    return _load_split(data.folder, "test", data.manifest, data.remote)


def read_ledger(data: PreparedData) -> list[dict[str, str]]:
    """List all openings of the test split of data with this fingerprint, oldest first."""
    return ledger_entries(data.folder, data.fingerprint, data.remote)


def _load_split(folder: Path, name: str, manifest: Mapping[str, Any], remote: S3Storage | None) -> Split:
    """Read a split, fetching its files first when the data are in S3. The test split comes with its origin."""
    digest = manifest.get("origins", {}).get(name) if name == "test" else None

    def read() -> Split:
        split = _read_split(folder, name, manifest)
        return replace(split, origin=read_origin(folder / name, digest, n_records=len(split)))

    files = [f"{name}/{file}" for file in (*FILES, *([ORIGIN] if digest else []))]
    return read() if remote is None else read_fetched(remote, folder, files, read)


def _read_split(folder: Path, name: str, manifest: Mapping[str, Any]) -> Split:
    """Map a split's arrays and compare their digests with the manifest's."""
    source = folder / name
    try:
        signals = np.load(source / "signals.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(source / "labels.npy", allow_pickle=False)
        with np.load(source / "records.npz", allow_pickle=False) as archive:
            records = {key: archive[key] for key in RECORD_FIELDS}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{source} can't be read ({error}): prepare the data again") from error
    split = Split(name=name, signals_uv=signals, labels=labels, records=records)
    for key, value in _digests(split).items():
        if manifest["digests"].get(f"{name}/{key}") != value:
            raise DataError(f"{source}: {key} differ from what the manifest recorded: prepare the data again")
    return split


def _digests(split: Split) -> dict[str, str]:
    records = hashlib.sha256()
    for key in RECORD_FIELDS:
        records.update(f"{key}:{split.records[key].dtype.kind}:".encode())
        records.update("\0".join(map(str, split.records[key].tolist())).encode())
    return {"signals": _digest(split.signals_uv), "labels": _digest(split.labels), "records": records.hexdigest()}


def _digest(array: NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    if array.size:  # an empty buffer has no flat view
        digest.update(np.ascontiguousarray(array).data.cast("B"))
    return digest.hexdigest()


def _counts(split: Split, class_names: list[str]) -> dict[str, int]:
    counts = {"records": len(split), "patients": len(np.unique(split.records["patient_id"]))}
    return counts | {name: int(split.labels[:, k].sum()) for k, name in enumerate(class_names)}
