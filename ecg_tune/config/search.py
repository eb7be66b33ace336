"""The settings of one search. Standard library only, as `ecg_tune.config.trial`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ecg_tune.config.parsing import check_choice, check_range
from ecg_tune.config.trial import PROFILES
from ecg_tune.errors import ConfigError

RANGES: Mapping[str, tuple[float, float]] = {
    "trials": (1, 1_000_000),
    **dict.fromkeys(("max_epochs", "grace_epochs", "slots"), (1, 100_000)),
    "reduction_factor": (2, 100),
    "min_results": (1, 1000),
    "seed": (0, 2**31 - 1),
    "cpus_per_trial": (1, 1024),
    "gpus_per_trial": (0, 64),
    "retries": (0, 100),
    "family_failures": (1, 1_000_000),
    "max_hours": (1e-6, 1e6),
    "total_epochs": (1, 1_000_000_000),
    "gpu_hours": (1e-6, 1e9),
    "target": (0, 1),
    "memory_gb": (1e-6, 10_000),
    "silence_s": (1, 1e6),
}
"""Setting of a search → lowest and highest value."""


@dataclass(frozen=True)
class SearchSettings:
    """One search. Names and defaults are those of `ecg-tune search`'s flags and of `search.yaml`.

    Attributes:
        trials: Rows the study shall have in the end, those of earlier runs counted.
        max_epochs: Epochs a trial may run; None takes the profile's (50 full, 10 small).
        grace_epochs: First rung of ASHA; None takes the profile's (3 full, 1 small).
        minimise: Objectives beside the metric: "parameters", "macs" (of a record's prediction), "latency_ms" (measured).
        slots: Trials that run at once; None takes what the resources allow.
        gpus_per_trial: GPUs of a trial, a share of one or whole ones; None takes one where there is one.
        gpu_share: "auto" measures how much of a GPU's memory each family's default takes and gives it that share.
        retries: How often a trial is started again whose worker was lost.
        silence_s: Seconds without a report after which a trial is taken from its worker; None goes by epoch times, see
            `ecg_tune.search.stall`.
        family_failures: Failures in a row after which a family is drawn no more.
        max_hours: Wall time of one run of the command; trials in progress are kept with their checkpoints.
        total_epochs: Epochs over all trials and runs of the study.
        gpu_hours: GPU time over all trials and runs of the study, shares counted.
        target: Value of the metric that is good enough.
        memory_gb: What a draw's parameters may take in training, Adam's state included; wider draws leave the space.
        space: Parameters narrowed, fixed or widened by hand (in a file only), see `search_spaces.custom`.
        enqueue: Parameters of configs to try right after the defaults; what one leaves open is drawn.
        fusion_from: Study whose best single-modality trials fusions may start from.
        storage: PostgreSQL database of the study, `ecg_tune.study.database`; None: `study.db` in its folder.
        checkpoints: Folder or s3:// URI that all nodes reach, `ecg_tune.storage`; None: the study's folder.
    """

    families: tuple[str, ...] = ("rnn",)
    profile: str = "full"
    trials: int = 50
    max_epochs: int | None = None
    metric: str = "macro_auc"
    minimise: tuple[str, ...] = ()
    sampler: str = "tpe"
    scheduler: str = "asha"
    grace_epochs: int | None = None
    reduction_factor: int = 3
    min_results: int = 3
    seed: int = 0
    slots: int | None = None
    cpus_per_trial: int = 1
    gpus_per_trial: float | None = None
    gpu_share: str | None = None
    retries: int = 2
    silence_s: float | None = None
    family_failures: int = 5
    max_hours: float | None = None
    total_epochs: int | None = None
    gpu_hours: float | None = None
    target: float | None = None
    memory_gb: float = 2.0
    space: Mapping[str, Any] = field(default_factory=dict)
    enqueue: tuple[Mapping[str, Any], ...] = ()
    fusion_from: str | None = None
    storage: str | None = None
    checkpoints: str | None = None

    def __post_init__(self) -> None:
        check_choice("profile", self.profile, PROFILES)
        if not self.families or len(set(self.families)) != len(self.families):
            raise ConfigError(f"families must be one or more different names, but got {','.join(self.families)!r}")
        for name, (low, high) in RANGES.items():
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), low, high)
        if len(set(self.minimise)) != len(self.minimise):
            raise ConfigError(f"minimise must be different names, but got {','.join(self.minimise)!r}")
        for cost in self.minimise:
            check_choice("objective to minimise", cost, ("parameters", "macs", "latency_ms"))
        if self.gpu_share is not None:
            check_choice("gpu_share", self.gpu_share, ("auto",))
            if self.gpus_per_trial is not None:
                raise ConfigError(f"gpu_share=auto measures what gpus_per_trial={self.gpus_per_trial:g} fixes: give one of them")

    @property
    def epochs(self) -> int:
        """Epochs a trial may run, the profile's default applied."""
        return self.max_epochs or {"full": 50, "small": 10}[self.profile]

    @property
    def grace(self) -> int:
        """First rung, the profile's default applied."""
        return self.grace_epochs or {"full": 3, "small": 1}[self.profile]
