"""The settings of one search. Standard library only, as `ecg_tune.config.trial`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from ecg_tune.config.setting import ABOVE_ZERO, check_different, check_settings, setting
from ecg_tune.config.training_rules import rules_of_training
from ecg_tune.config.trial import LARGEST_SEED, MOST_TRIALS, PROFILES

EPOCHS: Mapping[str, int] = {"full": 50, "small": 10}
"""Profile → epochs that a trial may run."""
GRACE: Mapping[str, int] = {"full": 3, "small": 1}
"""Profile → first rung."""
AUTO = "auto"
"""The profile that the commands choose: `full` where trials get a GPU, else `small`. Until then it counts as `full`."""

SPACE_VERSION = 2
"""Edition of the built-in search spaces. 1: until 0.2. 2: also searches augmentation, label smoothing, averaging, a cosine schedule,
squeeze-and-excitation and dilation, has `inception1d`, and leaves out what ended badly (see `search_spaces`)."""

METRICS = ("macro_auc", "macro_auc_pr", "macro_f1")
SAMPLERS = ("tpe", "parzen", "gp", "cmaes", "nsgaii", "qmc", "random")
SCHEDULERS = ("forecast", "asha", "hyperband", "median", "none")
COSTS = ("epochs", "seconds")
OBJECTIVES = ("parameters", "macs", "latency_ms")
"""Names only; what they stand for is in `ecg_tune.metrics`, `ecg_tune.search` and `ecg_tune.models.cost`. A test compares them."""

WHAT, BUDGET, STOPPING = "What to search", "Budget", "Sampler and early stopping"
RESOURCES, PLACES, LOGGING, ADVANCED = "Resources", "Where things live", "Logging", "Advanced"
GROUPS = (WHAT, BUDGET, STOPPING, RESOURCES, PLACES, LOGGING, ADVANCED)
"""Headings of the settings, in the order of `ecg-tune search --help`."""


_flag = partial(setting, flag="")


def _by_profile(values: Mapping[str, int]) -> str:
    return ", ".join(f"{value} ({profile})" for profile, value in values.items())


@dataclass(frozen=True)
class SearchSettings:
    """One search: the flags of `ecg-tune search` and the keys of its `--config` file.

    Raises:
        ConfigError: A value that is not allowed; each field below says which are.
    """

    families: tuple[str, ...] = _flag(
        ("cnn1d", "resnet1d", "cnn1d_rnn"),
        "Model families to search, comma-separated, or `all`; with several, the family is searched too. `ecg-tune models` lists them.",
        group=WHAT,
        metavar="NAMES",
    )
    profile: str = _flag(
        AUTO,
        "Size of the search: `full` is for a GPU, `small` has narrower models and shorter crops and takes minutes on a laptop. `auto` is "
        "`full` where trials get a GPU, else `small`.",
        choices=(AUTO, *PROFILES),
        group=WHAT,
    )
    trials: int = _flag(
        50, "Trials that the study shall have in the end. Trials of earlier runs count.", limits=(1, MOST_TRIALS), group=BUDGET
    )
    max_epochs: int | None = _flag(
        None,
        "Epochs that a trial may run. A larger value than before extends the finished trials.",
        limits=(1, 100_000),
        unset=_by_profile(EPOCHS),
        group=BUDGET,
    )
    metric: str = _flag(
        "macro_auc",
        "Validation metric to maximise: area under the ROC curve, under the precision-recall curve, or F1, each averaged over classes.",
        choices=METRICS,
        group=WHAT,
    )
    minimise: tuple[str, ...] = _flag(
        (),
        "Costs to minimise beside the metric, comma-separated: parameters, macs (multiply-accumulates to predict one record), "
        "latency_ms (measured). The result is a Pareto front.",
        choices=OBJECTIVES,
        unset="none",
        label="objective to minimise",
        group=WHAT,
        metavar="NAMES",
    )
    sampler: str = _flag(
        "tpe",
        "How the next configuration is chosen. tpe, parzen, gp, cmaes and nsgaii learn from earlier trials; qmc and random only spread "
        "trials.",
        choices=SAMPLERS,
        group=STOPPING,
    )
    scheduler: str = _flag(
        "forecast",
        "How weak trials give way: forecast pauses every trial at rungs and resumes the one that promises most for its epochs; asha and "
        "hyperband stop the weak ones at rungs, median those below the median; none stops no trial.",
        choices=SCHEDULERS,
        group=STOPPING,
    )
    grace_epochs: int | None = _flag(
        None,
        "Epochs that every trial runs before it can be paused or stopped: the first rung.",
        limits=(1, 100_000),
        unset=_by_profile(GRACE),
        group=STOPPING,
    )
    reduction_factor: int = _flag(3, "asha, hyperband: keep the best 1/N of the trials at each rung (η).", limits=(2, 100), group=STOPPING)
    min_results: int = _flag(
        3,
        "asha, hyperband, median: trials of a family that must reach a rung before any is stopped there.",
        limits=(1, 1000),
        group=STOPPING,
    )
    cost: str = _flag(
        "epochs",
        "forecast: what a search shall save. With seconds, the epochs of slow families and large models must promise more.",
        choices=COSTS,
        group=STOPPING,
    )
    seed: int = _flag(
        0,
        "Seed of the sampler, the initial weights and the data order. With --slots 1, equal seeds give equal trials.",
        limits=(0, LARGEST_SEED),
        group=STOPPING,
    )
    slots: int | None = _flag(
        None, "Trials that run at once.", limits=(1, 100_000), unset="as many as the machines can run", group=RESOURCES
    )
    cpus_per_trial: int = _flag(1, "CPU threads of a trial.", limits=(1, 1024), group=RESOURCES)
    gpus_per_trial: float | Literal["auto"] | None = _flag(
        None,
        "GPUs of a trial: a share of one (0.25), or whole ones. `auto` measures the GPU memory that each family needs and shares "
        "GPUs accordingly.",
        limits=(0, 64),
        choices=("auto",),
        unset="1 if there is a GPU, else 0",
        group=RESOURCES,
        metavar="N|auto",
    )
    retries: int = _flag(2, "How often a trial is started again after its worker was lost.", limits=(0, 100), group=ADVANCED)
    stall_timeout_s: float | None = _flag(
        None,
        "Seconds without a report after which a trial counts as stalled and is started again elsewhere.",
        limits=(1, 1e6),
        unset="from measured epoch times, at least 120",
        group=ADVANCED,
        metavar="SECONDS",
        flag="stall-timeout",
    )
    family_failures: int = _flag(5, "Failures in a row after which a family is no longer sampled.", limits=(1, 1_000_000), group=ADVANCED)
    max_hours: float | None = _flag(
        None,
        "Hours that this run may take. Unfinished trials keep their checkpoints and resume in the next run.",
        limits=(ABOVE_ZERO, 1e6),
        unset="no limit",
        group=BUDGET,
        metavar="HOURS",
    )
    total_epochs: int | None = _flag(
        None,
        "Epochs over all trials together. Epochs of earlier runs count.",
        limits=(1, 1_000_000_000),
        unset="no limit",
        group=BUDGET,
    )
    gpu_hours: float | None = _flag(
        None,
        "GPU-hours over all trials together, a share of a GPU counted as such. Hours of earlier runs count.",
        limits=(ABOVE_ZERO, 1e9),
        unset="no limit",
        group=BUDGET,
        metavar="HOURS",
    )
    target: float | None = _flag(None, "End the search when the metric reaches this value.", limits=(0, 1), unset="no target", group=BUDGET)
    patience_trials: int | None = _flag(
        None,
        "Add no more trials after so many in a row that ended, or paused at their first rung, without a better value. What runs or "
        "waits is brought to its end.",
        limits=(1, 1_000_000),
        unset="no limit",
        group=BUDGET,
    )
    min_gain: float | None = _flag(
        None,
        "forecast: add no more trials when neither a new one nor one that waits is expected to improve the best value by this much, "
        "e.g. 0.0005.",
        limits=(0, 1),
        unset="no limit",
        group=BUDGET,
    )
    memory_gb: float = _flag(
        2.0,
        "Gigabytes that a model's parameters may take in training, Adam's state included. Larger models are not sampled.",
        limits=(ABOVE_ZERO, 10_000),
        group=RESOURCES,
        metavar="GB",
    )
    space: Mapping[str, Any] = setting(
        None,
        "Changes of the search space: parameter → one value, a list of choices, `{low: …, high: …}`, or "
        "`{prior: …, confidence: low|medium|high}`.",
        factory=dict,
        unset="the families' own spaces",
        group=WHAT,
    )
    training: Mapping[str, Any] = setting(
        None,
        "Settings of training for every family, as in `space` but without the family: fixed, or searched. Epochs: --max-epochs.",
        factory=dict,
        unset="the families' own",
        group=WHAT,
    )
    space_version: int = _flag(
        SPACE_VERSION,
        "Edition of the built-in search spaces; 1 is that of versions up to 0.2. A study keeps the one that it began with.",
        limits=(1, SPACE_VERSION),
        group=ADVANCED,
    )
    enqueue: tuple[Mapping[str, Any], ...] = _flag(
        (),
        "YAML file with configurations to try first, right after the defaults: one mapping of parameters to values, or a list of "
        "them. Parameters left out are sampled. In a settings file: the mappings, or the file's name.",
        unset="none",
        group=ADVANCED,
        metavar="FILE",
    )
    fusion_from: str | None = _flag(
        None,
        "Study whose best signal and image models the fusion models start from; may be STUDY itself.",
        unset="fusions start untrained",
        group=ADVANCED,
        metavar="STUDY",
    )
    timing: bool = _flag(
        False,
        "Measure where the time of each trial goes: data, images, forward, backward, optimiser, validation, checkpoint, report. `status` "
        "and the dashboard show it. A GPU is slowed down by it.",
        group=LOGGING,
    )
    storage: str | None = _flag(
        None,
        "Database of the study: postgresql://USER@HOST:PORT/DATABASE. The study remembers it.",
        unset="the file study.db in STUDY",
        group=PLACES,
        metavar="URL",
    )
    checkpoints: str | None = _flag(
        None,
        "Where checkpoints go: a folder that all machines reach, or s3://BUCKET/PREFIX. The study remembers it.",
        unset="STUDY/checkpoints",
        group=PLACES,
        metavar="PLACE",
    )

    def __post_init__(self) -> None:
        check_settings(self)
        check_different("families", self.families)
        check_different("minimise", self.minimise, may_be_empty=True)
        rules_of_training(self.training, ())

    @property
    def epochs(self) -> int:
        """Epochs a trial may run, the profile's default applied."""
        return self.max_epochs or EPOCHS[self._size]

    @property
    def _size(self) -> str:
        return "full" if self.profile == AUTO else self.profile

    @property
    def rules(self) -> dict[str, Any]:
        """The user's changes of the space: those of `training` for each family, and those of `space`, which win."""
        return rules_of_training(self.training, self.families) | dict(self.space)

    @property
    def grace(self) -> int:
        """First rung, the profile's default applied."""
        return self.grace_epochs or GRACE[self._size]

    @property
    def measures_gpus(self) -> bool:
        """Whether each family's share of a GPU is measured when the search starts."""
        return self.gpus_per_trial == "auto"

    @property
    def gpus(self) -> float | None:
        """GPUs of a trial as a number; None when they are measured, or chosen by what the machines have."""
        return None if isinstance(self.gpus_per_trial, str) else self.gpus_per_trial
