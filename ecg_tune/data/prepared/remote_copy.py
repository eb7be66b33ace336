"""Prepared data in an S3 bucket, pulled once by each machine that opens them: a search's driver, not its workers.

What was pulled lies in `~/.cache/ecg-tune/FINGERPRINT` and is used again; the manifest is read from the bucket every time. The test
part stays in the bucket until it is opened.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from ecg_tune.errors import DataError, UsageError
from ecg_tune.storage import LocalStorage, S3Storage, open_storage

Read = TypeVar("Read")
COPY = "copy a whole prepared folder there (`aws s3 cp --recursive DATA s3://…`)"


def as_s3_storage(where: Path | str) -> S3Storage | None:
    """Return the bucket that a user names, None for a folder.

    Raises:
        ConfigError: A URI that is no bucket's, or holds keys.
    """
    place = open_storage(str(where))
    return place if isinstance(place, S3Storage) else None


def cache_folder(manifest: Mapping[str, Any]) -> Path:
    """Return the folder on this machine for what is pulled of a data set."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "ecg-tune" / str(manifest["fingerprint"])


def pulled(bucket: S3Storage, folder: Path, names: Sequence[str], read: Callable[[], Read]) -> Read:
    """Return what `read` makes of files of `folder`; those that are missing are fetched first.

    A file appears under its name when all of it is there, so that what was interrupted goes on with the next file. Files that
    `read` refuses are fetched once more: they may have been damaged on this disk.

    Raises:
        DataError: The bucket does not hold what its manifest says.
        UsageError: It can't be read.
    """
    _fetch(bucket, folder, names)
    try:
        return read()
    except DataError:
        for name in names:
            (folder / name).unlink(missing_ok=True)
    _fetch(bucket, folder, names)
    try:
        return read()
    except DataError as error:
        for name in names:
            (folder / name).unlink(missing_ok=True)
        raise DataError(f"{bucket} does not hold what its manifest says ({error}): {COPY}") from error


def unreadable_error(where: S3Storage | Path | str, error: OSError) -> UsageError:
    """Return what a user is told when a bucket does not answer, or refuses."""
    return UsageError(
        f"{where} can't be read: {' '.join(str(error).split())[:300]}: check that it exists and that AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, ~/.aws or this machine's role may read there"
    )


def _fetch(bucket: S3Storage, folder: Path, names: Sequence[str]) -> None:
    for name in names:
        if (folder / name).is_file():
            continue
        try:
            with bucket.open(name) as source:
                LocalStorage(folder).write(name, partial(_copy, source))
        except FileNotFoundError as error:
            raise DataError(f"{bucket} holds no {name}: {COPY}") from error
        except OSError as error:
            raise unreadable_error(bucket, error) from error


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    shutil.copyfileobj(source, target)
