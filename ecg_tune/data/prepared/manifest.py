"""Read and write the manifest of a prepared data set: facts, counts, digests, and the fingerprint of the content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tune.config.formats import DATA
from ecg_tune.data.prepared.facts import MANIFEST_FACTS, REQUIRED, check_facts
from ecg_tune.data.prepared.remote_copy import UPLOAD_REMEDY, unreadable_error
from ecg_tune.errors import DataError
from ecg_tune.file_sizes import read_whole
from ecg_tune.folder_kinds import MANIFEST, instead_of_data
from ecg_tune.storage import LocalStorage, S3Storage, open_storage


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write `folder/manifest.json`, complete or not at all."""
    LocalStorage(folder).write(
        MANIFEST,
        lambda file: file.write(json.dumps({"format": DATA, **manifest} | {"format": DATA}, indent=1, ensure_ascii=False).encode() + b"\n"),
    )


def read_manifest(location: Path | str) -> dict[str, Any]:
    """Load the manifest of a prepared data set and check it against its own fingerprint.

    Args:
        location: A folder, or s3://BUCKET/PREFIX.

    Raises:
        DataError: There is no manifest, it is too large, it was changed, or a fact is not what it must be.
        UsageError: The bucket can't be read.
    """
    path, storage = f"{location}/{MANIFEST}", open_storage(str(location))
    try:
        with storage.open(MANIFEST) as file:
            text = read_whole(file, path)
    except (FileNotFoundError, NotADirectoryError) as error:
        remedy = UPLOAD_REMEDY if isinstance(storage, S3Storage) else instead_of_data(Path(location))
        raise DataError(f"{location} holds no prepared data ({MANIFEST} is missing): {remedy}") from error
    except OSError as error:
        raise unreadable_error(location, error) from error
    try:
        manifest: dict[str, Any] = json.loads(text)
        unchanged = manifest["fingerprint"] == compute_fingerprint(manifest, manifest["digests"])
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise DataError(f"{path} is not a manifest ({' '.join(str(error).split())[:200]}): prepare the data again") from error
    written = manifest.get("format", 1)
    if not isinstance(written, int) or written > DATA:
        raise DataError(
            f"{path} was written by a newer ecg-tune (format {str(written)[:20]}, this one reads up to {DATA}): update ecg-tune"
        )
    if not unchanged:
        raise DataError(f"{path} was changed after the data were prepared: prepare the data again")
    check_facts(manifest, MANIFEST_FACTS, path, required=REQUIRED)
    return manifest


def array_digest(array: NDArray[Any]) -> str:
    """Hash an array's type, shape and values; 64 hex digits."""
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    if array.size:  # an empty buffer has no flat view
        digest.update(np.ascontiguousarray(array).data.cast("B"))
    return digest.hexdigest()


def columns_digest(columns: Mapping[str, NDArray[Any]]) -> str:
    """Hash the columns of a table, texts of any width alike; 64 hex digits."""
    digest = hashlib.sha256()
    for name, column in columns.items():
        digest.update(f"{name}:{column.dtype.kind}:".encode())
        digest.update("\0".join(map(str, column.tolist())).encode())
    return digest.hexdigest()


def compute_fingerprint(facts: Mapping[str, Any], digests: Mapping[str, str]) -> str:
    """Hash the arrays' digests with the settings that made them; 64 hex digits.

    Args:
        facts: The manifest; only the settings that decide what the arrays mean are used.
        digests: "SPLIT/signals", "SPLIT/labels", "SPLIT/records" and, with stored images, "SPLIT/images" → SHA-256.
    """
    identity = {k: facts[k] for k in ("class_names", "leads", "sampling_rate_hz", "split", "label_rule", "normalisation", "synthetic")}
    return hashlib.sha256(json.dumps([identity, digests], sort_keys=True).encode()).hexdigest()


def has_likelihood(facts: Mapping[str, Any]) -> bool:
    """Say whether the label rule's likelihood means something: in PTB-XL, which names the level of its labels, or above 0."""
    rule = facts["label_rule"]
    return "labels" in facts or (isinstance(rule, Mapping) and rule.get("min_likelihood", 0) > 0)
