"""Start a Ray of this process's own: on loopback, and within what the process may use of its machine."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants

from ecg_tune.cluster.limits import memory_limit, usable_cpus
from ecg_tune.errors import UsageError

LONGEST_SOCKET = 107
"""Bytes of a socket's path that Linux takes."""
SOCKET = "/ray/session_2026-01-31_12-00-00_000000_4194304/sockets/plasma_store.1"
"""The longest path that Ray adds to its folder."""
DESCRIPTORS, DESCRIPTORS_PER_CPU = 48, 8
"""Files that the hungriest of Ray's processes opens: by itself, and for the workers of a core. Found by trying: with fewer it hangs."""
STORE_SHARE = 0.3
"""Of the memory, what Ray's object store takes; trials have the rest. It is Ray's own share."""


def start_local_ray() -> None:
    """Start a Ray that ends with this process, and connect to it.

    Raises:
        UsageError: Ray can't run with this process's limits or folder; the message says what to change.
    """
    _check_descriptors()
    with _on_loopback():  # "local": else Ray would take up one that happens to run here
        ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **_options())


def stop_ray(*, own: bool) -> None:
    """Disconnect from Ray; one of this process's own ends, and its files go, which would stay in the folder for temporary files."""
    node: Any = ray._private.worker._global_node
    folder = node.get_session_dir_path() if own and node else None
    ray.shutdown()
    if folder:
        shutil.rmtree(folder, ignore_errors=True)  # one of its processes may just be ending


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Let Ray's processes listen on 127.0.0.1 only, as it does where it starts no clusters: /metrics and agents ask for no token."""
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _options() -> dict[str, Any]:
    options: dict[str, Any] = {"num_cpus": usable_cpus(), "_temp_dir": str(ray_folder())}
    if limit := memory_limit():
        options |= {"object_store_memory": int(STORE_SHARE * limit), "_memory": int((1 - STORE_SHARE) * limit)}
    return options


def ray_folder() -> Path:
    """Choose where Ray keeps its files: RAY_TMPDIR, else below the folder for temporary files, or below /tmp where its path is too long.

    Raises:
        UsageError: RAY_TMPDIR is too long for sockets, or no folder can be written.
    """
    if chosen := os.environ.get("RAY_TMPDIR"):
        if _too_long(chosen):
            raise UsageError(f"RAY_TMPDIR={chosen} is too long for the paths of Ray's sockets: unset it, or say RAY_TMPDIR=/tmp")
        return Path(chosen) / "ray"
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError as error:
        raise UsageError(f"no folder for temporary files can be written ({error}): make one, and name it by TMPDIR") from error
    if not _too_long(folder):
        return Path(folder) / "ray"
    if os.access("/tmp", os.W_OK | os.X_OK):
        return Path("/tmp/ray")
    raise UsageError(f"TMPDIR={folder} is too long for the paths of Ray's sockets, and /tmp can't be written: give a shorter TMPDIR")


def _too_long(folder: str) -> bool:
    return len(os.fsencode(folder + SOCKET)) > LONGEST_SOCKET


def _check_descriptors() -> None:
    """Refuse a limit under which Ray's processes would die one after the other; Ray raises the soft limit to the hard one itself."""
    (_, hard), needed = resource.getrlimit(resource.RLIMIT_NOFILE), DESCRIPTORS + DESCRIPTORS_PER_CPU * usable_cpus()
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise UsageError(f"a process may open {hard} files here, Ray needs {needed}: let root raise it (ulimit -Hn)")
