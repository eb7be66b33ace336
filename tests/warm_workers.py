"""Start Ray's workers from a process that has imported their libraries: that takes four seconds of a core, and a search starts several.

A worker is what it always is: Ray's own program in a process of its own, with its variables, folder, streams and death. Only the imports
of libraries are done. Ray itself is not among them: it reads its settings from the environment once a process.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PRELOADED = ("pandas", "pyarrow.fs", "fsspec", "pydantic", "requests", "torch", "torch._dynamo", "scipy.stats", "sklearn.metrics")
CONTEXT = "--serialized-runtime-env-context="
"""Ray's option with a worker's own variables, of the program that sets them."""
LAUNCHER = """#!/bin/sh
exec {python} -S -E {here} {address} "$@"
"""


@contextmanager
def warm_workers(folder: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """Hold the process with the libraries, and return the program that a Ray is to take for Python.

    Args:
        folder: Where the program is written; its path must be short, for a socket lies in it.
        environment: Of the process, that of the Ray.
    """
    launcher, address = folder / "python", folder / "warm"
    launcher.write_text(LAUNCHER.format(python=sys.executable, here=__file__, address=address), encoding="utf-8")
    launcher.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(address))
        listening.listen()
        server = subprocess.Popen([sys.executable, "-P", __file__], stdin=listening, env=environment)
    try:
        yield launcher
    finally:
        server.terminate()
        server.wait(60)


def launch(address: str, words: list[str]) -> None:
    """Have the server start a worker in the place of this process; become Python for all that is no worker, or one with a set-up."""
    environment, program = dict(os.environ), [Path(word).name for word in words[:2]]
    if program == ["setup_worker.py", "default_worker.py"]:
        (context,) = (json.loads(word.removeprefix(CONTEXT)) for word in words if word.startswith(CONTEXT))
        if not context["command_prefix"] and os.path.samefile(context["py_executable"], sys.executable):
            environment |= context["env_vars"]
            words = [word for word in words[1:] if not word.startswith((CONTEXT, "--language="))]
    if Path(words[0]).name != "default_worker.py":
        os.execv(sys.executable, [sys.executable, *words])
    request = json.dumps({"words": words, "environment": environment, "folder": os.getcwd()}).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [len(request).to_bytes(4, "big")], [0, 1, 2])
        connection.sendall(request)
        connection.recv(1)  # the end, once the worker has its streams


def serve(listening: socket.socket) -> None:
    """Import the libraries, then start a worker for each request."""
    for name in PRELOADED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a worker
    while True:
        connection, _ = listening.accept()
        with connection:
            length, streams, _, _ = socket.recv_fds(connection, 4, 3)
            with connection.makefile("rb") as rest:
                request = json.loads(rest.read(int.from_bytes(length, "big")))
            worker = os.fork() == 0
            if worker:
                for number, stream in enumerate(streams):
                    os.dup2(stream, number)
            for stream in streams:
                os.close(stream)
        if worker:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            become(**request)
            return


def become(words: list[str], environment: dict[str, str], folder: str) -> None:
    """Run Ray's program of a worker."""
    import numpy
    import torch

    numpy.random.seed()  # else that of all workers
    torch.seed()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = words
    runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    if sys.argv[1:]:
        launch(sys.argv[1], sys.argv[2:])
    else:
        serve(socket.socket(fileno=os.dup(0)))
