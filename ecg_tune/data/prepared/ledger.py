"""Keep the ledger of the sealed test split: one line for every opening, written before the records are read.

The ledger is `test_ledger.jsonl` beside the data. Data in S3 are opened from many machines, and an S3 object can't be appended
to: there each opening is an object of its own below `test_openings/`. A `test_ledger.jsonl` that was uploaded with the data
counts too.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ecg_tune.errors import DataError, UsageError
from ecg_tune.storage import LocalStorage, S3Storage, Storage

LEDGER, OPENINGS = "test_ledger.jsonl", "test_openings"


def record_opening(folder: Path, remote: S3Storage | None, *, fingerprint: str, purpose: str, study: str) -> None:
    """Add one opening to the ledger: in S3 first, when the data come from there, then in the local folder.

    Args:
        folder: The data's local folder or cache.
        fingerprint: The data's, 64 hex digits.
        purpose: E.g. "evaluate".
        study: The study or checkpoint folder that the test split is opened for.

    Raises:
        UsageError: The bucket can't be written to.
    """
    now = datetime.now(UTC).isoformat(timespec="microseconds")  # equal lines would be taken for one opening
    opening = {"fingerprint": fingerprint, "purpose": purpose, "study": study, "time": now}
    if remote is not None:
        name = f"{OPENINGS}/{now.replace(':', '')}-{secrets.token_hex(4)}.json"
        try:
            remote.write(name, lambda file: file.write(json.dumps(opening).encode() + b"\n"))
        except OSError as error:
            raise UsageError(
                f"the test split stays sealed: its opening can't be written to {remote} ({' '.join(str(error).split())}): "
                f"use keys that may write below {OPENINGS}/"
            ) from error
    with (folder / LEDGER).open("a", encoding="utf-8") as ledger:
        ledger.write(json.dumps(opening) + "\n")


def ledger_entries(folder: Path, fingerprint: str, remote: S3Storage | None = None) -> list[dict[str, str]]:
    """List the openings of the test split of data with this fingerprint, oldest first.

    Returns:
        One {"fingerprint", "purpose", "study", "time"} for each opening; times are UTC, ISO 8601.

    Raises:
        DataError: A line of the ledger can't be read.
    """
    openings: dict[str, Mapping[str, str]] = {}
    for storage, name in _ledger_files(folder, remote):
        try:
            with storage.open(name) as file:
                entries = [json.loads(line) for line in file.read().decode().splitlines() if line]
            if not all(isinstance(entry[field], str) for entry in entries for field in ("fingerprint", "purpose", "study", "time")):
                raise TypeError("a field is no text")
            openings |= {json.dumps(entry, sort_keys=True): entry for entry in entries if entry["fingerprint"] == fingerprint}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{storage}/{name} holds a line that is not an opening of the test split ({error!r}): correct the line by hand"
            ) from error
    return [dict(entry) for entry in sorted(openings.values(), key=lambda entry: entry["time"])]


def _ledger_files(folder: Path, remote: S3Storage | None) -> list[tuple[Storage, str]]:
    """List the files that hold ledger lines, each with its storage."""
    files: list[tuple[Storage, str]] = [(LocalStorage(folder), LEDGER)] if (folder / LEDGER).exists() else []
    if remote is not None:
        with suppress(OSError):  # without the right to list the bucket, the local ledger is all that can be read
            files += [(remote, f"{OPENINGS}/{name}") for name in remote.names(OPENINGS)]
            files += [(remote, LEDGER)] if LEDGER in remote.names("") else []
    return files
