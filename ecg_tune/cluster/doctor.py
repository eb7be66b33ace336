"""Check that a cluster is fit for a search: probe every machine, compare the facts, and name a remedy for each problem."""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ecg_tune.cluster.auth import REMEDY, accepts_without_token, is_loopback
from ecg_tune.cluster.probe import Machine, probe_machine, visible_nodes
from ecg_tune.errors import UsageError

DASHBOARD_PORT = 8265
MAX_CLOCK_SKEW_S = 5.0
SHM_TOLERANCE = 0.3
"""How much smaller than Ray's object store /dev/shm may be, as a share of the store."""
ANSWER_TIMEOUT_S = 60.0
SHARED_FOLDER_REMEDY = (
    "put the study on a folder that every machine mounts at the same path, or its checkpoints on S3 (--checkpoints s3://…)"
)


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


@dataclass(frozen=True)
class Diagnosis:
    """The result of examining a cluster.

    Attributes:
        machines: The facts of every node that answered.
        silent: Addresses of nodes that Ray counts as alive but that did not answer.
        nodes: Ray's own description of every node that is alive.
        complaints: The problems that were found.
    """

    machines: Sequence[Machine]
    silent: Sequence[str]
    nodes: Sequence[Mapping[str, Any]]
    complaints: Sequence[Complaint]


def examine(
    *,
    folders: Sequence[Path] = (),
    data: str | None = None,
    fingerprint: str = "",
    check_resources: Callable[[Sequence[Mapping[str, float]]], object] | None = None,
) -> Diagnosis:
    """Probe every node of the cluster that this process has joined, and list the problems. Takes some seconds.

    Args:
        folders: Folders that every node must be able to write and see (study, checkpoints).
        data: Folder of prepared data. Nodes get the data from the driver: having none there is fine, having others is not.
        fingerprint: Fingerprint of the data as the driver sees them; "" skips that check.
        check_resources: Takes Ray's resources of every machine, and raises a `UsageError` when none can run a trial.
    """
    nodes = [node for node in ray.nodes() if node["Alive"]]
    mark = f".ecg-tune-doctor-{secrets.token_hex(4)}-"
    paths = [str(folder.resolve()) for folder in folders]
    arguments = {"folders": paths, "mark": mark, "data": data or "", "ports": [DASHBOARD_PORT]}
    started = time.time()
    try:
        machines, silent = _run_on_nodes(
            nodes, probe_machine, lambda node: {"node": node["NodeID"], "address": node["NodeManagerAddress"], **arguments}
        )
        probing_s = time.time() - started
        sightings, _ = _run_on_nodes(nodes, visible_nodes, lambda node: {"folders": paths, "mark": mark})
    finally:
        for folder in folders:
            for path in folder.glob(f"{mark}*"):
                path.unlink(missing_ok=True)
    complaints = [
        Complaint(f"{address} did not answer in {ANSWER_TIMEOUT_S:.0f} s", "check that machine, or run `ray stop` there", grave=False)
        for address in silent
    ]
    complaints += [*_versions(machines), *_shared(machines, sightings), *_memory(machines, nodes), *_gpus(machines, nodes)]
    complaints += [*_clocks(machines, probing_s), *_data(machines, fingerprint), *_access(machines)]
    return Diagnosis(machines, silent, nodes, [*complaints, *_resources(check_resources, nodes)])


def _run_on_nodes(
    nodes: Sequence[Mapping[str, Any]], function: Callable[..., Any], arguments: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> tuple[list[Any], list[str]]:
    """Call a function on every node; return the results, and the addresses of nodes that failed or did not answer in time."""
    remote = ray.remote(num_cpus=0, max_retries=0)(function)
    calls = {
        remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(**arguments(node)): node
        for node in nodes
    }
    ready, _ = ray.wait(list(calls), num_returns=len(calls), timeout=ANSWER_TIMEOUT_S)
    results, silent = [], []
    for call, node in calls.items():
        if call not in ready:
            silent.append(str(node["NodeManagerAddress"]))
            continue
        try:
            results.append(ray.get(call, timeout=0))
        except ray.exceptions.RayError as error:
            silent.append(f"{node['NodeManagerAddress']} ({str(error).strip().splitlines()[-1][:200]})")
    return results, silent


def _versions(machines: Sequence[Machine]) -> list[Complaint]:
    complaints = []
    for name in machines[0].versions if machines else ():
        by_version: dict[str, list[str]] = {}
        for machine in machines:
            by_version.setdefault(machine.versions[name], []).append(machine.address)
        if len(by_version) > 1 or "missing" in by_version:
            shown = "; ".join(f"{version} on {', '.join(addresses)}" for version, addresses in by_version.items())
            remedy = "install the same on every machine (setup_commands of the cluster file, then `ray up` again)"
            complaints.append(Complaint(f"{name} differs: {shown}" if len(by_version) > 1 else f"{name} is missing", remedy))
    return complaints


def _shared(machines: Sequence[Machine], sightings: Sequence[Mapping[str, Sequence[str]]]) -> list[Complaint]:
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


def _memory(machines: Sequence[Machine], nodes: Sequence[Mapping[str, Any]]) -> list[Complaint]:
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


def _gpus(machines: Sequence[Machine], nodes: Sequence[Mapping[str, Any]]) -> list[Complaint]:
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


def _clocks(machines: Sequence[Machine], probing_s: float) -> list[Complaint]:
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


def _data(machines: Sequence[Machine], fingerprint: str) -> list[Complaint]:
    return [
        Complaint(
            f"the data folder on {machine.address} holds {machine.data[:40]}, the driver's holds {fingerprint[:12]}",
            "copy the driver's data there, or remove that folder: trials use the driver's data, and the other folder misleads",
            grave=False,
        )
        for machine in machines
        if fingerprint and machine.data not in ("", fingerprint)
    ]


def _access(machines: Sequence[Machine]) -> list[Complaint]:
    """Check who can reach the cluster: it must ask for a token, and its dashboard must be closed to the network."""
    address, complaints = ray.get_runtime_context().gcs_address, []
    if not is_loopback(address.rpartition(":")[0]) and accepts_without_token(address):
        complaints.append(Complaint(f"the cluster at {address} asks for no token", REMEDY, grave=False))
    for machine in machines:
        if machine.open_ports:
            ports = " and ".join(map(str, machine.open_ports))
            remedy = "start the head with --dashboard-host=127.0.0.1 and reach it through ssh (`ray dashboard cluster.yaml`)"
            complaints.append(Complaint(f"{machine.address} offers port {ports} to the network", remedy, grave=False))
    return complaints


def _resources(
    check_resources: Callable[[Sequence[Mapping[str, float]]], object] | None, nodes: Sequence[Mapping[str, Any]]
) -> list[Complaint]:
    try:
        if check_resources:
            check_resources([node["Resources"] for node in nodes])
    except UsageError as error:
        what, _, remedy = str(error).partition(": ")
        return [Complaint(what, remedy)]
    return []
