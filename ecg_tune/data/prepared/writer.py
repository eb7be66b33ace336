"""Write a prepared data set into a folder, all or nothing. `ecg_tune.data.prepared.dataset` reads it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ecg_tune.data.overlap import record_digests
from ecg_tune.data.prepared.dataset import RECORD_FIELDS, SPLIT_NAMES, Split, split_digests
from ecg_tune.data.prepared.images import IMAGES_FILE
from ecg_tune.data.prepared.ledger import LEDGER, OPENINGS, ledger_lines
from ecg_tune.data.prepared.manifest import compute_fingerprint, read_manifest, write_manifest
from ecg_tune.data.prepared.origin import write_origin
from ecg_tune.data.prepared.record_keys import joined, record_keys
from ecg_tune.errors import DataError, WorkFailedError
from ecg_tune.folder_kinds import MANIFEST
from ecg_tune.scratch import scratch_folder


def write_prepared(folder: Path, splits: Mapping[str, Split], facts: Mapping[str, Any], *, replace_other: bool = False) -> dict[str, Any]:
    """Write a prepared data set into a folder, all or nothing; the ledger of an earlier data set there is kept.

    Args:
        splits: "train", "validation" and "test".
        replace_other: Put them in the place of other prepared data too. The same data may be written again without.
        facts: The manifest's other entries. Must hold `class_names, leads, sampling_rate_hz, n_samples, split, label_rule,
            normalisation, synthetic, source`.

    Returns:
        The manifest: `facts` with counts, digests and fingerprint.

    Raises:
        DataError: The folder holds something else, or other prepared data.
        WorkFailedError: It can't be written.
    """
    check_folder(folder)
    try:
        with scratch_folder(folder) as partial:
            manifest = _write_arrays(partial, splits, facts)
            if not replace_other:
                _check_same(folder, str(manifest["fingerprint"]))
            (folder / MANIFEST).unlink(missing_ok=True)
            for name in SPLIT_NAMES:
                shutil.rmtree(folder / name, ignore_errors=True)
                (partial / name).rename(folder / name)
            write_manifest(folder, manifest)
    except OSError as error:
        reason = error.strerror or f"No space left on device: {error}"  # NumPy says "480000 requested and 4096 written" and no more
        raise WorkFailedError(f"{folder} can't be written ({reason}): make room or name another folder") from error
    return manifest


def _check_same(folder: Path, fingerprint: str) -> None:
    """Refuse to put data in the place of others.

    Raises:
        DataError: The folder holds data of another fingerprint.
    """
    if not (folder / MANIFEST).exists():
        return
    try:
        there = str(read_manifest(folder)["fingerprint"])
    except DataError:
        there = "damaged"
    if there != fingerprint:
        raise DataError(
            f"{folder} holds other prepared data ({there[:12]}, these are {fingerprint[:12]}): name another folder, or give --replace to "
            "put these in their place; the test split's ledger stays"
        )


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
        ledger_lines(folder)


def _write_arrays(folder: Path, splits: Mapping[str, Split], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write the splits into an empty folder, and compute the manifest."""
    digests: dict[str, str] = {}
    for name in SPLIT_NAMES:
        target = folder / name
        target.mkdir(exist_ok=True)
        split = splits[name]
        np.save(target / "signals.npy", np.ascontiguousarray(split.signals_uv, dtype=np.int16))
        np.save(target / "labels.npy", np.ascontiguousarray(split.labels, dtype=np.uint8))
        np.savez(target / "records.npz", **{key: split.records[key] for key in RECORD_FIELDS})  # type: ignore[arg-type]
        digests |= {f"{name}/{key}": value for key, value in split_digests(replace(split, images=None)).items()}
        if split.images is not None:
            digests[f"{name}/images"] = split.images.write(target / IMAGES_FILE)
    origins = {name: write_origin(folder / name, splits[name].origin) for name in SPLIT_NAMES}
    fingerprint = compute_fingerprint(facts, digests)
    counts = {name: _counts(splits[name], facts["class_names"]) for name in SPLIT_NAMES}
    keys = joined(record_keys(splits["test"].records, record_digests(splits["test"])))
    return {**facts, "counts": counts, "digests": digests, "origins": origins, "test_records": keys, "fingerprint": fingerprint}


def _counts(split: Split, class_names: list[str]) -> dict[str, int]:
    counts = {"records": len(split), "patients": len(np.unique(split.records["patient_id"]))}
    return counts | {name: int(split.labels[:, k].sum()) for k, name in enumerate(class_names)}
