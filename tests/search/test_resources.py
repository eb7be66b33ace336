"""How trials share a cluster, and what is refused before the start."""

from __future__ import annotations

import pytest

from ecg_tune.config import SearchSettings, stored_settings
from ecg_tune.errors import ConfigError, UsageError
from ecg_tune.search.resources import Slots, gpu_shares, plan

BOX = {"CPU": 8.0, "GPU": 2.0}


@pytest.mark.parametrize(
    ("settings", "nodes", "slots"),
    [
        ({}, [{"CPU": 2.0}], 2),
        ({"cpus_per_trial": 2}, [{"CPU": 3.0}, {"CPU": 3.0}], 2),  # not three: a trial lies on one machine
        ({}, [BOX], 2),
        ({"gpus_per_trial": 0.25}, [BOX], 8),
        ({"gpus_per_trial": 0.6}, [BOX], 2),  # 0.6 and 0.6 don't fit into one GPU
        ({"gpus_per_trial": 2}, [BOX, BOX], 2),
        ({"gpus_per_trial": 0}, [BOX], 8),
        ({"slots": 3}, [BOX, BOX], 3),
        ({}, [{"CPU": 0.0}, {"CPU": 4.0}], 4),  # a head without work
    ],
)
def test_slots_are_counted_machine_by_machine(settings, nodes, slots):
    chosen = SearchSettings(**settings)
    found = Slots(plan(chosen, nodes), chosen.slots, may_grow=False, nodes=lambda: nodes, changed=lambda n: None)
    assert found() == slots


def test_slots_follow_machines_that_come_and_go():
    now, nodes, announced = 0.0, [BOX], list[int]()
    found = Slots(plan(SearchSettings(), nodes), None, may_grow=False, nodes=lambda: nodes, changed=announced.append, clock=lambda: now)
    assert found() == 2
    nodes = [BOX, BOX]
    assert found() == 2  # it looks every two seconds
    now = 2.0
    assert found() == 4
    nodes, now = [], 4.0
    assert found() == 1  # what is out waits for a machine
    assert announced == [4, 1]


def test_where_machines_may_join_as_many_trials_are_out_as_asked_for():
    for may_grow, expected in ((True, 9), (False, 2)):
        fits = plan(SearchSettings(slots=9), [BOX])
        assert Slots(fits, 9, may_grow=may_grow, nodes=lambda: [BOX], changed=lambda n: None)() == expected


@pytest.mark.parametrize(
    ("settings", "nodes", "message"),
    [
        ({"cpus_per_trial": 4}, [{"CPU": 3.0}, {"CPU": 3.0}], r"asks for 4 CPUs on one machine, the cluster has 3 CPUs and 0 GPUs, 3 CPUs"),
        ({"gpus_per_trial": 1}, [{"CPU": 4.0}], r"asks for 1 GPUs on one machine, .* lower --gpus-per-trial"),
        ({"gpus_per_trial": 1.5}, [BOX], r"asks for 1\.5 GPUs: more than one must be whole ones"),
        ({}, [], r"the cluster has no machine"),
    ],
)
def test_what_no_machine_has_is_refused_with_what_there_is(settings, nodes, message):
    with pytest.raises(UsageError, match=message):
        plan(SearchSettings(**settings), nodes)


@pytest.mark.parametrize(("option", "value"), [("gpus_per_trial", "auto"), ("gpu_hours", 2.0)])
def test_options_about_gpus_are_refused_where_there_is_none(option, value):
    nodes = [{"CPU": 4.0}]
    with pytest.raises(UsageError, match=f"--{option.replace('_', '-')} {value} is about GPUs, and the cluster has none: leave it out"):
        plan(SearchSettings(**{option: value}), nodes)
    assert plan(SearchSettings(**{option: value}), [*nodes, {"CPU": 4.0, "GPU": 1.0}]).gpus == 1


def test_measured_shares_are_requested_by_family():
    shares = gpu_shares({"rnn": 3_000_000_000, "fusion": 15_000_000_000, "tiny": 1_000_000}, 40_000_000_000)
    assert shares == {"rnn": 1 / 8, "fusion": 1 / 2, "tiny": 1 / 8}
    fits = plan(SearchSettings(), [{"CPU": 16.0, "GPU": 1.0}], shares=shares)
    assert fits.fits([{"CPU": 16.0, "GPU": 1.0}]) == 8
    assert fits.request("fusion") == {"CPU": 1, "GPU": 0.5}


def test_a_measured_and_a_given_share_exclude_each_other():
    with pytest.raises(ConfigError, match=r"gpu_share='auto' and gpus_per_trial=0\.5 are the same setting: give gpus_per_trial only"):
        stored_settings({"gpu_share": "auto", "gpus_per_trial": 0.5})
