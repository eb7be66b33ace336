"""Keep the ledger of the sealed test split: one line for every opening, written before the records are read.

The ledger is `test_ledger.jsonl` beside the data. Data in S3 are opened from many machines, and an S3 object can't be appended
to: there each opening is an object of its own below `test_openings/`. A `test_ledger.jsonl` that was uploaded with the data
counts too.

A line holds the keys of the records that were opened: it counts for every data set that has one of them in its test split,
whatever its leads, rate, labels, split or fingerprint. A line also holds the digest of the one before it, so that a line that
was changed or taken out shows; of the last line, the copy in the study shows it. Lines of version 0.1 hold neither: they count
for all data that lie in their folder.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from ecg_tune.data.array_files import read_columns
from ecg_tune.data.prepared.record_keys import RECORD_KINDS, RECORDS_FILE, joined, parted, record_keys
from ecg_tune.errors import DataError, UsageError
from ecg_tune.file_sizes import read_whole
from ecg_tune.storage import LocalStorage, S3Storage, Storage

LEDGER, OPENINGS = "test_ledger.jsonl", "test_openings"
Line = dict[str, Any]
"""One opening: fingerprint, purpose, study, time (UTC, ISO 8601), settings, records, previous."""


@dataclass(frozen=True)
class SealedRecords:
    """The records of a test split, as a ledger knows them.

    Attributes:
        fingerprint: Of the data, 64 hex digits.
        settings: How they were prepared, in a few words.
        keys: Of the records, see `record_keys`; empty where they are not known.
    """

    fingerprint: str
    settings: str
    keys: frozenset[str]


def sealed_records(manifest: Mapping[str, Any], folder: Path) -> SealedRecords:
    """Find the records of a data set's test split. Labels and signals stay unread.

    Args:
        folder: The data's folder or cache; data sets of version 0.1 have their keys computed from its `test/records.npz`.
    """
    keys = parted(str(manifest.get("test_records", "")))
    if not keys:
        with suppress(OSError, ValueError):
            keys = frozenset(record_keys(read_columns(folder / "test" / RECORDS_FILE, RECORD_KINDS)))
    leads, rate_hz = ",".join(manifest["leads"]), manifest["sampling_rate_hz"]
    settings = f"{f'leads {leads}, {rate_hz} Hz' if leads else 'images'}, split {manifest['split']}"
    return SealedRecords(str(manifest["fingerprint"]), settings, keys)


def record_opening(folder: Path, remote: S3Storage | None, tested: SealedRecords, *, purpose: str, study: str) -> None:
    """Add one opening to the ledger: in S3 first, when the data come from there, then in the local folder.

    Args:
        folder: The data's local folder or cache.
        purpose: E.g. "evaluate".
        study: The study or checkpoint folder that the test split is opened for.

    Raises:
        UsageError: The bucket can't be written to.
        DataError: The ledger can't be read.
    """
    with _ledger_to_extend(folder / LEDGER) as ledger:
        fcntl.flock(ledger, fcntl.LOCK_EX)  # two openings at once follow one another
        before = ledger_lines(folder, remote)
        opening: Line = {"fingerprint": tested.fingerprint, "purpose": purpose, "study": study, "settings": tested.settings}
        opening["time"] = _time_after(before)
        opening |= {"records": joined(list(tested.keys)), "previous": _digest(before[-1]) if before else ""}
        if remote is not None:
            _write_remote(remote, opening)
        ledger.write(json.dumps(opening) + "\n")
        ledger.flush()
        os.fsync(ledger.fileno())


def _ledger_to_extend(path: Path) -> TextIO:
    """Open a ledger to add a line. The data may come from elsewhere: links are not followed.

    Raises:
        DataError: It is no plain file.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
        raise DataError(f"{path} must be a plain file, and is none: the test split stays sealed") from error
    return os.fdopen(handle, "a", encoding="utf-8")


def _time_after(lines: Sequence[Line]) -> str:
    """Return the time of a new opening: the last line's and a microsecond, where the clock was set back. Their order is that of time."""
    now = datetime.now(UTC)
    if lines:
        with suppress(ValueError, TypeError, OverflowError):
            now = max(now, datetime.fromisoformat(str(lines[-1]["time"])) + timedelta(microseconds=1))
    return now.isoformat(timespec="microseconds")  # equal lines would be taken for one opening


def _write_remote(remote: S3Storage, opening: Line) -> None:
    name = f"{OPENINGS}/{opening['time'].replace(':', '')}-{secrets.token_hex(4)}.json"
    try:
        remote.write(name, lambda file: file.write(json.dumps(opening).encode() + b"\n"))
    except OSError as error:
        raise UsageError(
            f"the test split stays sealed: its opening can't be written to {remote} ({' '.join(str(error).split())}): "
            f"use keys that may write below {OPENINGS}/"
        ) from error


def ledger_lines(folder: Path, remote: S3Storage | None = None) -> list[Line]:
    """Read all lines of a ledger as they stand, oldest first.

    Raises:
        DataError: A line can't be read, or a file is too large.
    """
    lines: dict[str, Line] = {}
    for storage, name in _ledger_files(folder, remote):
        try:
            with storage.open(name) as file:
                entries = [json.loads(line) for line in read_whole(file, f"{storage}/{name}").decode().splitlines() if line]
            texts = [entry[field] for entry in entries for field in ("fingerprint", "purpose", "study", "time")]
            texts += [entry.get(field, "") for entry in entries for field in ("settings", "records", "previous")]
            if not all(isinstance(text, str) for text in texts):
                raise TypeError("a field is no text")
            lines |= {_digest(entry): entry for entry in entries}
        except DataError:
            raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(
                f"{storage}/{name} holds a line that is not an opening of the test split ({error!r}): correct the line by hand"
            ) from error
    return sorted(lines.values(), key=lambda line: str(line["time"]))


def openings_of(lines: Iterable[Line], tested: SealedRecords) -> list[Line]:
    """Choose the openings in which one of a test split's records, or more, was read.

    Returns:
        One {"fingerprint", "purpose", "study", "time", "settings", "shared"} each, `shared` the number of its records.
    """
    found = []
    for line in lines:
        known = "records" in line and tested.keys
        shared = len(tested.keys & parted(line["records"])) if known else len(tested.keys)
        if line["fingerprint"] == tested.fingerprint or (shared if known else "records" not in line):
            view = {name: line[name] for name in ("fingerprint", "purpose", "study", "time")}
            found.append(view | {"settings": line.get("settings", "not noted"), "shared": shared})
    return found


def missing_before(lines: Sequence[Line]) -> list[str]:
    """Find what was changed or taken out: the time of each line before which one is missing."""
    known = {_digest(line) for line in lines}
    return [str(line["time"]) for line in lines if line.get("previous") and line["previous"] not in known]


def gaps_text(gaps: Sequence[str]) -> str:
    """Say that a ledger was changed by hand; empty where it was not."""
    if not gaps:
        return ""
    return f"the ledger was changed: the line before the opening of {gaps[0][:19]} is missing, so there were more openings than it says"


def _digest(line: Line) -> str:
    return hashlib.sha256(json.dumps(line, sort_keys=True).encode()).hexdigest()[:32]


def _ledger_files(folder: Path, remote: S3Storage | None) -> list[tuple[Storage, str]]:
    """List the files that hold ledger lines, each with its storage."""
    files: list[tuple[Storage, str]] = [(LocalStorage(folder), LEDGER)] if (folder / LEDGER).exists() else []
    if remote is not None:
        with suppress(OSError):  # without the right to list the bucket, the local ledger is all that can be read
            files += [(remote, f"{OPENINGS}/{name}") for name in remote.names(OPENINGS)]
            files += [(remote, LEDGER)] if LEDGER in remote.names("") else []
    return files
