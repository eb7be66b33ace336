"""The manifest of a prepared data set: its facts, counts and digests, and the fingerprint that names its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecg_tune.data.prepared.remote_copy import COPY, unreadable_error
from ecg_tune.errors import DataError
from ecg_tune.storage import LocalStorage, S3Storage, open_storage

MANIFEST = "manifest.json"


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write it whole."""
    LocalStorage(folder).write(MANIFEST, lambda file: file.write(json.dumps(manifest, indent=1, ensure_ascii=False).encode() + b"\n"))


def read_manifest(where: Path | str) -> dict[str, Any]:
    """Return the manifest of a prepared data set in a folder or a bucket.

    Raises:
        DataError: It isn't one.
        UsageError: The bucket can't be read.
    """
    path, place = f"{where}/{MANIFEST}", open_storage(str(where))
    try:
        with place.open(MANIFEST) as file:
            text = file.read()
    except (FileNotFoundError, NotADirectoryError) as error:
        remedy = COPY if isinstance(place, S3Storage) else f"make it with `ecg-tune data prepare PTBXL {where}`"
        raise DataError(f"{where} holds no prepared data ({MANIFEST} is missing): {remedy}") from error
    except OSError as error:
        raise unreadable_error(where, error) from error
    try:
        manifest: dict[str, Any] = json.loads(text)
        honest = manifest["fingerprint"] == fingerprint_of(manifest, manifest["digests"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a manifest ({error}): prepare the data again") from error
    if not honest:
        raise DataError(f"{path} was changed after the data were prepared: prepare the data again")
    return manifest


def fingerprint_of(facts: Mapping[str, Any], digests: Mapping[str, str]) -> str:
    """Return the digest of a data set: equal arrays, records and settings give an equal one."""
    identity = {k: facts[k] for k in ("class_names", "leads", "sampling_rate_hz", "split", "label_rule", "normalisation", "synthetic")}
    return hashlib.sha256(json.dumps([identity, digests], sort_keys=True).encode()).hexdigest()
