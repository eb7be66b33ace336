"""Read a prepared data set: a folder of arrays with a manifest and a fingerprint.

::

    DATA/
      manifest.json             source, counts at each exclusion, settings, digests, fingerprint
      train/       signals.npy  (n_records, n_samples, n_leads) int16 microvolts
      validation/  labels.npy   (n_records, n_classes) uint8, multi-hot
      test/        records.npz  ecg_id, patient_id, sex, age, device, site, fold, flags: (n_records,) each
                   images.npy   (n_records, n_channels, size, size) float32; only in data that were imported with their images
                   origin.json  the records' SCP statements and files; not in the fingerprint, older data sets have none
      test_ledger.jsonl         one line for every opening of the test split, see `ecg_tune.data.prepared.ledger`

The folder may lie below a prefix of an S3 bucket, see `ecg_tune.data.prepared.remote_copy`. Arrays are memory-mapped.
The test split is sealed: `PreparedData` holds train and validation only. The only way to the test records is `open_test`,
which writes the ledger first; only `analysis/evaluation/evaluate.py` and the export command call it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tune.config import inputs_text
from ecg_tune.data.array_files import read_array, read_columns
from ecg_tune.data.prepared.facts import SPLITS
from ecg_tune.data.prepared.images import IMAGES_FILE, StoredImages, images_of
from ecg_tune.data.prepared.ledger import Line, ledger_lines, openings_of, record_opening, sealed_records
from ecg_tune.data.prepared.manifest import array_digest, columns_digest, read_manifest, write_manifest
from ecg_tune.data.prepared.origin import ORIGIN, Origin, certainty_of, frequent_statements, read_origin
from ecg_tune.data.prepared.record_keys import RECORD_KINDS, RECORDS_FILE
from ecg_tune.data.prepared.remote_copy import as_s3_storage, cache_folder, read_fetched
from ecg_tune.data.prepared.taught import TAUGHT, is_taught, read_taught
from ecg_tune.errors import DataError, SealedTestError
from ecg_tune.storage import S3Storage

SPLIT_NAMES = SPLITS
RECORD_FIELDS = tuple(RECORD_KINDS)
FILES = ("signals.npy", "labels.npy", RECORDS_FILE)


@dataclass(frozen=True)
class Split:
    """The records of train, validation or test. Not the scheme ("official", "70-15-15") that divides the records.

    Attributes:
        name: "train", "validation" or "test".
        signals_uv: (n_records, n_samples, n_leads) int16, microvolts; (n_records, 0, 0) in data of images alone.
        labels: (n_records, n_classes) uint8, multi-hot in the order of the manifest's class names.
        records: One array (n_records,) for each name in `RECORD_FIELDS`. `sex` is 0 male, 1 female, -1 unknown;
            `age` in years (90 means over 89, NaN unknown); `flags` the bits of `ecg_tune.data.ptbxl.quality`.
        origin: SCP statements and files of the records; None for train and validation, and for older data sets.
        images: The images that were imported with the records; None where images are computed from the signals.
        certainty: Of train, (n_records, n_classes) float32: how likely each label is, above 0 to 1, see `certainty_of`; None for the
            other splits, and for data that do not say it.
        statements: Of train, (n_records, n_statements) uint8: its more frequent SCP statements, see `frequent_statements`; else None.
        taught: Of train, (n_records, n_classes) float32: the probabilities that teachers give (`ecg-tune data teach`); else None.
    """

    name: str
    signals_uv: NDArray[np.int16]
    labels: NDArray[np.uint8]
    records: Mapping[str, NDArray[Any]]
    origin: Origin | None = None
    images: StoredImages | None = None
    certainty: NDArray[np.float32] | None = None
    statements: NDArray[np.uint8] | None = None
    taught: NDArray[np.float32] | None = None

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
    def n_test_records(self) -> int:
        """Records of the test split, which stays sealed; 0 where imported data have none."""
        return int(self.manifest["counts"]["test"]["records"])

    @property
    def patients_known(self) -> bool:
        """Whether the data say which records are one patient's; if not, each record counts as a patient."""
        return bool(self.manifest.get("patients_known", True))

    @property
    def limited(self) -> str:
        """What `--limit` left, e.g. "500 of 21799 records"; empty for whole data."""
        limit = self.manifest.get("limit")
        return f"{limit['read']} of {limit['of']} records" if limit else ""

    @property
    def normalisation(self) -> dict[str, Any]:
        """{"kind": "global" | "record", "scale_mv": standard deviation of the training signals in millivolts}."""
        return dict(self.manifest["normalisation"])

    @property
    def image_shape(self) -> tuple[int, int] | None:
        """Channels and pixels a side of the stored images; None where images are computed from the signals."""
        images = self.manifest.get("images")
        return (int(images["n_channels"]), int(images["size"])) if images else None

    @property
    def reads_images_here(self) -> bool:
        """Whether trials read stored images from the folder itself, so that every machine must mount it."""
        return self.image_shape is not None and self.remote is None

    @property
    def inputs(self) -> str:
        """What a record holds, in words: leads, stored images, or both."""
        return inputs_text(self.leads, self.image_shape or ())

    def in_memory(self) -> PreparedData:
        """Copy the mapped signals into memory, from where Ray's object store shares them without further copies.

        Stored images stay in their files, which every process maps itself.
        """
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
    record_opening(data.folder, data.remote, sealed_records(data.manifest, data.folder), purpose=purpose, study=study)
    return _load_split(data.folder, "test", data.manifest, data.remote)


def check_sealed(data: PreparedData) -> None:
    """Refuse data whose test files are missing, cut or of another shape. No record is read: the seal stays closed.

    Raises:
        DataError: They could not be loaded after the seal was opened. Files in a bucket are not looked at.
    """
    source = data.folder / "test"
    if data.remote is not None:
        return
    try:
        arrays = [read_array(source / name, mapped=True) for name in FILES[:2]]
        _check_arrays(arrays[0], np.zeros(arrays[1].shape, arrays[1].dtype), "test", data.manifest)
        if not (source / RECORDS_FILE).is_file():
            raise ValueError(f"{RECORDS_FILE} is missing")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{source} can't be read ({' '.join(str(error).split())}): prepare the data again; the test split stays sealed"
        ) from error


def read_ledger(data: PreparedData) -> list[Line]:
    """List all openings of records of the test split, under whichever settings they were prepared, oldest first."""
    return openings_of(ledger_lines(data.folder, data.remote), sealed_records(data.manifest, data.folder))


def _load_split(folder: Path, name: str, manifest: Mapping[str, Any], remote: S3Storage | None) -> Split:
    """Read a split, fetching its files first when the data are in S3. The test split comes with its origin, train with what it says."""
    class_of = manifest.get("class_of")
    wanted = name == "test" or (name == "train" and class_of and (remote is not None or (folder / name / ORIGIN).is_file()))
    digest = manifest.get("origins", {}).get(name) if wanted else None
    taught = name == "train" and is_taught(manifest)

    def read() -> Split:
        split = _read_split(folder, name, manifest, remote)
        split = replace(split, taught=read_taught(folder, manifest)) if taught else split
        origin = read_origin(folder / name, digest, n_records=len(split))
        if name == "test" or origin is None:
            return replace(split, origin=origin)
        certainty = certainty_of(origin, class_of or {}, manifest["class_names"])
        return replace(split, certainty=certainty, statements=frequent_statements(origin))

    with_images = [IMAGES_FILE] if "images" in manifest else []
    files = [f"{name}/{file}" for file in (*FILES, *with_images, *([ORIGIN] if digest else []), *([TAUGHT] if taught else []))]
    return read() if remote is None else read_fetched(remote, folder, files, read)


def _read_split(folder: Path, name: str, manifest: Mapping[str, Any], remote: S3Storage | None) -> Split:
    """Map a split's arrays and compare their digests with the manifest's."""
    source = folder / name
    try:
        signals = read_array(source / "signals.npy", mapped=True)
        labels = read_array(source / "labels.npy")
        records = read_columns(source / RECORDS_FILE, RECORD_KINDS, len(labels) if labels.ndim else 0)
        _check_arrays(signals, labels, name, manifest)
    except (OSError, ValueError) as error:
        raise DataError(f"{source} can't be read ({' '.join(str(error).split())}): prepare the data again") from error
    split = Split(name=name, signals_uv=signals, labels=labels, records=records, images=images_of(folder, name, manifest, remote))
    for key, value in split_digests(split).items():
        if manifest["digests"].get(f"{name}/{key}") != value:
            raise DataError(f"{source}: {key} differ from what the manifest recorded: prepare the data again")
    return split


def _check_arrays(signals: NDArray[Any], labels: NDArray[Any], name: str, manifest: Mapping[str, Any]) -> None:
    """Compare the types and shapes of a split's arrays with what the manifest says of them.

    Raises:
        ValueError: Says what differs.
    """
    n_records, n_classes = int(manifest["counts"][name]["records"]), len(manifest["class_names"])
    shapes = [(n_records, int(manifest["n_samples"]), len(manifest["leads"])), (n_records, 0, 0)]
    if signals.dtype != np.int16 or signals.shape not in shapes[: 1 if manifest["leads"] else 2]:
        raise ValueError(f"signals.npy holds {signals.dtype} {signals.shape}, not int16 {shapes[0]}")
    if labels.dtype != np.uint8 or labels.shape != (n_records, n_classes) or labels.max(initial=0) > 1:
        raise ValueError(f"labels.npy holds {labels.dtype} {labels.shape}, not 0 and 1 as uint8 {(n_records, n_classes)}")


def split_digests(split: Split) -> dict[str, str]:
    """Hash a split's arrays; SHA-256 by "signals", "labels", "records" and, where there are stored images, "images"."""
    digests = {"signals": array_digest(split.signals_uv), "labels": array_digest(split.labels)}
    digests["records"] = columns_digest({key: split.records[key] for key in RECORD_FIELDS})
    return digests | ({} if split.images is None else {"images": split.images.digest()})
