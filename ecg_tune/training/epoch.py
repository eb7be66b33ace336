"""The result of one epoch of training."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class EpochResult:
    """The losses, metrics and circumstances of one epoch.

    Attributes:
        epoch: From 1.
        train_loss: Mean over the records of the epoch, while weights changed.
        validation_loss: Mean over validation records and their crops, after the epoch.
        metrics: Every entry of `ecg_tune.metrics.METRICS` on validation, higher is better.
        per_class_auc: Validation AUC of each class; NaN for a class without both labels.
        learning_rate: At the start of the epoch.
        micro_batch: Records that went through the network at once; less than the batch size after memory had run out.
        seconds: Wall time of training and validation.
        ended_by: "patience" or "max_epochs" when this was the last epoch, else None.
    """

    epoch: int
    train_loss: float
    validation_loss: float
    metrics: dict[str, float]
    per_class_auc: tuple[float, ...]
    learning_rate: float
    micro_batch: int
    seconds: float
    ended_by: str | None = None

    def as_row(self) -> dict[str, Any]:
        """Flatten the epoch into one row of a history; each metric becomes a column."""
        row: dict[str, Any] = dataclasses.asdict(self)
        del row["metrics"]
        return {**row, **self.metrics, "per_class_auc": list(self.per_class_auc)}
