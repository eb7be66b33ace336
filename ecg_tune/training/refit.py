"""Train on train and validation together, when a model trained on train alone has shown how.

The twin, same config and seed, was trained on train; validation told it when to stop. Here every record of both parts trains,
so that none is left to fit anything on: epochs, learning rates, input scale, class weights and thresholds are the twin's, and
the twin's answers on validation stand for those of this model wherever validation decides (Platt scaling, choice, ensemble).
"""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Any

import torch
from torch import Tensor

from ecg_tune.data.loaders import DeviceSplit, to_device
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.errors import NonFiniteLossError
from ecg_tune.training.learner import Learner, LearningData
from ecg_tune.training.loss import make_loss
from ecg_tune.training.model_file import TRAIN_AND_VALIDATION, SavedModel


def refit_model(twin: SavedModel, data: PreparedData, *, device: str = "cpu") -> SavedModel:
    """Return the model that the twin's config and seed give on train and validation, after as many epochs as the twin's best.

    Its `validation_macro_auc` and thresholds are the twin's; its history has no validation columns.

    Args:
        twin: Trained on the training part of `data`; its weights are not used.

    Raises:
        NonFiniteLossError: A loss is not a finite number.
    """
    started = time.perf_counter()
    place = torch.device(device)
    train, validation = to_device(data.train, place), to_device(data.validation, place)
    learner = _learner(twin, train, validation, twin.data["normalisation"], data.sampling_rate_hz)
    history = []
    for row in twin.history[: twin.best_epoch]:
        history.append(_epoch(learner, row))
    state: dict[str, Tensor] = {k: v.detach().cpu() for k, v in learner.model.state_dict().items()}
    seconds = time.perf_counter() - started
    return dataclasses.replace(twin, state=state, epochs=len(history), seconds=seconds, history=history, trained_on=TRAIN_AND_VALIDATION)


def _learner(twin: SavedModel, train: DeviceSplit, validation: DeviceSplit, normalisation: dict[str, Any], rate_hz: int) -> Learner:
    both = DeviceSplit(
        torch.cat([train.signals_uv, validation.signals_uv]),
        torch.cat([train.labels, validation.labels]),
    )
    nothing = DeviceSplit(both.signals_uv[:0], both.labels[:0])  # no record is left that could judge
    learner = Learner(twin.config, LearningData(both, nothing, normalisation, rate_hz), seed=twin.seed)
    learner.loss = make_loss(twin.config.training, train.labels)
    return learner


def _epoch(learner: Learner, row: dict[str, Any]) -> dict[str, Any]:
    """Train one epoch at the twin's learning rate; schedules that go by batches, not by validation, keep their own pace."""
    began, epoch = time.perf_counter(), int(row["epoch"])
    if learner.config.training.schedule == "plateau":
        for group in learner.optimizer.param_groups:
            group["lr"] = float(row["learning_rate"])
    rate = float(learner.optimizer.param_groups[0]["lr"])
    loss = learner.train_epoch()
    if not math.isfinite(loss):
        raise NonFiniteLossError(f"training loss is {loss} in epoch {epoch}: try a lower learning rate or gradient clipping")
    return {"epoch": epoch, "train_loss": loss, "learning_rate": rate, "seconds": time.perf_counter() - began}
