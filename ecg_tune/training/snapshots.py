"""The state of a training after each of its last two epochs, in files named by epoch and digest of the content.

A file is renamed into place when it is whole, and its name says what it must hold: a cut or changed one is told from a whole
one without trusting it, and the epoch before takes its place.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ecg_tune.errors import DataError
from ecg_tune.training.checkpoint import load_weights, write_scratch

PATTERN = "epoch_*.pt"


def save_snapshot(folder: Path, epoch: int, state: dict[str, Any]) -> Path:
    """Write the state after `epoch`, then remove all others but that of the epoch before.

    Returns:
        The file: `epoch_00003-<first 16 hex digits of its SHA-256>.pt`.
    """
    scratch = write_scratch(folder / f"epoch_{epoch:05d}", state)
    target = folder / f"epoch_{epoch:05d}-{_digest(scratch)}.pt"
    scratch.replace(target)
    for other in folder.glob(PATTERN):
        if other != target and not other.name.startswith(f"epoch_{epoch - 1:05d}-"):
            other.unlink(missing_ok=True)
    return target


def newest_snapshot(folder: Path, *, device: str = "cpu") -> tuple[Path, dict[str, Any]] | None:
    """Return the newest whole file and its state; None when there is none.

    Not whole are files whose content is not what their name says, and those that torch can't read.
    """
    for path in sorted(folder.glob(PATTERN), reverse=True):
        try:
            if path.stem.rpartition("-")[2] == _digest(path):
                return path, load_weights(path, device=device)
        except (DataError, FileNotFoundError):  # another process may have removed it
            continue
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
