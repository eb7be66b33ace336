"""The state of a training after each of its last two epochs, in files named by epoch and digest of the content.

A file appears when it is whole, and its name says what it must hold: a cut or changed one is told from a whole one without
trusting it, and the epoch before takes its place.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from fnmatch import fnmatch
from functools import partial
from pathlib import PurePosixPath
from typing import Any, TypeVar

import torch

from ecg_tune.errors import DataError, WorkFailedError
from ecg_tune.storage import DIGEST, Storage, digest
from ecg_tune.training.model_file import read_weights

PATTERN = "epoch_*.pt"
PAUSES_S = (1.0, 5.0, 25.0)
"""Waited before a place that does not answer is asked again; then the trial fails rather than go on without checkpoints."""

T = TypeVar("T")


def write_checkpoint(place: Storage, folder: str, epoch: int, state: dict[str, Any]) -> str:
    """Write the state after `epoch`, then remove the older ones but that of the epoch before.

    Newer ones stay: another worker may have taken the trial over from this one, which was cut off and doesn't know.

    Returns:
        Its name in the place: `folder/epoch_00003-<first 16 hex digits of its SHA-256>.pt`.

    Raises:
        WorkFailedError: It could not be written, however often it was tried.
    """
    form = f"{folder}/epoch_{epoch:05d}-{DIGEST}.pt"
    unwritten = f"checkpoint {folder}/epoch_{epoch:05d} can't be written to {place}"
    name = _patiently(unwritten, lambda: place.write(form, partial(torch.save, state)))
    with suppress(OSError):  # the new one is there; what is left goes with the next epoch's
        for other in _files(place, folder):
            if other != PurePosixPath(name).name and (other < f"epoch_{epoch - 1:05d}" or other.startswith(f"epoch_{epoch:05d}-")):
                place.remove(f"{folder}/{other}")
    return name


def newest_checkpoint(place: Storage, folder: str, *, device: str = "cpu") -> tuple[str, dict[str, Any]] | None:
    """Return the name of the newest whole file and its state; None when there is none.

    Not whole are files whose content is not what their name says, and those that torch can't read.

    Raises:
        WorkFailedError: The place does not answer, however often it is asked: there may well be one.
    """
    unread = f"checkpoints {folder} can't be read from {place}"
    for file in reversed(_patiently(unread, lambda: _files(place, folder))):
        state = _patiently(unread, partial(_read, place, f"{folder}/{file}", device))
        if state is not None:
            return f"{folder}/{file}", state
    return None


def _files(place: Storage, folder: str) -> list[str]:
    return [name for name in place.names(folder) if fnmatch(name, PATTERN)]


def _read(place: Storage, name: str, device: str) -> dict[str, Any] | None:
    """Return a file's state; None when it is not whole, or another process has removed it."""
    try:
        with place.open(name) as file:
            return read_weights(file, name, device=device) if PurePosixPath(name).stem.rpartition("-")[2] == digest(file) else None
    except (DataError, FileNotFoundError):
        return None


def _patiently(failure: str, do: Callable[[], T]) -> T:
    """Return what `do` gives, which is tried again after each pause."""
    for pause_s in PAUSES_S:
        try:
            return do()
        except OSError:
            time.sleep(pause_s)
    try:
        return do()
    except OSError as error:
        raise WorkFailedError(f"{failure}: {' '.join(str(error).split())}") from error
