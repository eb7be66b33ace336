"""The processes of one case, told from all others by a mark in their environment, and how to kill them."""

from __future__ import annotations

import os
import re
import secrets
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

MARK = "ECG_TUNE_FAULTS"
TOKEN = secrets.token_hex(32)


def marked(environment: dict[str, str], folder: Path) -> dict[str, str]:
    """Return an environment that all processes of a case share; Ray keeps its files below `folder`, whose path must be short."""
    own = {MARK: str(folder), "RAY_TMPDIR": str(folder), "OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    own |= {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "0"}  # Tune's logs tell what was trained how often
    return {**environment, **own, "SPT_NOENV": "1"}  # else a worker's title overwrites the mark


def processes_of(folder: Path) -> dict[int, str]:
    """Return the live processes with the mark: id → command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError):  # it ended meanwhile, or is another user's
            if entry.name.isdigit() and f"{MARK}={folder}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def workers_of(folder: Path) -> set[int]:
    """Return the processes that hold a trainable."""
    return {pid for pid, command in processes_of(folder).items() if re.match(r"ray::\w*Trainable", command)}


def idle(workers: set[int]) -> set[int]:
    """Return those of the workers that train no epoch right now."""
    return {pid for pid in workers if b".train" not in Path(f"/proc/{pid}/cmdline").read_bytes()}


def parent_of(pid: int) -> int:
    """Return a process's parent: of a worker, the raylet of its node."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def wait_for(condition: Callable[[], object], *, at_most_s: float) -> bool:
    """Return whether the condition came true in time."""
    end = time.monotonic() + at_most_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def end_all(folder: Path) -> None:
    """Kill what is left of a case."""
    for pid in processes_of(folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
