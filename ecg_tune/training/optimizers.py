"""Optimisers and learning-rate schedules, one registry entry each."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from ecg_tune.config import TrainingConfig

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": torch.optim.Adam,  # Kingma & Ba, 2015; weight decay enters the gradient
    "adamw": torch.optim.AdamW,  # Loshchilov & Hutter, 2019; weight decay beside it
}


def make_optimizer(model: nn.Module, config: TrainingConfig) -> Optimizer:
    """Build the optimiser that a config names, over all parameters of a model."""
    return OPTIMIZERS[config.optimizer](model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)


def plateau(optimizer: Optimizer, config: TrainingConfig, n_batches: int) -> LRScheduler:
    """Halve the rate after 2 epochs without a lower validation loss (torch's own default of 10 outlasts the patience)."""
    return ReduceLROnPlateau(optimizer, factor=0.5, patience=2)


def one_cycle(optimizer: Optimizer, config: TrainingConfig, n_batches: int) -> LRScheduler:
    """Warm up to the learning rate and anneal far below it, one batch at a time (Smith & Topin, 2018)."""
    return OneCycleLR(optimizer, max_lr=config.learning_rate, total_steps=config.max_epochs * n_batches)


def cosine(optimizer: Optimizer, config: TrainingConfig, n_batches: int) -> LRScheduler:
    """Anneal to zero along half a cosine, one batch at a time (Loshchilov & Hutter, 2017, without restarts)."""
    return CosineAnnealingLR(optimizer, T_max=config.max_epochs * n_batches)


SCHEDULES: dict[str, Callable[[Optimizer, TrainingConfig, int], LRScheduler]] = {
    "plateau": plateau,
    "one_cycle": one_cycle,
    "cosine": cosine,
}


class Schedule:
    """Steps a learning-rate schedule when it is due: after every batch, or after every epoch on the validation loss."""

    def __init__(self, optimizer: Optimizer, config: TrainingConfig, *, n_batches: int) -> None:
        self.scheduler = SCHEDULES[config.schedule](optimizer, config, n_batches)

    def batch_done(self) -> None:
        if not isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step()

    def epoch_done(self, validation_loss: float) -> None:
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(validation_loss)
