"""Prepared data whose train records hold what teachers say of them, for distillation (Hinton, Vinyals & Dean, 2015)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tune.data.array_files import read_array
from ecg_tune.data.prepared.manifest import array_digest, compute_fingerprint
from ecg_tune.errors import DataError

TAUGHT, DIGEST = "taught.npy", "train/taught"
"""The file of a train split, and its entry among the manifest's digests."""


def is_taught(manifest: Mapping[str, Any]) -> bool:
    """Return whether the train records of a manifest's data hold what teachers say of them."""
    return DIGEST in manifest["digests"]


def read_taught(folder: Path, manifest: Mapping[str, Any]) -> NDArray[np.float32]:
    """Read what teachers say of the train records: (n_records, n_classes) probabilities.

    Args:
        folder: Of the prepared data.

    Raises:
        DataError: The file is missing, was changed, or holds something else.
    """
    path, shape = folder / "train" / TAUGHT, (int(manifest["counts"]["train"]["records"]), len(manifest["class_names"]))
    try:
        taught = read_array(path)
        if taught.dtype != np.float32 or taught.shape != shape or not ((taught >= 0) & (taught <= 1)).all():
            raise ValueError(f"it holds {taught.dtype} {taught.shape}, not probabilities as float32 {shape}")
    except (OSError, ValueError) as error:
        raise DataError(f"{path} can't be read ({' '.join(str(error).split())}): run `ecg-tune data teach` again") from error
    if array_digest(taught) != manifest["digests"][DIGEST]:
        raise DataError(f"{path} differs from what the manifest recorded: run `ecg-tune data teach` again")
    return taught


def add_taught(folder: Path, manifest: Mapping[str, Any], taught: NDArray[np.float32], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Put what teachers say into the train split of a copy of prepared data.

    Args:
        folder: Of the copy; its manifest is not written.
        taught: (n_records, n_classes) probabilities of the train records.
        facts: What the manifest notes of the teachers.

    Returns:
        The copy's manifest, with a fingerprint of its own.
    """
    taught = np.ascontiguousarray(taught, dtype=np.float32)
    np.save(folder / "train" / TAUGHT, taught)
    digests = {**manifest["digests"], DIGEST: array_digest(taught)}
    return {**manifest, "digests": digests, "taught": dict(facts), "fingerprint": compute_fingerprint(manifest, digests)}


def copy_splits(source: Path, target: Path) -> None:
    """Copy the files of all splits, whatever they hold: the test split's stay sealed.

    Raises:
        DataError: A split's folder is missing.
    """
    for name in ("train", "validation", "test"):
        if not (source / name).is_dir():
            raise DataError(f"{source / name} is missing: prepare the data again")
        shutil.copytree(source / name, target / name)
