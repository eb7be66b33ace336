"""Train with the loaders, loss, optimiser and schedule that a script gives, as its own loop would."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from ecg_tune.config import TrainingConfig
from ecg_tune.errors import ConfigError, DataError
from ecg_tune.metrics import Array
from ecg_tune.training.epoch import EpochResult, measure_epoch, out_of_patience


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        history: Every epoch, oldest first.
        best_epoch: The one with the highest validation macro AUC, from 1.
        labels: Of the validation records, (n_records, n_classes) of 0/1, in the order of the loader in that epoch.
        probabilities: What the network predicted for them in that epoch, the same shape.
    """

    history: list[EpochResult]
    best_epoch: int
    labels: NDArray[Any]
    probabilities: Array


@dataclass(frozen=True)
class ClassicLoop:
    """Trains a network by what a script gives; see `analysis.compat.train_model`.

    Attributes:
        train_loader: Batches of (inputs, labels), which can be iterated again; labels are (batch, n_classes) of 0/1.
        criterion: Gives a batch's mean loss of logits and labels, both (batch, n_classes) float32.
        scheduler: Its `step` is called after each epoch, with the validation loss if it is a `ReduceLROnPlateau`. None for none.
        device: Where the network is trained.
    """

    network: nn.Module
    train_loader: Iterable[Any]
    val_loader: Iterable[Any]
    criterion: Callable[[Tensor, Tensor], Tensor]
    optimizer: Optimizer
    scheduler: Any
    device: torch.device

    def run(self, training: TrainingConfig, *, seed: int) -> Trained:
        """Train until patience or the last epoch; the network ends with the weights of the epoch with the best validation macro AUC.

        Args:
            training: Gives `max_epochs`, and `patience` in epochs since the lowest validation loss.
            seed: Of dropout, and of what loaders draw from torch's global generator, which stays as it was.

        Raises:
            ConfigError: The network does not take the batches, or the loss is not one number.
            DataError: A loader gives no batch, or one of another form.
            NonFiniteLossError: A loss or the metric is not a finite number.
        """
        history, best, state = list[EpochResult](), None, dict[str, Tensor]()
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)
            self._check_batch()
            while not history or history[-1].ended_by is None:
                result, labels, probabilities = self._epoch(len(history) + 1)
                losses = [*(one.validation_loss for one in history), result.validation_loss]
                patience = "patience" if out_of_patience(losses, training.patience) else None
                history.append(dataclasses.replace(result, ended_by="max_epochs" if len(losses) >= training.max_epochs else patience))
                if best is None or result.metrics["macro_auc"] > history[best.best_epoch - 1].metrics["macro_auc"]:
                    best = Trained(history, result.epoch, labels, probabilities)
                    state = {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}
        assert best is not None, "max_epochs is 1 or more"
        self.network.load_state_dict(state)
        self.network.eval()
        return best

    def _epoch(self, epoch: int) -> tuple[EpochResult, NDArray[Any], Array]:
        """Train and validate once; returns the labels and probabilities of validation too."""
        started, rate = time.perf_counter(), float(self.optimizer.param_groups[0]["lr"])
        train_loss, largest = self._train()
        validation_loss, labels, probabilities = self._validate()
        losses: dict[str, Any] = {"train_loss": train_loss, "validation_loss": validation_loss}
        seconds = time.perf_counter() - started
        result = measure_epoch(labels, probabilities, epoch=epoch, **losses, learning_rate=rate, micro_batch=largest, seconds=seconds)
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(validation_loss)
        elif self.scheduler is not None:
            self.scheduler.step()
        return result, labels, probabilities

    def _train(self) -> tuple[float, int]:
        """Train on every batch once; returns the mean loss over records, and the records of the largest batch."""
        self.network.train()
        total, sizes = torch.zeros((), device=self.device), list[int]()
        for inputs, labels in self._batches(self.train_loader, "train_loader"):
            self.optimizer.zero_grad()
            loss = self.criterion(self.network(*inputs), labels)
            loss.backward()
            self.optimizer.step()
            total += loss.detach() * len(labels)
            sizes.append(len(labels))
        return float(total) / sum(sizes), max(sizes)

    def _validate(self) -> tuple[float, NDArray[Any], Array]:
        """Predict validation: the mean loss over records, labels and probabilities (n_records, n_classes)."""
        self.network.eval()
        total, truth, probabilities = 0.0, list[Tensor](), list[Tensor]()
        with torch.inference_mode():
            for inputs, labels in self._batches(self.val_loader, "val_loader"):
                logits = self.network(*inputs).float()
                total += float(self.criterion(logits, labels)) * len(labels)
                truth.append(labels.cpu())
                probabilities.append(logits.sigmoid().double().cpu())
        labels = torch.cat(truth)
        return total / len(labels), labels.numpy().astype(np.uint8), torch.cat(probabilities).numpy()

    def _batches(self, loader: Iterable[Any], name: str) -> Iterator[tuple[tuple[Tensor, ...], Tensor]]:
        """Bring the batches of a loader to the device, as inputs of the network and labels."""
        is_empty = True
        for batch in loader:
            if not isinstance(batch, tuple | list) or len(batch) < 2:
                raise DataError(f"{name} gives a {type(batch).__name__}: batches must be (signal, labels) or (signal, image, labels)")
            *inputs, labels = batch
            pairs = inputs[0] if isinstance(inputs[0], tuple | list) else inputs  # ((signal, image), labels)
            yield tuple(one.to(self.device) for one in pairs), labels.to(self.device).float()
            is_empty = False
        if is_empty:
            raise DataError(f"{name} gave no batch: give a loader with records, which can be iterated in every epoch")

    def _check_batch(self) -> None:
        """Run the network on a batch of validation, so that what does not fit is said before anything is trained."""
        self.network.to(self.device).eval()
        inputs, labels = next(self._batches(self.val_loader, "val_loader"))
        shapes = " and ".join(str(tuple(one.shape)) for one in inputs)
        try:
            with torch.inference_mode():
                logits = self.network(*inputs)
                n_losses = self.criterion(logits, labels).numel()
        except (RuntimeError, TypeError, ValueError) as error:
            reason = (str(error).splitlines() or [""])[0]
            raise ConfigError(f"network and criterion do not take a batch of {shapes}, labels {tuple(labels.shape)} ({reason})") from error
        if logits.shape != labels.shape or not torch.isin(labels, labels.new_tensor([0, 1])).all():
            raise DataError(f"labels must be 0 or 1, {tuple(logits.shape)} as the network's outputs, but are {tuple(labels.shape)}")
        if n_losses != 1:
            raise ConfigError(f"criterion must give the mean loss of a batch, but gives {n_losses} numbers: take reduction='mean'")
