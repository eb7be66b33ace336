"""Train a model again on train and validation together, with the epochs and learning rates of a reference model.

The reference model has the same config and seed, and was trained on train alone; validation decided when it stopped. The refit
uses all records of both splits, so that none is left to decide anything: epochs, learning rates, input scale, class weights
and thresholds are those of the reference model. Wherever validation decides (Platt scaling, choice, ensemble), the reference
model's predictions are used instead of the refit's.
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
from ecg_tune.training.auxiliary import training_loss
from ecg_tune.training.learner import Learner, LearningData
from ecg_tune.training.model_file import TRAIN_AND_VALIDATION, SavedModel
from ecg_tune.training.optimizers import SHARE


def refit_model(reference: SavedModel, data: PreparedData, *, device: str = "cpu") -> SavedModel:
    """Train the reference model's config and seed on train and validation, for as many epochs as its best one.

    Args:
        reference: Trained on the training split of `data`; its weights are not used.
        device: "cpu", "cuda" or "cuda:N".

    Returns:
        The refit. Its `validation_macro_auc` and thresholds are the reference model's; its history has no validation columns.

    Raises:
        NonFiniteLossError: A loss is not a finite number.
    """
    started = time.perf_counter()
    learner = _refit_learner(reference, data, torch.device(device))
    history = [_train_epoch(learner, row) for row in reference.history[: reference.best_epoch]]
    state: dict[str, Tensor] = {k: v.detach().cpu() for k, v in learner.validated.state_dict().items()}
    return dataclasses.replace(
        reference,
        state=state,
        epochs=len(history),
        seconds=time.perf_counter() - started,
        history=history,
        trained_on=TRAIN_AND_VALIDATION,
    )


def _refit_learner(reference: SavedModel, data: PreparedData, device: torch.device) -> Learner:
    """Make a learner on all records of both splits, with the reference model's normalisation and class weights."""
    train, validation = to_device(data.train, device), to_device(data.validation, device)
    both = DeviceSplit(
        torch.cat([train.signals_uv, validation.signals_uv]),
        torch.cat([train.labels, validation.labels]),
        train.images + validation.images if train.images and validation.images else None,
        None if train.certainty is None else torch.cat([train.certainty, torch.ones_like(validation.labels)]),
        None if train.statements is None else torch.cat([train.statements, _unknown(validation, train.statements)]),
        None if train.taught is None else torch.cat([train.taught, validation.labels]),  # nobody taught these
    )
    empty = both.first(0)  # no record is left to validate on
    loaded = LearningData(both, empty, reference.data["normalisation"], data.sampling_rate_hz)
    learner = Learner(reference.config, loaded, seed=reference.seed)
    learner.loss = training_loss(reference.config.training, train.labels)
    return learner


def _unknown(validation: DeviceSplit, statements: Tensor) -> Tensor:
    """Make the statements of validation, which are not read: (n_records, n_statements) of NaN."""
    return statements.new_full((len(validation), statements.shape[1]), math.nan)


def _train_epoch(learner: Learner, row: dict[str, Any]) -> dict[str, Any]:
    """Train one epoch like that of the reference model, and return its row of the history.

    Only "plateau" needs the reference model's learning rates; the other schedules count batches, not validation losses.

    Args:
        row: The reference model's history row of this epoch.
    """
    started, epoch = time.perf_counter(), int(row["epoch"])
    if learner.config.training.schedule == "plateau" and epoch > learner.config.training.warmup_epochs:
        for group in learner.optimizer.param_groups:
            group["lr"] = float(row["learning_rate"]) * group.get(SHARE, 1.0)
    rate = float(learner.optimizer.param_groups[0]["lr"])
    loss = learner.train_epoch()
    if not math.isfinite(loss):
        raise NonFiniteLossError(f"training loss is {loss} in epoch {epoch}: try a lower learning rate or gradient clipping")
    return {"epoch": epoch, "train_loss": loss, "learning_rate": rate, "seconds": time.perf_counter() - started}
