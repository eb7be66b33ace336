"""What the doctor makes of answers that differ; real machines answer in `test_jobs.py` and `test_search_on_hosts.py`.

Only here: a clock that is wrong (hosts share this machine's), other versions, drivers that differ between machines with GPUs.
"""

from __future__ import annotations

from dataclasses import replace

from ecg_tune.cluster import doctor
from ecg_tune.cluster.probe import Machine

ONE = Machine("a", "one", "10.0.0.1", {"python": "3.11.7", "torch": "2.13.0"}, ["H200, 570.1, 141 GB"], 8.0, 1000.0, "f" * 64, {"/s": ""})
TWO = replace(ONE, node="b", host="two", address="10.0.0.2")
NODES = [{"NodeID": node, "Resources": {"GPU": 1.0, "object_store_memory": 8e9}} for node in ("a", "b")]


def test_equal_machines_give_no_complaint() -> None:
    both, sightings = [ONE, TWO], [{"/s": ["a", "b"]}] * 2
    found = [*doctor._versions(both), *doctor._shared(both, sightings), *doctor._memory(both, NODES), *doctor._gpus(both, NODES)]
    assert [*found, *doctor._clocks(both, 1.0), *doctor._data(both, "f" * 64)] == []


def test_versions_that_differ_or_are_missing_are_named_with_where() -> None:
    found = doctor._versions([ONE, replace(TWO, versions={"python": "3.11.9", "torch": "missing"})])
    assert [str(complaint).split(": ")[0] for complaint in found] == ["python differs", "torch differs"]
    assert "3.11.7 on 10.0.0.1; 3.11.9 on 10.0.0.2" in found[0].what
    assert all(complaint.grave for complaint in found)


def test_a_folder_must_be_written_and_be_the_same_everywhere() -> None:
    (found,) = doctor._shared([ONE, replace(TWO, wrote={"/s": "Permission denied"})], [{"/s": ["a"]}] * 2)
    assert found.what == "10.0.0.2 can't write /s (Permission denied)"
    (found,) = doctor._shared([ONE, TWO], [{"/s": ["a"]}, {"/s": ["b"]}])
    assert found.what == "/s is not the same folder on all machines"


def test_small_memory_other_gpus_clocks_and_data_are_named_and_not_grave() -> None:
    odd = replace(TWO, shm_gb=0.06, gpus=[], clock_s=940.0, data="0" * 64)
    three = [ONE, replace(ONE, node="c", address="10.0.0.3"), odd]
    nodes = [*NODES, {"NodeID": "c", "Resources": {"GPU": 1.0, "object_store_memory": 8e9}}]
    found = [
        *doctor._memory(three, nodes),
        *doctor._gpus(three, nodes),
        *doctor._clocks(three, 1.0),
        *doctor._data(three, "f" * 64),
    ]
    assert [complaint.what.split(" ")[0] for complaint in found] == ["/dev/shm", "10.0.0.2", "the", "the"]
    assert "0.1 GB for an object store of 8.0 GB" in found[0].what
    assert "has 0 GPUs by nvidia-smi, Ray counts 1" in found[1].what
    assert "-60 s off the others" in found[2].what
    assert not any(complaint.grave for complaint in found)
    (drivers,) = doctor._gpus([ONE, replace(TWO, gpus=["H200, 550.0, 141 GB"])], NODES)
    assert "GPU drivers differ" in drivers.what
