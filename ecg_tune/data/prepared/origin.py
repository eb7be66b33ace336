"""Where the records of a part come from: their SCP statements and files. They explain labels and signals; nothing is trained on them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ecg_tune.errors import DataError

ORIGIN = "origin.json"


@dataclass(frozen=True)
class Origin:
    """What is known of a part's records besides signals and labels.

    Not part of the data's fingerprint, which is that of arrays, records and settings: data sets with and without it are equal.

    Attributes:
        statements: For every record, SCP statement -> likelihood in percent (0 means unknown).
        files: For every record, its name relative to the PTB-XL folder, without extension.
    """

    statements: tuple[Mapping[str, float], ...]
    files: tuple[str, ...]


def write_origin(folder: Path, origin: Origin | None) -> str | None:
    """Write `folder/origin.json` and return its SHA-256 for the manifest; None, and no file, without an origin."""
    (folder / ORIGIN).unlink(missing_ok=True)
    if origin is None:
        return None
    content = json.dumps({"files": origin.files, "statements": origin.statements}, ensure_ascii=False).encode()
    (folder / ORIGIN).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def read_origin(folder: Path, digest: str | None, *, n_records: int) -> Origin | None:
    """Return what `write_origin` wrote; None when the manifest knows no digest, as in data prepared before there was one.

    Raises:
        DataError: The file is gone or was changed.
    """
    if digest is None:
        return None
    path = folder / ORIGIN
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}): prepare the data again") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise DataError(f"{path} differs from what the manifest recorded: prepare the data again")
    found = json.loads(content)
    assert len(found["files"]) == len(found["statements"]) == n_records, f"{path} holds another number of records"
    return Origin(statements=tuple(found["statements"]), files=tuple(found["files"]))
