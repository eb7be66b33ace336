"""Work spread over machines: how many pieces run at once, and what becomes of one whose process dies."""

from __future__ import annotations

import os
import time

import pytest

from ecg_tune.cluster.parallel import MEMORY, share, trainers
from ecg_tune.errors import WorkFailedError

GIB = 1024**3


@pytest.mark.parametrize(
    ("machines", "n_pieces", "cores"),
    [
        ([{"CPU": 2.0}], 12, 1),
        ([{"CPU": 8.0}], 3, 2),
        ([{"CPU": 8.0}], 1, 8),
        ([{"CPU": 0.0}, {"CPU": 16.0}, {"CPU": 4.0}], 5, 4),
    ],
)
def test_cores_are_shared_so_that_all_pieces_run_at_once(machines: list[dict[str, float]], n_pieces: int, cores: int) -> None:
    assert share(machines, n_pieces)["num_cpus"] == cores


def test_a_piece_never_asks_for_more_memory_than_a_machine_has() -> None:
    assert share([{"CPU": 64.0, "memory": 8.0 * GIB}], 100)["memory"] == MEMORY
    assert share([{"CPU": 2.0, "memory": 1.0 * GIB}], 4)["memory"] == GIB


def test_pieces_come_as_they_end_and_a_lost_one_is_an_answer() -> None:
    def work(piece: str) -> str:
        if piece == "dies":
            os._exit(1)
        time.sleep(1.5 if piece == "slow" else 0)
        return piece.upper()

    with trainers(None, insecure=False, device="cpu") as (spread, device):
        found = dict(spread(work, ["slow", "quick", "dies"]))
    assert device == "cpu"
    assert (found["slow"], found["quick"]) == ("SLOW", "QUICK")
    assert isinstance(found["dies"], WorkFailedError)
    assert "its process or machine was lost 4 times" in str(found["dies"])
