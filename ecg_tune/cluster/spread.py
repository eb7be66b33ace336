"""Work that a command does piece by piece, done on all machines of a cluster at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import ray

from ecg_tune.cluster.session import ray_session

Spread = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""Like the built-in `map`."""
TRIES = 3
"""How often a piece is begun again whose machine was lost."""


@contextmanager
def trainers(address: str, *, insecure: bool, device: str) -> Iterator[tuple[Spread, str]]:
    """Join a cluster and give a `map` for trainings, and the device on which they run: GPUs where the cluster has any.

    Args:
        device: "auto", "cpu" or "cuda".
    """
    with ray_session(address, insecure=insecure):
        on_gpu = device.startswith("cuda") or (device == "auto" and ray.cluster_resources().get("GPU", 0) > 0)

        def spread(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
            shared = ray.put(function)  # with the data set in it: travels once a node
            remote = ray.remote(num_cpus=1, num_gpus=float(on_gpu), max_retries=TRIES)(_apply)
            for answer in [remote.remote(shared, item) for item in items]:
                yield ray.get(answer)

        yield spread, "cuda" if on_gpu else "cpu"


def _apply(function: Callable[[Any], Any], item: Any) -> Any:
    return function(item)
