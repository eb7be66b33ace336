"""Work that a command does piece by piece, done at once on all machines of a cluster, or all cores of this one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import NodeDiedError, OutOfMemoryError, WorkerCrashedError

from ecg_tune.cluster.session import ray_session
from ecg_tune.errors import WorkFailedError

Spread = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[tuple[Any, Any]]]
"""Gives every item with what the function made of it, in the order in which they end; a `WorkFailedError` where it was lost."""
TRIES = 3
"""How often a piece is begun again whose machine or process was lost."""
MEMORY = 3 * 1024**3 // 2
"""Bytes that a piece is given at least, so that a machine with many cores and little memory runs fewer at once."""


@contextmanager
def trainers(address: str | None, *, insecure: bool, device: str) -> Iterator[tuple[Spread, str]]:
    """Join a cluster, or start a Ray on this machine, and give a `Spread` for trainings and the device on which they run.

    Args:
        address: None starts one here.
        device: "auto" (GPUs where there are any), "cpu" or "cuda".
    """
    with ray_session(address, insecure=insecure):
        on_gpu = device.startswith("cuda") or (device == "auto" and ray.cluster_resources().get("GPU", 0) > 0)

        def spread(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
            pieces = list(items)
            shared = ray.put(function)  # with the data set in it: travels once a node
            machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            remote = ray.remote(max_retries=TRIES, num_gpus=float(on_gpu), **share(machines, len(pieces)))(_apply)
            waiting = {remote.remote(shared, piece): piece for piece in pieces}
            while waiting:
                (done,), _ = ray.wait(list(waiting))
                yield waiting.pop(done), _answer(done)

        yield spread, "cuda" if on_gpu else "cpu"


def share(machines: Sequence[dict[str, float]], n_pieces: int) -> dict[str, Any]:
    """Return the cores and memory that a piece asks for: as many cores as keep all pieces running at once, one at least.

    Args:
        machines: Ray's resources of each; those without a core are left out.
    """
    able = [machine for machine in machines if machine.get("CPU", 0) >= 1]
    cores = [int(machine["CPU"]) for machine in able]
    each = next((k for k in range(max(cores, default=1), 1, -1) if sum(n // k for n in cores) >= n_pieces), 1)
    memory = min([MEMORY, *(int(machine["memory"]) for machine in able if machine.get("memory"))])
    return {"num_cpus": each, "memory": memory}


def _answer(done: Any) -> Any:
    try:
        return ray.get(done)
    except (WorkerCrashedError, OutOfMemoryError, NodeDiedError) as error:
        reason = str(error).strip().splitlines()[0]
        return WorkFailedError(f"its process or machine was lost {TRIES + 1} times: {reason}")


def _apply(function: Callable[[Any], Any], item: Any) -> Any:
    return function(item)
