"""What a trial takes of the cluster, and how many run at once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ecg_tune.config import SearchSettings
from ecg_tune.errors import UsageError

Node = Mapping[str, float]
"""Ray's resources of one machine, e.g. {"CPU": 16.0, "GPU": 1.0}."""

HEADROOM = 1.25
"""Memory given beyond the measured: the widest config of a space is larger than its default, and allocators fragment."""


@dataclass(frozen=True)
class Plan:
    """Resources of a trial of each family."""

    cpus: int
    gpus: float
    shares: Mapping[str, float] = field(default_factory=dict)

    def gpu_share(self, family: str) -> float:
        """Return the GPUs of a family's trial."""
        return self.shares.get(family, self.gpus)

    def request(self, family: str) -> dict[str, float]:
        """Return what Ray is asked for."""
        gpus = self.gpu_share(family)
        return {"CPU": self.cpus, "GPU": gpus} if gpus else {"CPU": self.cpus}

    def fits(self, nodes: Sequence[Node]) -> int:
        """Return how many trials machines run at once, those with the smallest share."""
        least = min(self.shares.values(), default=self.gpus)
        return sum(_fits(node, self.cpus, least) for node in nodes)


class Slots:
    """How many trials are out at once, counted anew as machines come and go.

    Args:
        most: What the user allows; None takes all that fits.
        may_grow: Machines may join: `most` trials are out even where fewer fit, so that an autoscaler sees what is waited for.
        nodes: Gives the machines that live now.
        changed: Is told the number when it is another one than at the last look.
    """

    EVERY_S = 2.0

    def __init__(
        self,
        fits: Plan,
        most: int | None,
        *,
        may_grow: bool,
        nodes: Callable[[], Sequence[Node]],
        changed: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.plan, self.most, self.may_grow, self.nodes, self.changed, self.clock = fits, most, may_grow, nodes, changed, clock
        self.number, self.looked_at = self._count(), clock()

    def __call__(self) -> int:
        """Return the number, one at least."""
        if self.clock() - self.looked_at >= self.EVERY_S:
            before, self.number, self.looked_at = self.number, self._count(), self.clock()
            if before != self.number:
                self.changed(self.number)
        return self.number

    def _count(self) -> int:
        there = max(1, self.plan.fits(self.nodes()))
        if self.most is None:
            return there
        return self.most if self.may_grow else min(self.most, there)


def plan(settings: SearchSettings, nodes: Sequence[Node], *, shares: Mapping[str, float] | None = None) -> Plan:
    """Return how trials share a cluster.

    Args:
        nodes: The machines; a trial runs on one of them.
        shares: Family → share of a GPU, where it was measured.

    Raises:
        UsageError: No machine has what one trial asks for; Ray itself would wait for ever.
    """
    if not any(node.get("GPU", 0) for node in nodes):
        for name, value in (("gpus-per-trial", "auto" if settings.measures_gpus else None), ("gpu-hours", settings.gpu_hours)):
            if value is not None:
                raise UsageError(f"--{name} {value} is about GPUs, and the cluster has none: leave it out, or add machines that have some")
    gpus = settings.gpus if settings.gpus is not None else float(any(node.get("GPU", 0) for node in nodes))
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
    return Plan(cpus=settings.cpus_per_trial, gpus=gpus, shares=shares or {})


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
