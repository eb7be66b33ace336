"""Train one config until patience or the last epoch, and pack the result as a model file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecg_tune.config import LARGEST_SEED, TrialConfig, check_range
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.metrics import Array, f1_thresholds
from ecg_tune.models import n_parameters
from ecg_tune.training.epoch import EpochResult
from ecg_tune.training.learner import Learner, LearningData, learning_data
from ecg_tune.training.model_file import SavedModel, describe_data
from ecg_tune.training.platt import platt_parameters
from ecg_tune.training.predictor import Predictor, predict_probabilities


@dataclass(frozen=True)
class Fit:
    """A finished training.

    Attributes:
        model: The network with the best epoch's weights, wrapped to take raw signals in millivolts.
        history: Every epoch, oldest first.
        best_epoch: The epoch with the highest validation metric, from 1.
        seed: Of weights, order, crops and dropout.
    """

    config: TrialConfig
    model: Predictor
    history: list[EpochResult]
    best_epoch: int
    seed: int

    @property
    def best(self) -> EpochResult:
        """The result of the best epoch."""
        return self.history[self.best_epoch - 1]

    def rows(self) -> list[dict[str, Any]]:
        """Flatten the history into rows, one an epoch."""
        return [result.as_row() for result in self.history]


def train_model(
    config: TrialConfig,
    data: PreparedData | LearningData,
    *,
    seed: int = 0,
    device: str = "cpu",
    metric: str = "macro_auc",
    on_epoch: Callable[[EpochResult], None] | None = None,
) -> Fit:
    """Train one config on train, and keep the weights of the epoch that is best on validation.

    Args:
        data: Prepared data, or train and validation already on a device (`device` is then ignored).
        seed: Of weights, order, crops and dropout; 0 to 2**31 - 1.
        device: "cpu", "cuda" or "cuda:N".
        metric: Entry of `ecg_tune.metrics.METRICS` that chooses the best epoch.
        on_epoch: Called after every epoch.

    Raises:
        ConfigError: The seed is out of range.
        NonFiniteLossError: A loss is not a finite number.

    Example:
        >>> from ecg_tune.data.prepared.dataset import open_prepared
        >>> from ecg_tune.models import trial_config
        >>> config = trial_config({"family": "cnn1d", "training": {"max_epochs": 2}})
        >>> fit = train_model(config, open_prepared("data"), seed=0)
        >>> len(fit.history), fit.best_epoch in (1, 2)
        (2, True)
    """
    check_range("seed", seed, 0, LARGEST_SEED)
    loaded = data if isinstance(data, LearningData) else learning_data(data, torch.device(device))
    learner = Learner(config, loaded, seed=seed, metric=metric)
    while not learner.ended_by:
        result = learner.step()
        if on_epoch:
            on_epoch(result)
    learner.validated.load_state_dict(learner.best_state)
    return Fit(config=config, model=learner.predictor.eval(), history=learner.history, best_epoch=learner.best_epoch, seed=seed)


def saved_model(fit: Fit, data: PreparedData, *, name: str, trial: int | None = None, device: str = "cpu") -> SavedModel:
    """Pack a finished training for `save_model`, with thresholds and Platt scaling chosen on validation.

    Args:
        data: The prepared data that it was trained on.
        name: E.g. "ResNet#2".
        trial: Number of the trial that is retrained; None when it was trained without a search.
        device: Where validation is predicted.
    """
    probabilities = predict_probabilities(fit.model, data.validation, device=device)
    return packed_model(fit, describe_data(data), data.validation.labels, probabilities, name=name, trial=trial)


def packed_model(
    fit: Fit, facts: dict[str, Any], labels: NDArray[np.generic], probabilities: Array, *, name: str, trial: int | None = None
) -> SavedModel:
    """Pack a finished training with the facts about its data; see `saved_model`.

    Args:
        facts: `SavedModel.data`.
        labels: Of the validation records, (n_records, n_classes) of 0/1.
        probabilities: What the model predicts for them, the same shape.
        name: As in `saved_model`, as is `trial`.
    """
    state: dict[str, Tensor] = {k: v.detach().cpu() for k, v in fit.model.model.state_dict().items()}
    return SavedModel(
        name=name,
        config=fit.config,
        data=facts,
        state=state,
        thresholds={"half": [0.5] * labels.shape[1], "f1": f1_thresholds(labels, probabilities).tolist()},
        trial=trial,
        seed=fit.seed,
        validation_macro_auc=fit.best.metrics["macro_auc"],
        best_epoch=fit.best_epoch,
        epochs=len(fit.history),
        seconds=sum(result.seconds for result in fit.history),
        n_parameters=n_parameters(fit.model.model),
        history=fit.rows(),
        platt=platt_parameters(labels, probabilities).tolist(),
    )
