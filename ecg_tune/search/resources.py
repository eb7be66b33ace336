"""What a trial takes of the cluster, and how many run at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ecg_tune.config import SearchSettings
from ecg_tune.errors import UsageError


@dataclass(frozen=True)
class Plan:
    """Resources of one trial and the number that fit."""

    cpus: int
    gpus: float
    slots: int

    @property
    def request(self) -> dict[str, float]:
        return {"cpu": self.cpus, "gpu": self.gpus} if self.gpus else {"cpu": self.cpus}


def plan(settings: SearchSettings, cluster: Mapping[str, float]) -> Plan:
    """Return how trials share a cluster.

    Args:
        cluster: Ray's resources, e.g. {"CPU": 2.0, "GPU": 1.0}.

    Raises:
        UsageError: One trial asks for more than there is; Ray itself would wait for ever.
    """
    cpus, gpus = cluster.get("CPU", 0.0), cluster.get("GPU", 0.0)
    share = settings.gpus_per_trial if settings.gpus_per_trial is not None else float(gpus > 0)
    for name, asked, there in (("CPUs", settings.cpus_per_trial, cpus), ("GPUs", share, gpus)):
        if asked > there:
            raise UsageError(f"a trial asks for {asked:g} {name}, the cluster has {there:g}: lower --{name[:3].lower()}s-per-trial")
    fits = int(min(cpus // settings.cpus_per_trial, gpus / share + 1e-9 if share else float("inf")))
    return Plan(cpus=settings.cpus_per_trial, gpus=share, slots=min(fits, settings.slots or fits))
