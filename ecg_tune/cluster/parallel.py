"""Run a function on many items in parallel: on all machines of a cluster, or on all cores of this one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import NodeDiedError, OutOfMemoryError, WorkerCrashedError

from ecg_tune.cluster.session import ray_session
from ecg_tune.errors import WorkFailedError

ParallelMap = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[tuple[Any, Any]]]
"""Calls a function on every item and yields (item, result) as calls end; the result of a lost call is a `WorkFailedError`."""
MAX_RETRIES = 3
"""How often a call is started again after its machine or process was lost."""
MEMORY_BYTES = 3 * 1024**3 // 2
"""Memory reserved for a call, so that a machine with many cores and little memory runs fewer calls at once."""


@contextmanager
def training_pool(address: str | None, *, insecure: bool, device: str) -> Iterator[tuple[ParallelMap, str]]:
    """Join a cluster, or start a local Ray, for trainings that run in parallel.

    Args:
        address: "auto" or HOST:PORT of a cluster; None starts a local Ray.
        insecure: Accept a Ray without a token, see `ray_session`.
        device: "auto" (GPUs where there are any), "cpu" or "cuda".

    Yields:
        A `ParallelMap`, and the device on which its calls run: "cpu" or "cuda".
    """
    with ray_session(address, insecure=insecure):
        on_gpu = device.startswith("cuda") or (device == "auto" and ray.cluster_resources().get("GPU", 0) > 0)

        def parallel_map(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
            inputs = list(items)
            shared = ray.put(function)  # with the data set in it: travels once a node
            machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            call = ray.remote(max_retries=MAX_RETRIES, num_gpus=float(on_gpu), **resources_per_call(machines, len(inputs)))(_apply)
            running = {call.remote(shared, item): item for item in inputs}
            while running:
                (finished,), _ = ray.wait(list(running))
                yield running.pop(finished), _result_or_error(finished)

        yield parallel_map, "cuda" if on_gpu else "cpu"


def resources_per_call(machines: Sequence[dict[str, float]], n_calls: int) -> dict[str, Any]:
    """Divide the machines among the calls: as many cores each as still let all calls run at once, and at least one.

    Args:
        machines: Ray's resources of each machine; machines without a core are left out.

    Returns:
        Options of `ray.remote`: {"num_cpus": cores, "memory": bytes}.
    """
    usable = [machine for machine in machines if machine.get("CPU", 0) >= 1]
    cores = [int(machine["CPU"]) for machine in usable]
    cores_per_call = next((k for k in range(max(cores, default=1), 1, -1) if sum(n // k for n in cores) >= n_calls), 1)
    memory = min([MEMORY_BYTES, *(int(machine["memory"]) for machine in usable if machine.get("memory"))])
    return {"num_cpus": cores_per_call, "memory": memory}


def _result_or_error(finished: Any) -> Any:
    """Fetch a call's result; return a `WorkFailedError` when its process or machine was lost too often."""
    try:
        return ray.get(finished)
    except (WorkerCrashedError, OutOfMemoryError, NodeDiedError) as error:
        reason = str(error).strip().splitlines()[0]
        return WorkFailedError(f"its process or machine was lost {MAX_RETRIES + 1} times: {reason}")


def _apply(function: Callable[[Any], Any], item: Any) -> Any:
    return function(item)
