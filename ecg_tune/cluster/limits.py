"""What this process may use of its machine: an affinity mask and cgroups may grant less than there is."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc/self")


def usable_cpus(proc: Path = PROC) -> int:
    """Count the cores that this process may use, one at least: its affinity mask, and the time that its cgroups grant.

    Args:
        proc: Folder of the process in /proc; its `cgroup` and `mounts` say where its limits stand.
    """
    cores = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(os.cpu_count() or 1)
    return max(1, int(min([cores, *map(_quota, _cgroups("cpu", proc))])))


def _quota(group: Path) -> float:
    """Read how many cores' time a cgroup grants; infinite where it sets no limit."""
    # version 2: "QUOTA PERIOD", or "max PERIOD"; version 1: a quota of -1 for none
    words = _words(group / "cpu.max") or [*_words(group / "cpu.cfs_quota_us"), *_words(group / "cpu.cfs_period_us")]
    match words:
        case [quota, period] if quota.isdigit() and period.isdigit() and int(period):
            return int(quota) / int(period)
    return math.inf


def memory_limit(proc: Path = PROC) -> int | None:
    """Find the bytes of memory that this process's cgroups grant; None where they grant all that there is.

    Args:
        proc: As of `usable_cpus`.
    """
    files = [folder / name for folder in _cgroups("memory", proc) for name in ("memory.max", "memory.limit_in_bytes")]
    limits = [int(word) for file in files for word in _words(file) if word.isdigit()]
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min((limit for limit in limits if limit < there), default=None)


def _cgroups(controller: str, proc: Path) -> Iterator[Path]:
    """List the folders that hold a controller's limits on this process: of its own group, then of each group around it."""
    paths = {}
    for line in _lines(proc / "cgroup"):  # "0::/path" of version 2, "4:cpu,cpuacct:/path" of version 1
        _, names, path = line.split(":", 2)
        paths.update(dict.fromkeys(names.split(","), path))
    for line in _lines(proc / "mounts"):
        _, mount, kind, options = line.split(" ")[:4]
        name = "" if kind == "cgroup2" else controller if kind == "cgroup" and controller in options.split(",") else None
        if name in paths:
            group = Path(paths[name].lstrip("/"))
            yield from (Path(mount) / folder for folder in (group, *group.parents))


def _lines(file: Path) -> list[str]:
    with suppress(OSError):  # no Linux, or a group that this container can't see
        return file.read_text().splitlines()
    return []


def _words(file: Path) -> list[str]:
    return [word for line in _lines(file) for word in line.split()]
