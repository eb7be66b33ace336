"""One Ray for many tests: its start costs more than the toy searches that run on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import KEYS, free_port, wait_until
from tests.warm_workers import warm_workers

N_CPUS = 2
START_S = 120.0
RAY = "import sys; sys.executable = {python!r}; from ray.scripts.scripts import main; main()"
"""The command `ray`, told which Python its processes run."""
TOKEN_FILE = Path.home() / ".ray" / "auth_token"
"""Where each local Ray of this user looks for its token, and puts one when there is none."""


@dataclass(frozen=True)
class SharedRay:
    """A cluster of one node with two CPUs, warm workers and no dashboard, which asks for the user's token.

    Attributes:
        address: HOST:PORT to join.
        environment: Variables with which a command joins it instead of starting a Ray of its own.
    """

    address: str
    environment: dict[str, str]


def make_token() -> None:
    """Put a token where this user has none: a Ray of several commands needs one that they all know."""
    if not TOKEN_FILE.exists():
        generate = [Path(sys.executable).with_name("ray"), "get-auth-token", "--generate"]
        subprocess.run(generate, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "RAY_AUTH_MODE": "token"}, umask=0o077)


@contextmanager
def ray_running(**variables: str) -> Iterator[SharedRay]:
    """Hold a Ray whose files lie in a folder of their own.

    Args:
        variables: Of the environment of its processes.
    """
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))  # sockets lie in it, and their paths must be short
    port, log = free_port(), folder / "started"
    own = {"RAY_AUTH_MODE": "token", "RAY_TMPDIR": str(folder), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    environment = {**os.environ, **KEYS, **own, **variables}  # workers inherit it: keys of a bucket, too
    make_token()
    options = [f"--port={port}", f"--num-cpus={N_CPUS}", "--object-store-memory=200000000", "--include-dashboard=false"]
    options += ["--no-monitor", "--include-log-monitor=false"]  # an autoscaler, copies of the workers' output: nobody asks for them
    with warm_workers(folder, environment) as python, log.open("wb") as out:
        start = [sys.executable, "-c", RAY.format(python=str(python)), "start", "--head", "--block", *options]
        process = subprocess.Popen(start, stdout=out, stderr=out, env=environment)
        try:
            wait_until(lambda: "Ray runtime started" in log.read_text(), process, at_most_s=START_S)
            address = f"127.0.0.1:{port}"
            yield SharedRay(address, {"RAY_ADDRESS": address, "RAY_AUTH_MODE": "token", "RAY_AIR_NEW_OUTPUT": "0"})
        finally:
            process.terminate()
            process.wait(60)
    shutil.rmtree(folder, ignore_errors=True)
