"""Calls in parallel: how many run at once, and what the caller gets for one whose process dies."""

from __future__ import annotations

import os
import time

import pytest

from ecg_tune.cluster.parallel import MEMORY_BYTES, resources_per_call, training_pool
from ecg_tune.errors import WorkFailedError

GIB = 1024**3


@pytest.mark.parametrize(
    ("machines", "n_calls", "cores"),
    [
        ([{"CPU": 2.0}], 12, 1),
        ([{"CPU": 8.0}], 3, 2),
        ([{"CPU": 8.0}], 1, 8),
        ([{"CPU": 0.0}, {"CPU": 16.0}, {"CPU": 4.0}], 5, 4),
    ],
)
def test_cores_are_shared_so_that_all_calls_run_at_once(machines: list[dict[str, float]], n_calls: int, cores: int) -> None:
    assert resources_per_call(machines, n_calls)["num_cpus"] == cores


def test_a_call_never_asks_for_more_memory_than_a_machine_has() -> None:
    assert resources_per_call([{"CPU": 64.0, "memory": 8.0 * GIB}], 100)["memory"] == MEMORY_BYTES
    assert resources_per_call([{"CPU": 2.0, "memory": 1.0 * GIB}], 4)["memory"] == GIB


@pytest.mark.ray
@pytest.mark.usefixtures("joined_ray")
def test_results_come_as_calls_end_and_a_lost_call_gives_an_error() -> None:
    def work(item: str) -> str:
        if item == "dies":
            os._exit(1)
        time.sleep(1.5 if item == "slow" else 0)
        return item.upper()

    with training_pool(None, insecure=False, device="cpu") as (parallel_map, device):
        results = dict(parallel_map(work, ["slow", "quick", "dies"]))
    assert device == "cpu"
    assert (results["slow"], results["quick"]) == ("SLOW", "QUICK")
    assert isinstance(results["dies"], WorkFailedError)
    assert "its process or machine was lost 4 times" in str(results["dies"])
