"""The result of one epoch of training, and whether it was the last one that patience allows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ecg_tune.errors import NonFiniteLossError
from ecg_tune.metrics import macro_metrics, per_class_metrics

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


def measure_epoch(
    labels: NDArray[np.generic],
    probabilities: NDArray[np.generic],
    *,
    metric: str = "macro_auc",
    epoch: int,
    train_loss: float,
    validation_loss: float,
    **circumstances: Any,
) -> EpochResult:
    """Compute the metrics of an epoch on validation.

    Args:
        labels: Of the validation records, (n_records, n_classes) of 0/1.
        probabilities: The same shape, 0..1.
        metric: Entry of `METRICS` that chooses the best epoch.
        epoch: From 1.
        train_loss: See `EpochResult`, as for `validation_loss` and the `circumstances`.

    Raises:
        NonFiniteLossError: A loss or the metric is not a finite number.
    """
    per_class = per_class_metrics(labels, probabilities)
    metrics = macro_metrics(per_class)
    for name, value in (("training loss", train_loss), ("validation loss", validation_loss), (metric, metrics[metric])):
        if not math.isfinite(value):
            raise NonFiniteLossError(f"{name} is {value} in epoch {epoch}: try a lower learning rate or gradient clipping")
    listed = {name: tuple(values.tolist()) for name, values in per_class.items()}
    return EpochResult(
        epoch=epoch, train_loss=train_loss, validation_loss=validation_loss, metrics=metrics, per_class=listed, **circumstances
    )


def out_of_patience(validation_losses: Sequence[float], patience: int) -> bool:
    """Check whether the lowest validation loss is `patience` epochs old, or older.

    Args:
        validation_losses: Of all epochs so far, one or more, oldest first.
        patience: Epochs, from 1.
    """
    return len(validation_losses) - 1 - validation_losses.index(min(validation_losses)) >= patience
