"""Compare the facts about a cluster's machines, and name a remedy for each problem."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecg_tune.cluster.probe import MISSING, Machine

MAX_CLOCK_SKEW_S = 5.0
SHM_TOLERANCE = 0.3
"""How much smaller than Ray's object store /dev/shm may be, as a share of the store."""
SHARED_FOLDER_REMEDY = (
    "put the study on a folder that every machine mounts at the same path, or its checkpoints on S3 (--checkpoints s3://…)"
)
SHARED_DATA_REMEDY = "put the data on a folder that every machine mounts at the same path, or on S3 (--data s3://…)"
SAME_VERSION_REMEDY = "install the same on every machine (setup_commands of the cluster file, then `ray up` again)"
PLUGIN_REMEDY = f"{SAME_VERSION_REMEDY}; where it is missing, its trials fail as of an unknown family"


@dataclass(frozen=True)
class Complaint:
    """One problem of a cluster.

    Attributes:
        what: The problem and the machine that has it.
        remedy: What to do about it.
        grave: True when a search would fail, or give numbers that can't be compared.
    """

    what: str
    remedy: str
    grave: bool = True

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


def check_versions(machines: Sequence[Machine]) -> list[Complaint]:
    """Compare the versions of Python, of libraries and of this project."""
    differences = [
        _difference(name, [(machine.versions[name], machine.address) for machine in machines])
        for name in (machines[0].versions if machines else ())
    ]
    return [Complaint(what, SAME_VERSION_REMEDY) for what in differences if what]


def check_plugins(machines: Sequence[Machine], families: Sequence[str]) -> list[Complaint]:
    """Compare the packages that bring model families.

    Args:
        families: Families of the planned search: a problem with a package that brings one of them is grave.
    """
    complaints = []
    for package in sorted({package for machine in machines for package in machine.plugins}):
        found = [machine.plugins.get(package) for machine in machines]
        brought = sorted({family for plugin in found if plugin for family in plugin.families})
        versions = [(plugin.version if plugin else MISSING, machine.address) for plugin, machine in zip(found, machines, strict=True)]
        if what := _difference(f"{package} (brings {', '.join(brought)})", versions):
            complaints.append(Complaint(what, PLUGIN_REMEDY, grave=not set(families).isdisjoint(brought)))
    return complaints


def _difference(name: str, versions: Sequence[tuple[str, str]]) -> str:
    """Say on which machines a package has which version; "" when it is the same on all.

    Args:
        versions: (version, address) of each machine.
    """
    by_version: dict[str, list[str]] = {}
    for version, address in versions:
        by_version.setdefault(version, []).append(address)
    if len(by_version) == 1:
        return f"{name} is missing" if MISSING in by_version else ""
    return f"{name} differs: " + "; ".join(f"{version} on {', '.join(addresses)}" for version, addresses in by_version.items())


def check_folders(machines: Sequence[Machine], sightings: Sequence[Mapping[str, Sequence[str]]]) -> list[Complaint]:
    """Check that every machine can write the folders, and that all see the same files in them."""
    complaints = []
    everyone = {machine.node for machine in machines}
    for machine in machines:
        for folder, error in machine.wrote.items():
            if error:
                complaints.append(Complaint(f"{machine.address} can't write {folder} ({error})", SHARED_FOLDER_REMEDY))
    for folder in machines[0].wrote if machines else ():
        writers = {machine.node for machine in machines if not machine.wrote[folder]}
        if any(set(sighting.get(folder, ())) != writers for sighting in sightings) and writers == everyone:
            complaints.append(Complaint(f"{folder} is not the same folder on all machines", SHARED_FOLDER_REMEDY))
    return complaints


def check_memory(machines: Sequence[Machine], nodes: Sequence[Mapping[str, Any]]) -> list[Complaint]:
    """Compare the shared memory of each machine with Ray's object store there.

    Args:
        nodes: Ray's own description of them.
    """
    stores = {node["NodeID"]: node["Resources"].get("object_store_memory", 0.0) / 1e9 for node in nodes}
    return [
        Complaint(
            f"/dev/shm of {machine.address} has {machine.shm_gb:.1f} GB for an object store of {stores[machine.node]:.1f} GB",
            "enlarge it (docker --shm-size, KubeRay: an emptyDir of medium Memory at /dev/shm), else Ray swaps to disk",
            grave=False,
        )
        for machine in machines
        if machine.shm_gb < stores.get(machine.node, 0.0) * (1 - SHM_TOLERANCE)
    ]


def check_gpus(machines: Sequence[Machine], nodes: Sequence[Mapping[str, Any]]) -> list[Complaint]:
    """Check that Ray counts the GPUs that are there, and that their drivers are the same.

    Args:
        nodes: Ray's own description of them.
    """
    counted, complaints = {node["NodeID"]: node["Resources"].get("GPU", 0.0) for node in nodes}, []
    for machine in machines:
        if counted.get(machine.node, 0) != len(machine.gpus):
            what = f"{machine.address} has {len(machine.gpus)} GPUs by nvidia-smi, Ray counts {counted.get(machine.node, 0):g}"
            complaints.append(
                Complaint(what, "start Ray after the driver is loaded, or correct --num-gpus / resources of its node type", grave=False)
            )
    drivers = {gpu.split(", ")[1]: machine.address for machine in machines for gpu in machine.gpus if ", " in gpu}
    if len(drivers) > 1:
        shown = ", ".join(f"{version} on {address}" for version, address in drivers.items())
        complaints.append(
            Complaint(f"GPU drivers differ: {shown}", "install one driver version: results may differ between them", grave=False)
        )
    return complaints


def check_clocks(machines: Sequence[Machine], probing_s: float) -> list[Complaint]:
    """Compare the clocks with their median; clocks read within `probing_s` seconds may differ by that much more."""
    median_s = statistics.median(machine.clock_s for machine in machines) if machines else 0.0
    return [
        Complaint(
            f"the clock of {machine.address} is {machine.clock_s - median_s:+.0f} s off the others",
            "let NTP set it (chrony, systemd-timesyncd)",
            grave=False,
        )
        for machine in machines
        if abs(machine.clock_s - median_s) > MAX_CLOCK_SKEW_S + probing_s
    ]


def check_data(machines: Sequence[Machine], fingerprint: str, *, needed: bool = False) -> list[Complaint]:
    """Compare the data folders that machines have with the driver's; "" as its fingerprint skips that.

    Args:
        needed: The data hold stored images, which every machine reads itself.
    """
    if needed:
        return [
            Complaint(f"{machine.address} can't read the stored images ({machine.data[:40] or 'no data there'})", SHARED_DATA_REMEDY)
            for machine in machines
            if fingerprint and machine.data != fingerprint
        ]
    return [
        Complaint(
            f"the data folder on {machine.address} holds {machine.data[:40]}, the driver's holds {fingerprint[:12]}",
            "copy the driver's data there, or remove that folder: trials use the driver's data, and the other folder misleads",
            grave=False,
        )
        for machine in machines
        if fingerprint and machine.data not in ("", fingerprint)
    ]
