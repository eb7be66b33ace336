"""The ledger of the sealed test part: one line for every opening, written before it.

It lies beside the data, as lines of `test_ledger.jsonl`. Data in a bucket are opened from many machines, and a bucket's files
can't be appended to: there each opening is an object of its own below `test_openings/`, and the file is what was copied there.
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


def enter(folder: Path, bucket: S3Storage | None, *, fingerprint: str, purpose: str, study: str) -> None:
    """Write one opening into a folder's ledger, and first into the bucket from which the data were pulled.

    Raises:
        UsageError: Nothing can be written to the bucket.
    """
    now = datetime.now(UTC).isoformat(timespec="microseconds")  # equal lines would be taken for one opening
    line = {"fingerprint": fingerprint, "purpose": purpose, "study": study, "time": now}
    if bucket is not None:
        name = f"{OPENINGS}/{line['time'].replace(':', '')}-{secrets.token_hex(4)}.json"
        try:
            bucket.write(name, lambda file: file.write(json.dumps(line).encode() + b"\n"))
        except OSError as error:
            raise UsageError(
                f"the test part stays sealed: its opening can't be entered in {bucket} ({' '.join(str(error).split())}): "
                f"use keys that may write below {OPENINGS}/"
            ) from error
    with (folder / LEDGER).open("a", encoding="utf-8") as ledger:
        ledger.write(json.dumps(line) + "\n")


def ledger_entries(folder: Path, fingerprint: str, bucket: S3Storage | None = None) -> list[dict[str, str]]:
    """Return the openings of the test part with this fingerprint, oldest first; no part needs to be open.

    Raises:
        DataError: A line of the ledger can't be read.
    """
    found: dict[str, Mapping[str, str]] = {}
    for place, name in _files(folder, bucket):
        try:
            with place.open(name) as file:
                entries = [json.loads(line) for line in file.read().decode().splitlines() if line]
            found |= {json.dumps(entry, sort_keys=True): entry for entry in entries if entry["fingerprint"] == fingerprint}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{place}/{name} holds a line that is not an opening of the test part ({error!r}): put the line right by hand"
            ) from error
    return [dict(entry) for entry in sorted(found.values(), key=lambda entry: entry["time"])]


def _files(folder: Path, bucket: S3Storage | None) -> list[tuple[Storage, str]]:
    """Return where the lines are."""
    files: list[tuple[Storage, str]] = [(LocalStorage(folder), LEDGER)] if (folder / LEDGER).exists() else []
    if bucket is not None:
        with suppress(OSError):  # nobody may list it: what is known here stands
            files += [(bucket, f"{OPENINGS}/{name}") for name in bucket.names(OPENINGS)]
            files += [(bucket, LEDGER)] if LEDGER in bucket.names("") else []
    return files
