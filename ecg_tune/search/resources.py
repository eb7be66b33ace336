"""What a trial takes of the cluster, and how many run at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ecg_tune.config import SearchSettings
from ecg_tune.errors import UsageError

Node = Mapping[str, float]
"""Ray's resources of one machine, e.g. {"CPU": 16.0, "GPU": 1.0}."""

HEADROOM = 1.25
"""Memory given beyond the measured: the widest draw of a space is larger than its default, and allocators fragment."""


@dataclass(frozen=True)
class Plan:
    """Resources of a trial of each family, and the number of trials that run at once."""

    cpus: int
    gpus: float
    slots: int
    shares: Mapping[str, float] = field(default_factory=dict)

    def gpu_share(self, family: str) -> float:
        """Return the GPUs of a family's trial."""
        return self.shares.get(family, self.gpus)

    def request(self, family: str) -> dict[str, float]:
        """Return what Ray is asked for."""
        gpus = self.gpu_share(family)
        return {"CPU": self.cpus, "GPU": gpus} if gpus else {"CPU": self.cpus}


def plan(settings: SearchSettings, nodes: Sequence[Node], *, shares: Mapping[str, float] | None = None) -> Plan:
    """Return how trials share a cluster.

    Args:
        nodes: The machines; a trial runs on one of them.
        shares: Family → share of a GPU, where it was measured.

    Raises:
        UsageError: No machine has what one trial asks for; Ray itself would wait for ever.
    """
    gpus = settings.gpus_per_trial if settings.gpus_per_trial is not None else float(any(node.get("GPU", 0) for node in nodes))
    if gpus > 1 and gpus != int(gpus):
        raise UsageError(f"a trial asks for {gpus:g} GPUs: more than one must be whole ones (--gpus-per-trial)")
    asked = [gpus, *(shares or {}).values()]
    for name, most, option in (("CPU", float(settings.cpus_per_trial), "cpus"), ("GPU", max(asked), "gpus")):
        largest = max((node.get(name, 0.0) for node in nodes), default=0.0)
        if most > largest:
            has = ", ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes) or "no machine"
            raise UsageError(
                f"a trial asks for {most:g} {name}s on one machine, the cluster has {has}: lower --{option}-per-trial, or add machines"
            )
    least = min((shares or {}).values(), default=gpus)
    fits = sum(_fits(node, settings.cpus_per_trial, least) for node in nodes)
    return Plan(cpus=settings.cpus_per_trial, gpus=gpus, slots=min(fits, settings.slots or fits), shares=shares or {})


def gpu_shares(peaks: Mapping[str, int], total_bytes: int) -> dict[str, float]:
    """Return the share of a GPU for each family: one over the number of its trials that fit into the memory, at most 8.

    Args:
        peaks: Family → bytes at its peak, measured.
    """
    return {family: 1 / max(1, min(8, math.floor(total_bytes / (HEADROOM * peak)))) for family, peak in peaks.items()}


def _fits(node: Node, cpus: int, gpus: float) -> int:
    by_cpu = int(node.get("CPU", 0.0) // cpus)
    if not gpus:
        return by_cpu
    there = node.get("GPU", 0.0)
    # a trial's share lies on one GPU, so that two of 0.6 don't fit into one and a bit
    by_gpu = int(there) * int(1 / gpus + 1e-9) if gpus < 1 else int(there // gpus)
    return min(by_cpu, by_gpu)
