"""Optimisers and learning-rate schedules, one registry entry each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from ecg_tune.config import TrainingConfig

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": torch.optim.Adam,  # Kingma & Ba, 2015; weight decay enters the gradient
    "adamw": torch.optim.AdamW,  # Loshchilov & Hutter, 2019; weight decay beside it
}


SHARE = "share"
"""Key of a parameter group: its learning rate as a share of the config's."""


def make_optimizer(model: nn.Module, config: TrainingConfig, *, slow: Sequence[nn.Parameter] = (), share: float = 1.0) -> Optimizer:
    """Build the optimiser that a config names, over all parameters of a model.

    Args:
        model: The network.
        config: How it is trained.
        slow: Parameters with a lower learning rate.
        share: That rate as a share of the config's; 1 makes no difference between parameters.
    """
    groups: Any = model.parameters()
    if share != 1:
        apart = {id(parameter) for parameter in slow}
        rest = [parameter for parameter in model.parameters() if id(parameter) not in apart]
        groups = [{"params": rest}, {"params": list(slow), "lr": share * config.learning_rate, SHARE: share}]
    return OPTIMIZERS[config.optimizer](groups, lr=config.learning_rate, weight_decay=config.weight_decay)


def plateau(optimizer: Optimizer, config: TrainingConfig, n_batches: int) -> LRScheduler:
    """Halve the rate after 2 epochs without a lower validation loss (torch's own default of 10 outlasts the patience)."""
    return ReduceLROnPlateau(optimizer, factor=0.5, patience=2)


def one_cycle(optimizer: Optimizer, config: TrainingConfig, n_batches: int) -> LRScheduler:
    """Warm up to the learning rate and anneal far below it, one batch at a time (Smith & Topin, 2018)."""
    highest = [config.learning_rate * group.get(SHARE, 1.0) for group in optimizer.param_groups]
    return OneCycleLR(optimizer, max_lr=highest, total_steps=config.max_epochs * n_batches)


def cosine(optimizer: Optimizer, config: TrainingConfig, n_batches: int) -> LRScheduler:
    """Anneal to zero along half a cosine, one batch at a time (Loshchilov & Hutter, 2017, without restarts)."""
    return CosineAnnealingLR(optimizer, T_max=config.max_epochs * n_batches)


SCHEDULES: dict[str, Callable[[Optimizer, TrainingConfig, int], LRScheduler]] = {
    "plateau": plateau,
    "one_cycle": one_cycle,
    "cosine": cosine,
}


class Schedule:
    """Steps a learning-rate schedule when it is due: after every batch, or after every epoch on the validation loss.

    With `warmup_epochs` the rate also rises linearly, batch by batch, from 0 to what the schedule says.
    """

    def __init__(self, optimizer: Optimizer, config: TrainingConfig, *, n_batches: int) -> None:
        self.scheduler = SCHEDULES[config.schedule](optimizer, config, n_batches)
        n_warm = config.warmup_epochs * n_batches
        self.warmup = LinearLR(optimizer, start_factor=1 / (n_warm + 1), total_iters=n_warm) if n_warm else None

    def state_dict(self) -> dict[str, Any]:
        """Collect the state of the schedule, and of the warm-up where there is one."""
        return {**self.scheduler.state_dict(), **({"warmup": self.warmup.state_dict()} if self.warmup else {})}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a `state_dict`."""
        state = dict(state)
        if self.warmup:
            self.warmup.load_state_dict(state.pop("warmup"))
        self.scheduler.load_state_dict(state)

    def batch_done(self) -> None:
        if self.warmup:
            self.warmup.step()
        if not isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step()

    def epoch_done(self, validation_loss: float) -> None:
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(validation_loss)
