"""What trackers get of a trial: its config and where it comes from, once; each epoch's numbers, each under one name."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ecg_tune.study.attributes import StudyAttributes

GIT_TIMEOUT_S = 5
COUNTS = ("seconds", "best_epoch", "n_parameters", "micro_batch")
"""Numbers of a trainable's result that are passed on as they are named."""


class TrialRecord:
    """Stands for one of Tune's trials, with the config that trackers are to show.

    Attributes:
        config: Family, number and seed, the resolved config in parts ("model", "training", "image"), and the study's facts ("study").
    """

    def __init__(self, trial: Any, study: Mapping[str, Any]) -> None:
        task = trial.config
        self.trial = trial
        self.config = {name: task[name] for name in ("family", "number", "seed") if name in task}
        self.config |= {name: part for name, part in dict(task.get("trial", {})).items() if name != "family" and part is not None}
        self.config["study"] = dict(study)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trial, name)

    def __str__(self) -> str:
        return str(self.trial)


def study_facts(name: str, attributes: StudyAttributes) -> dict[str, Any]:
    """Gather what every trial of a study rests on, as plain data."""
    return {
        "name": name,
        "data_fingerprint": attributes.data_fingerprint,
        "split": attributes.split,
        "leads": ",".join(attributes.leads),
        "train_records": attributes.n_records.get("train"),
        "validation_records": attributes.n_records.get("validation"),
        "synthetic": attributes.synthetic,
        "metric": attributes.metric,
        "ecg_tune": _version(),
        "git_revision": git_revision(),
    }


def _version() -> str:
    try:
        return version("ecg-tune")
    except PackageNotFoundError:
        return "unknown"


def git_revision(folder: Path = Path(__file__).parent) -> str:
    """Ask git for the revision of the code that runs; "" where it lies in no repository.

    Args:
        folder: Of the code. "-dirty" is added where files were changed since.
    """
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def epoch_numbers(result: Mapping[str, Any], attributes: StudyAttributes) -> dict[str, Any]:
    """Name the numbers of an epoch's result; {} for one that holds none, as of a trial that failed.

    Args:
        result: What the trainable reported.
        attributes: Name the metric and the classes.

    Returns:
        The metric under its own name, losses, the AUC of each class at the best epoch so far, and `training_iteration`, the epoch:
        the step at which trackers draw it, also of a trial that resumes.
    """
    if result.get("fail_reason") or "value" not in result:
        return {}
    losses = {f"{split}_loss": value for split, value in dict(result.get("losses", {})).items()}
    aucs = dict(zip((f"best_epoch_auc/{name}" for name in attributes.class_names), result.get("per_class_auc", ()), strict=False))
    counts = {name: result[name] for name in COUNTS if result.get(name) is not None}
    return {attributes.metric or "value": result["value"], **losses, **aucs, **counts, "training_iteration": int(result["epoch"])}
