"""The result of one epoch of training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

PER_CLASS = "per_class_"
"""How a row's columns with a value for each class begin."""


@dataclass(frozen=True)
class EpochResult:
    """The losses, metrics and circumstances of one epoch.

    Attributes:
        epoch: From 1.
        train_loss: Mean over the records of the epoch, while weights changed.
        validation_loss: Mean over validation records and their crops, after the epoch.
        metrics: Every entry of `ecg_tune.metrics.METRICS` on validation, higher is better.
        per_class: Every entry of `ecg_tune.metrics.PER_CLASS_METRICS` on validation, (n_classes,); NaN where a class lacks a label.
        learning_rate: At the start of the epoch.
        micro_batch: Records that went through the network at once; less than the batch size after memory had run out.
        seconds: Wall time of training and validation.
        ended_by: "patience" or "max_epochs" when this was the last epoch, else None.
    """

    epoch: int
    train_loss: float
    validation_loss: float
    metrics: dict[str, float]
    per_class: dict[str, tuple[float, ...]]
    learning_rate: float
    micro_batch: int
    seconds: float
    ended_by: str | None = None

    def as_row(self) -> dict[str, Any]:
        """Flatten the epoch into one row of a history; each metric becomes a column."""
        row: dict[str, Any] = dataclasses.asdict(self)
        del row["metrics"], row["per_class"]
        return {**row, **self.metrics, **{f"{PER_CLASS}{name}": list(values) for name, values in self.per_class.items()}}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Read the fields of a checkpoint; those of earlier versions have the AUC alone."""
        fields = dict(fields)
        per_class = fields.pop("per_class", None) or {"auc": fields.pop("per_class_auc")}
        return cls(**fields, per_class={name: tuple(values) for name, values in per_class.items()})
