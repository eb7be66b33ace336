"""Keep a local copy of prepared data that lie in an S3 bucket.

Each machine that opens the data fetches them once: a search's driver, not its workers, which fetch stored images only. The copy
lies in `~/.cache/ecg-tune/FINGERPRINT`; the manifest is read from the bucket every time. The test split stays in the bucket until
it is opened.
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
UPLOAD_REMEDY = "copy a whole prepared folder there (`aws s3 cp --recursive DATA s3://…`)"


def as_s3_storage(location: Path | str) -> S3Storage | None:
    """Open the S3 storage of an s3:// URI; None for a local folder.

    Raises:
        ConfigError: The URI is not of a bucket, or holds access keys.
    """
    storage = open_storage(str(location))
    return storage if isinstance(storage, S3Storage) else None


def cache_folder(manifest: Mapping[str, Any]) -> Path:
    """Name this machine's folder for the local copy of a data set; `XDG_CACHE_HOME` moves it."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "ecg-tune" / str(manifest["fingerprint"])


def read_fetched(remote: S3Storage, folder: Path, names: Sequence[str], read: Callable[[], Read]) -> Read:
    """Fetch the files that are missing in a folder, then call `read`, which reads them.

    Each file appears when it is complete, so that an interrupted fetch continues with the next file. When `read` refuses the
    files with a `DataError`, they are fetched a second time: they may have been damaged on this disk.

    Args:
        folder: The local copy.
        names: Files relative to `folder` and to `remote`.
        read: Reads the files from `folder`; its result is returned.

    Raises:
        DataError: The bucket's files are not those that its manifest describes.
        UsageError: The bucket can't be read.
    """
    fetch_missing(remote, folder, names)
    try:
        return read()
    except DataError:
        for name in names:
            (folder / name).unlink(missing_ok=True)
    fetch_missing(remote, folder, names)
    try:
        return read()
    except DataError as error:
        for name in names:
            (folder / name).unlink(missing_ok=True)
        raise DataError(f"{remote} does not hold what its manifest says ({error}): {UPLOAD_REMEDY}") from error


def unreadable_error(location: S3Storage | Path | str, error: OSError) -> UsageError:
    """Make the error for a bucket that does not answer or refuses to be read, with what to check."""
    return UsageError(
        f"{location} can't be read: {' '.join(str(error).split())[:300]}: check that it exists and that AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, ~/.aws or this machine's role may read there"
    )


def fetch_missing(remote: S3Storage, folder: Path, names: Sequence[str]) -> None:
    """Fetch the files that a folder lacks, each complete or not at all.

    Raises:
        DataError: The bucket does not hold one of them.
        UsageError: The bucket can't be read.
    """
    for name in names:
        if (folder / name).is_file():
            continue
        try:
            with remote.open(name) as source:
                LocalStorage(folder).write(name, partial(_copy, source))
        except FileNotFoundError as error:
            raise DataError(f"{remote} holds no {name}: {UPLOAD_REMEDY}") from error
        except OSError as error:
            raise unreadable_error(remote, error) from error


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    shutil.copyfileobj(source, target)
