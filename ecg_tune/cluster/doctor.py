"""Check that a cluster is fit for a search: probe every machine, and list the problems with their remedies."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ecg_tune.cluster.auth import REMEDY, accepts_without_token, is_loopback
from ecg_tune.cluster.complaints import (
    Complaint,
    check_clocks,
    check_data,
    check_folders,
    check_gpus,
    check_memory,
    check_plugins,
    check_versions,
)
from ecg_tune.cluster.probe import Machine, probe_machine, visible_nodes
from ecg_tune.errors import UsageError

DASHBOARD_PORT = 8265
ANSWER_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Diagnosis:
    """The result of examining a cluster.

    Attributes:
        machines: The facts of every node that answered.
        silent: Addresses of nodes that Ray counts as alive but that did not answer.
        nodes: Ray's own description of every node that is alive.
        complaints: The problems that were found.
        notes: What Ray does on every cluster and one should know.
    """

    machines: Sequence[Machine]
    silent: Sequence[str]
    nodes: Sequence[Mapping[str, Any]]
    complaints: Sequence[Complaint]
    notes: Sequence[str] = ()


def examine(
    *,
    folders: Sequence[Path] = (),
    data: str | None = None,
    fingerprint: str = "",
    data_needed: bool = False,
    families: Sequence[str] = (),
    check_resources: Callable[[Sequence[Mapping[str, float]]], object] | None = None,
) -> Diagnosis:
    """Probe every node of the cluster that this process has joined, and list the problems. Takes some seconds.

    Args:
        folders: Folders that every node must be able to write and see (study, checkpoints).
        data: Folder of prepared data. Nodes get the data from the driver: having none there is fine, having others is not.
        fingerprint: Fingerprint of the data as the driver sees them; "" skips that check.
        data_needed: The data hold stored images, which every node reads itself: having none there is grave.
        families: Families of the planned search: a problem with a package that brings one of them is grave.
        check_resources: Takes Ray's resources of every machine, and raises a `UsageError` when none can run a trial.
    """
    nodes = [node for node in ray.nodes() if node["Alive"]]
    mark = f".ecg-tune-doctor-{secrets.token_hex(4)}-"
    paths = [str(folder.resolve()) for folder in folders]
    arguments = {"folders": paths, "mark": mark, "data": data or ""}
    started = time.monotonic()
    try:
        machines, silent = _run_on_nodes(
            nodes,
            probe_machine,
            lambda node: {"node": node["NodeID"], "address": node["NodeManagerAddress"], "ports": _ports(node), **arguments},
        )
        probing_s = time.monotonic() - started
        sightings, _ = _run_on_nodes(nodes, visible_nodes, lambda node: {"folders": paths, "mark": mark})
    finally:
        for folder in folders:
            for path in folder.glob(f"{mark}*"):
                path.unlink(missing_ok=True)
    complaints = [
        Complaint(f"{address} did not answer in {ANSWER_TIMEOUT_S:.0f} s", "check that machine, or run `ray stop` there", grave=False)
        for address in silent
    ]
    complaints += [*check_versions(machines), *check_plugins(machines, families), *check_folders(machines, sightings)]
    complaints += [*check_memory(machines, nodes), *check_gpus(machines, nodes), *check_clocks(machines, probing_s)]
    complaints += [*check_data(machines, fingerprint, needed=data_needed), *_access(machines)]
    return Diagnosis(machines, silent, nodes, [*complaints, *_resources(check_resources, nodes)], _notes(machines))


def _ports(node: Mapping[str, Any]) -> list[int]:
    return [port for port in (DASHBOARD_PORT, int(node.get("MetricsExportPort", 0))) if port > 0]


def _notes(machines: Sequence[Machine]) -> list[str]:
    metrics = [f"{machine.address}:{port}" for machine in machines for port in machine.open_ports if port != DASHBOARD_PORT]
    told = f"Ray serves its metrics at {', '.join(metrics)} to all who ask, without a token: a firewall can close that to other networks"
    return [told] if metrics else []


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


def _access(machines: Sequence[Machine]) -> list[Complaint]:
    """Check who can reach the cluster: it must ask for a token, and its dashboard must be closed to the network."""
    address, complaints = ray.get_runtime_context().gcs_address, []
    if not is_loopback(address.rpartition(":")[0]) and accepts_without_token(address):
        complaints.append(Complaint(f"the cluster at {address} asks for no token", REMEDY, grave=False))
    for machine in machines:
        if DASHBOARD_PORT in machine.open_ports:
            remedy = "start the head with --dashboard-host=127.0.0.1 and reach it through ssh (`ray dashboard cluster.yaml`)"
            complaints.append(Complaint(f"{machine.address} offers port {DASHBOARD_PORT} to the network", remedy, grave=False))
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
