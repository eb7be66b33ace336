"""Searches of other libraries are driven as ours are: the same banks and clock, and a promoted trial costs only the epochs it lacks."""

from __future__ import annotations

import importlib
import json
import sys
from collections import defaultdict
from itertools import islice
from typing import Any

import pytest

from ecg_tune.search.preview.virtual_time import steps


@pytest.fixture
def course(monkeypatch):
    """Return a function that runs the first epochs of a search on a made-up bank, and returns its trials' epochs and parameters."""
    bank, methods = importlib.import_module("curve_bank"), importlib.import_module("search_methods")
    curves = bank.read_bank("slow_wins")

    def course(python: str, searcher: str, epochs: int) -> tuple[dict[int, list[int]], list[Any]]:
        monkeypatch.setattr(methods.PeerEngine, "python", python)
        engine = methods.PeerEngine(curves.space, families=curves.names, epochs=curves.epochs, seed=0, searcher=searcher)
        search, reached = bank.BankSearch(curves), defaultdict(list)
        for step in islice(steps(engine, lambda task: search.curve(task.family, engine.params(task.number)), slots=4), epochs):
            reached[step.assignment.number].append(step.epoch)
        methods.peers_process(python).communicate()  # it ends where the questions do
        methods.peers_process.cache_clear()
        return dict(reached), [(engine.ranges, engine.suggested[number]) for number in reached]

    return course


@pytest.mark.slow
def test_a_config_that_is_asked_for_again_goes_on_from_its_last_epoch(course, stand_ins):
    reached, _ = course(stand_ins, "dehb", 200)
    assert all(epochs == list(range(1, len(epochs) + 1)) for epochs in reached.values())
    lengths = {len(epochs) for epochs in reached.values()}
    assert {1, 2, 27} <= lengths


@pytest.mark.combinations
def test_a_search_of_another_library_is_compared_with_ours(run, stand_ins):
    arguments = ("--bank", "slow_wins", "--seeds", "1", "--only", "ours,dehb", "--processes", "1", "--json")
    found = json.loads(run("efficiency", *arguments, "--peers", stand_ins))
    assert found["ratio_to_dehb"] == found["epochs_to_target"]["ours"] / found["epochs_to_target"]["dehb"]


@pytest.mark.slow
def test_an_environment_without_the_libraries_is_refused(refused):
    assert "has no dehb, smac, syne_tune" in refused("efficiency", "--bank", "slow_wins", "--only", "dehb", "--peers", sys.executable)


@pytest.mark.combinations
@pytest.mark.parametrize("searcher", ["bohb", "mobster", "dyhpo", "smac", "dehb"])
def test_a_library_searches_the_whole_space_and_trains_no_epoch_twice(searcher, course, libraries):
    reached, suggested = course(libraries, searcher, 80)
    assert all(epochs == list(range(1, len(epochs) + 1)) for epochs in reached.values())
    assert max(map(len, reached.values())) > 1
    for ranges, params in suggested:
        family = next(iter(params)).partition(".")[0]
        assert params.keys() == ranges[family].keys()
        assert all(ranges[family][name]._contains(ranges[family][name].to_internal_repr(value)) for name, value in params.items())
    assert len({next(iter(params)).partition(".")[0] for _, params in suggested}) == 3
