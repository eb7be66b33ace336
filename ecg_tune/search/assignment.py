"""What the engine hands to a worker, and which facts of a trial come back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ecg_tune.study.trial import Trial

RESULT_FIELDS = {
    "epochs": "epochs_trained",
    **{
        name: name
        for name in ("seconds", "device", "node", "worker", "n_parameters", "per_class_auc", "best_epoch", "micro_batch", "checkpoint")
    },
}
"""What a trial's last result says → the field of `Trial` that keeps it."""


@dataclass(frozen=True)
class Assignment:
    """One trial for a worker.

    Attributes:
        path: Folder of its checkpoints, relative to where the study keeps them.
        reported: Epochs whose values the study already holds.
        micro_batch: Records at once; None: the whole batch, unless memory runs out.
        timing: Where its time went on earlier workers; empty unless that is measured.
    """

    number: int
    family: str
    config: dict[str, Any]
    seed: int
    path: str
    reported: int
    micro_batch: int | None = None
    timing: Mapping[str, float] = field(default_factory=dict)


def assignment_of(trial: Trial) -> Assignment:
    """Make a trial of this engine an assignment: from its start, or from where it was left."""
    assert trial.seed is not None, "every trial of this engine has one"
    assert trial.path is not None, "and a path"
    return Assignment(
        trial.number, trial.family, dict(trial.config), trial.seed, trial.path, trial.last_epoch, trial.micro_batch_after_oom,
        dict(trial.timing),
    )  # fmt: skip


def last_facts(result: Mapping[str, Any], *, best: float) -> dict[str, Any]:
    """Return what a trial's last result says of it, as fields of `Trial`.

    Args:
        best: Its best value, the first of its objectives where there are several.
    """
    facts = {field: result[name] for name, field in RESULT_FIELDS.items() if name in result}
    return facts | timing_facts(result) | ({"objectives": (best, *result["costs"])} if result.get("costs") else {})


def timing_facts(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return where a trial's time went, as a field of `Trial`; nothing where its worker did not measure that."""
    return {"timing": dict(result["timing"])} if result.get("timing") else {}
