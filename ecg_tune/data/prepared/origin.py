"""Keep each record's SCP statements and file name. They explain labels and signals in reports; nothing is trained on them."""

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
    """The statements and file names of a split's records.

    The fingerprint leaves them out: data sets with and without an origin are equal.

    Attributes:
        statements: For every record, SCP statement → likelihood in percent (0 means unknown).
        files: For every record, its name relative to the PTB-XL folder, without extension.
    """

    statements: tuple[Mapping[str, float], ...]
    files: tuple[str, ...]


def write_origin(folder: Path, origin: Origin | None) -> str | None:
    """Write `folder/origin.json`; without an origin, remove an earlier file.

    Returns:
        The file's SHA-256 for the manifest; None without an origin.
    """
    (folder / ORIGIN).unlink(missing_ok=True)
    if origin is None:
        return None
    content = json.dumps({"files": origin.files, "statements": origin.statements}, ensure_ascii=False).encode()
    (folder / ORIGIN).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def read_origin(folder: Path, digest: str | None, *, n_records: int) -> Origin | None:
    """Load `folder/origin.json` and check it.

    Args:
        digest: The SHA-256 in the manifest; None for older data sets, which have no origin: then None is returned.
        n_records: How many records the file must describe.

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
    origin = json.loads(content)
    assert len(origin["files"]) == len(origin["statements"]) == n_records, f"{path} holds another number of records"
    return Origin(statements=tuple(origin["statements"]), files=tuple(origin["files"]))
