"""Write and read checkpoints: the state of a training after each of its last two epochs.

A file's name holds the epoch and the digest of its content. So a cut or changed file is recognised without trusting it, and
the checkpoint of the epoch before is used instead. Not the model files of `ecg_tune.training.model_file`.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from contextlib import suppress
from fnmatch import fnmatch
from functools import partial
from pathlib import PurePosixPath
from typing import Any, TypeVar

import torch

from ecg_tune.errors import UsageError, WorkFailedError
from ecg_tune.storage import DIGEST, Storage, digest
from ecg_tune.training.model_file import read_weights

PATTERN = "epoch_*.pt"
PAUSES_S = (1.0, 5.0, 25.0)
"""Pauses before each new try when the storage does not answer. After the last one the trial fails: it must have checkpoints."""

T = TypeVar("T")


def write_checkpoint(storage: Storage, folder: str, epoch: int, state: dict[str, Any]) -> str:
    """Save a training's state after an epoch, then delete older checkpoints except that of the epoch before.

    Checkpoints of later epochs stay: when this worker was cut off, another one may have taken over the trial and be ahead.

    Args:
        folder: The trial's folder in the storage.
        epoch: From 1.
        state: `Learner.state_dict` or the like; must load with `weights_only=True`.

    Returns:
        The file's name in the storage: `folder/epoch_00003-<first 16 hex digits of its SHA-256>.pt`.

    Raises:
        WorkFailedError: The storage refused it in every try.
    """
    template = f"{folder}/epoch_{epoch:05d}-{DIGEST}.pt"
    failure = f"checkpoint {folder}/epoch_{epoch:05d} can't be written to {storage}"
    name = _retry(failure, lambda: storage.write(template, partial(torch.save, state)))
    with suppress(OSError):  # the new checkpoint is safe; old files that stay are deleted after the next epoch
        for other in _checkpoint_names(storage, folder):
            if other != PurePosixPath(name).name and (other < f"epoch_{epoch - 1:05d}" or other.startswith(f"epoch_{epoch:05d}-")):
                storage.remove(f"{folder}/{other}")
    return name


def newest_checkpoint(storage: Storage, folder: str, *, device: str = "cpu") -> tuple[str, dict[str, Any]] | None:
    """Load the newest checkpoint that is complete; one whose digest is wrong or that torch can't read is skipped.

    Args:
        folder: The trial's folder in the storage.
        device: Where the tensors go.

    Returns:
        The file's name in the storage and the state; None when there is no complete checkpoint.

    Raises:
        WorkFailedError: The storage did not answer in any try, so that it is not known whether there is a checkpoint.
    """
    failure = f"checkpoints {folder} can't be read from {storage}"
    for file in reversed(_retry(failure, lambda: _checkpoint_names(storage, folder))):
        state = _retry(failure, partial(_read_if_complete, storage, f"{folder}/{file}", device))
        if state is not None:
            return f"{folder}/{file}", state
    return None


def _checkpoint_names(storage: Storage, folder: str) -> list[str]:
    """List the checkpoint files of a folder, oldest epoch first."""
    return [name for name in storage.names(folder) if fnmatch(name, PATTERN)]


def _read_if_complete(storage: Storage, name: str, device: str) -> dict[str, Any] | None:
    """Load a checkpoint; None when it is incomplete, or another process has deleted it meanwhile."""
    try:
        with storage.open(name) as file:
            return read_weights(file, name, device=device) if PurePosixPath(name).stem.rpartition("-")[2] == digest(file) else None
    except (UsageError, FileNotFoundError, IsADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.EINVAL:  # a pipe or a device in its place
            return None
        raise


def _retry(failure: str, action: Callable[[], T]) -> T:
    """Run an action on the storage, and again after each pause while it raises `OSError`.

    Args:
        failure: What the `WorkFailedError` says when the last try fails too.
    """
    for pause_s in PAUSES_S:
        try:
            return action()
        except OSError:
            time.sleep(pause_s)
    try:
        return action()
    except OSError as error:
        raise WorkFailedError(f"{failure}: {error.strerror or ' '.join(str(error).split())}") from error
