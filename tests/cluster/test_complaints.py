"""What the doctor makes of answers that differ; real machines answer in `test_jobs.py` and `test_search_on_hosts.py`.

Only here: a clock that is wrong (hosts share this machine's), other versions, drivers that differ between machines with GPUs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ecg_tune.cluster.complaints import check_clocks, check_data, check_folders, check_gpus, check_memory, check_plugins, check_versions
from ecg_tune.cluster.probe import Machine, Plugin, installed_plugins
from tests.plugins.package import write_package

ONE = Machine("a", "one", "10.0.0.1", {"python": "3.11.7", "torch": "2.13.0"}, ["H200, 570.1, 141 GB"], 8.0, 1000.0, "f" * 64, {"/s": ""})
TWO = replace(ONE, node="b", host="two", address="10.0.0.2")
NODES = [{"NodeID": node, "Resources": {"GPU": 1.0, "object_store_memory": 8e9}} for node in ("a", "b")]


def test_equal_machines_give_no_complaint() -> None:
    both, sightings = [ONE, TWO], [{"/s": ["a", "b"]}] * 2
    found = [*check_versions(both), *check_folders(both, sightings), *check_memory(both, NODES), *check_gpus(both, NODES)]
    assert [*found, *check_plugins(both, []), *check_clocks(both, 1.0), *check_data(both, "f" * 64)] == []


def test_versions_that_differ_or_are_missing_are_named_with_where() -> None:
    found = check_versions([ONE, replace(TWO, versions={"python": "3.11.9", "torch": "missing"})])
    assert [str(complaint).split(": ")[0] for complaint in found] == ["python differs", "torch differs"]
    assert "3.11.7 on 10.0.0.1; 3.11.9 on 10.0.0.2" in found[0].what
    assert all(complaint.grave for complaint in found)


def test_a_package_of_families_that_differs_or_is_missing_is_named_with_where_and_grave_when_it_is_searched() -> None:
    one, two = ({"a-package": Plugin(version, ["alpha", "beta"])} for version in ("1.2", "1.3"))
    assert check_plugins([replace(ONE, plugins=one), replace(TWO, plugins=one)], ["alpha"]) == []
    (found,) = check_plugins([replace(ONE, plugins=one), replace(TWO, plugins=two)], [])
    assert found.what == "a-package (brings alpha, beta) differs: 1.2 on 10.0.0.1; 1.3 on 10.0.0.2"
    assert "install the same on every machine" in found.remedy
    assert not found.grave
    (found,) = check_plugins([ONE, replace(TWO, plugins=two)], ["rnn", "beta"])
    assert found.what == "a-package (brings alpha, beta) differs: missing on 10.0.0.1; 1.3 on 10.0.0.2"
    assert "its trials fail as of an unknown family" in found.remedy
    assert found.grave


def test_a_machine_lists_its_packages_of_families_without_importing_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    families = {"beta": "broken:B", "alpha": "broken:A"}
    write_package(tmp_path, module="broken", families=families, code="raise RuntimeError", package="a-package")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert installed_plugins()["a-package"] == Plugin("1.2", ["alpha", "beta"])


def test_a_folder_must_be_written_and_be_the_same_everywhere() -> None:
    (found,) = check_folders([ONE, replace(TWO, wrote={"/s": "Permission denied"})], [{"/s": ["a"]}] * 2)
    assert found.what == "10.0.0.2 can't write /s (Permission denied)"
    (found,) = check_folders([ONE, TWO], [{"/s": ["a"]}, {"/s": ["b"]}])
    assert found.what == "/s is not the same folder on all machines"


def test_a_machine_without_the_stored_images_is_grave_and_one_without_other_data_is_fine() -> None:
    there, gone, other = replace(ONE, data="f" * 64), replace(TWO, data=""), replace(ONE, address="10.0.0.3", data="0" * 64)
    assert not check_data([there, gone], "f" * 64)
    found = check_data([there, gone, other], "f" * 64, needed=True)
    assert [complaint.what for complaint in found] == [
        "10.0.0.2 can't read the stored images (no data there)",
        f"10.0.0.3 can't read the stored images ({'0' * 40})",
    ]
    assert all(complaint.grave and "every machine mounts at the same path" in complaint.remedy for complaint in found)


def test_small_memory_other_gpus_clocks_and_data_are_named_and_not_grave() -> None:
    odd = replace(TWO, shm_gb=0.06, gpus=[], clock_s=940.0, data="0" * 64)
    three = [ONE, replace(ONE, node="c", address="10.0.0.3"), odd]
    nodes = [*NODES, {"NodeID": "c", "Resources": {"GPU": 1.0, "object_store_memory": 8e9}}]
    found = [
        *check_memory(three, nodes),
        *check_gpus(three, nodes),
        *check_clocks(three, 1.0),
        *check_data(three, "f" * 64),
    ]
    assert [complaint.what.split(" ")[0] for complaint in found] == ["/dev/shm", "10.0.0.2", "the", "the"]
    assert "0.1 GB for an object store of 8.0 GB" in found[0].what
    assert "has 0 GPUs by nvidia-smi, Ray counts 1" in found[1].what
    assert "-60 s off the others" in found[2].what
    assert not any(complaint.grave for complaint in found)
    (drivers,) = check_gpus([ONE, replace(TWO, gpus=["H200, 550.0, 141 GB"])], NODES)
    assert "GPU drivers differ" in drivers.what
