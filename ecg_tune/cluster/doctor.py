"""Is this cluster fit for a search? Asks every machine, compares the answers, and names the remedy for what is wrong."""

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

from ecg_tune.cluster.auth import REMEDY, is_loopback, lets_strangers_in
from ecg_tune.cluster.probe import Machine, look, seen
from ecg_tune.errors import UsageError

DASHBOARD_PORT = 8265
SKEW_S, SHMSHARE = 5.0, 0.3
PATIENCE_S = 60.0
SHARE = "put the study on a folder that every machine mounts at the same path, or its checkpoints on S3 (--checkpoints s3://…)"


@dataclass(frozen=True)
class Complaint:
    """What is wrong, where, and what to do about it.

    Attributes:
        grave: A search would fail, or give numbers that can't be compared.
    """

    what: str
    remedy: str
    grave: bool = True

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


@dataclass(frozen=True)
class Diagnosis:
    """All answers and what is wrong with them.

    Attributes:
        silent: Addresses of nodes that Ray counts as alive and that did not answer.
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
    asks: Callable[[Sequence[Mapping[str, float]]], object] | None = None,
) -> Diagnosis:
    """Ask every node of the cluster that this process has joined; takes some seconds.

    Args:
        folders: That every node must be able to write and see (study, checkpoints).
        data: Prepared data; nodes get them from the driver, so that only a different content there is wrong.
        fingerprint: Of the data as the driver sees them.
        asks: Takes the machines' resources and raises a `UsageError` when what a trial asks for is nowhere to be had.
    """
    nodes = [node for node in ray.nodes() if node["Alive"]]
    mark = f".ecg-tune-doctor-{secrets.token_hex(4)}-"
    places = [str(folder.resolve()) for folder in folders]
    given = {"folders": places, "mark": mark, "data": data or "", "ports": [DASHBOARD_PORT]}
    started = time.time()
    try:
        machines, silent = _ask(nodes, look, lambda node: {"node": node["NodeID"], "address": node["NodeManagerAddress"], **given})
        took = time.time() - started
        sights, _ = _ask(nodes, seen, lambda node: {"folders": places, "mark": mark})
    finally:
        for folder in folders:
            for path in folder.glob(f"{mark}*"):
                path.unlink(missing_ok=True)
    silence = [
        Complaint(f"{address} did not answer in {PATIENCE_S:.0f} s", "look at it, or `ray stop` there", grave=False) for address in silent
    ]
    compared = [*_versions(machines), *_shared(machines, sights), *_memory(machines, nodes), *_gpus(machines, nodes)]
    compared += [*_clocks(machines, took), *_data(machines, fingerprint), *_doors(machines), *_asked(asks, nodes)]
    return Diagnosis(machines, silent, nodes, [*silence, *compared])


def _ask(
    nodes: Sequence[Mapping[str, Any]], question: Callable[..., Any], arguments: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> tuple[list[Any], list[str]]:
    """Return what the nodes answer, and the addresses of those that don't in time."""
    remote = ray.remote(num_cpus=0, max_retries=0)(question)
    asked = {
        remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(**arguments(node)): node
        for node in nodes
    }
    ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=PATIENCE_S)
    answers, silent = [], []
    for reference, node in asked.items():
        try:
            answers.append(ray.get(reference, timeout=0) if reference in ready else None)
        except ray.exceptions.RayError as error:
            answers.append(None)
            silent.append(f"{node['NodeManagerAddress']} ({str(error).strip().splitlines()[-1][:200]})")
            continue
        if reference not in ready:
            silent.append(str(node["NodeManagerAddress"]))
    return [answer for answer in answers if answer is not None], silent


def _versions(machines: Sequence[Machine]) -> list[Complaint]:
    complaints = []
    for name in machines[0].versions if machines else ():
        by_version: dict[str, list[str]] = {}
        for machine in machines:
            by_version.setdefault(machine.versions[name], []).append(machine.address)
        if len(by_version) > 1 or "missing" in by_version:
            shown = "; ".join(f"{version} on {', '.join(where)}" for version, where in by_version.items())
            remedy = "install the same on every machine (setup_commands of the cluster file, then `ray up` again)"
            complaints.append(Complaint(f"{name} differs: {shown}" if len(by_version) > 1 else f"{name} is missing", remedy))
    return complaints


def _shared(machines: Sequence[Machine], sights: Sequence[Mapping[str, Sequence[str]]]) -> list[Complaint]:
    complaints = []
    everyone = {machine.node for machine in machines}
    for machine in machines:
        for folder, error in machine.wrote.items():
            if error:
                complaints.append(Complaint(f"{machine.address} can't write {folder} ({error})", SHARE))
    for folder in machines[0].wrote if machines else ():
        wrote = {machine.node for machine in machines if not machine.wrote[folder]}
        if any(set(sight.get(folder, ())) != wrote for sight in sights) and wrote == everyone:
            complaints.append(Complaint(f"{folder} is another folder on some machines than on others", SHARE))
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
        if machine.shm_gb < stores.get(machine.node, 0.0) * (1 - SHMSHARE)
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
        shown = ", ".join(f"{version} on {where}" for version, where in drivers.items())
        complaints.append(
            Complaint(f"GPU drivers differ: {shown}", "install one driver version: results may differ between them", grave=False)
        )
    return complaints


def _clocks(machines: Sequence[Machine], took: float) -> list[Complaint]:
    middle = statistics.median(machine.clock_s for machine in machines) if machines else 0.0
    late = [machine for machine in machines if abs(machine.clock_s - middle) > SKEW_S + took]
    return [
        Complaint(
            f"the clock of {machine.address} is {machine.clock_s - middle:+.0f} s off the others",
            "let NTP set it (chrony, systemd-timesyncd)",
            grave=False,
        )
        for machine in late
    ]


def _data(machines: Sequence[Machine], fingerprint: str) -> list[Complaint]:
    return [
        Complaint(
            f"the data folder on {machine.address} holds {machine.data[:40]}, the driver's {fingerprint[:12]}",
            "copy the driver's there or remove it: trials get the driver's, a person would look at the other",
            grave=False,
        )
        for machine in machines
        if fingerprint and machine.data not in ("", fingerprint)
    ]


def _doors(machines: Sequence[Machine]) -> list[Complaint]:
    address, complaints = ray.get_runtime_context().gcs_address, []
    if not is_loopback(address.rpartition(":")[0]) and lets_strangers_in(address):
        complaints.append(Complaint(f"the cluster at {address} asks for no token", REMEDY, grave=False))
    for machine in machines:
        if machine.open_ports:
            ports = " and ".join(map(str, machine.open_ports))
            remedy = "start the head with --dashboard-host=127.0.0.1 and reach it through ssh (`ray dashboard cluster.yaml`)"
            complaints.append(Complaint(f"{machine.address} offers port {ports} to the network", remedy, grave=False))
    return complaints


def _asked(asks: Callable[[Sequence[Mapping[str, float]]], object] | None, nodes: Sequence[Mapping[str, Any]]) -> list[Complaint]:
    try:
        if asks:
            asks([node["Resources"] for node in nodes])
    except UsageError as error:
        what, _, remedy = str(error).partition(": ")
        return [Complaint(what, remedy)]
    return []
