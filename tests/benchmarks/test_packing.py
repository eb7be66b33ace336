"""The benchmark of trials that share a core chooses the fewest that are enough, and says which failed."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest


@pytest.fixture
def packing() -> ModuleType:
    return importlib.import_module("packing")


@pytest.mark.parametrize(
    ("rates", "chosen"),
    [({1: 100.0, 2: 105.0, 4: 109.0}, 1), ({1: 100.0, 2: 150.0, 4: 160.0}, 2), ({1: 100.0, 2: 80.0, 4: 60.0}, 1), ({2: 9.0}, 2)],
)
def test_the_fewest_trials_within_a_tenth_of_the_best_rate_are_enough(packing, rates, chosen):
    assert packing.best_pack(rates) == chosen


@pytest.mark.slow
def test_a_process_that_fails_is_said_and_nobody_waits_for_it(packing, few_data):
    with pytest.raises(RuntimeError, match="unknown: 1 of 1 processes failed"):
        packing.epochs_an_hour(few_data.folder, "unknown", "small", n_trials=1, device="cpu", seconds=0.1)
