"""Averaged weights: what is validated, kept and saved is a mean of the weights that training went through.

The mean lies nearer to the middle of the valley that a training wanders in, so its metric moves less from epoch to epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ecg_tune.config import TrainingConfig

DECAY = 0.99
"""Of the exponential mean, a step; smaller at first, so that the initial weights are soon forgotten."""
SWA_FROM = 0.75
"""Share of the epochs after which the equal mean begins."""

Tensors = tuple[Tensor, ...] | list[Tensor]


class AveragedWeights:
    """A copy of a network that holds the mean of its weights and buffers.

    - "ema": after every step the mean moves by 1 - min(0.99, (1 + n) / (10 + n)) of the way to the weights (Polyak & Juditsky, 1992,
      with an exponential window).
    - "swa": the equal mean of the weights at the ends of the last quarter of epochs (Izmailov et al., 2018); until then those of the last
      epoch. Statistics of batch normalisation are averaged with the weights instead of computed again.

    Args:
        network: Built, on its device.
        config: Its `averaging` is "ema" or "swa".

    Attributes:
        network: The copy, which is validated.
    """

    def __init__(self, network: nn.Module, config: TrainingConfig) -> None:
        self.kind = config.averaging
        self.first_epoch = math.ceil(SWA_FROM * config.max_epochs)
        self.model = AveragedModel(network, multi_avg_fn=_moved(_ema_weight if self.kind == "ema" else _equal_weight), use_buffers=True)
        self.network: nn.Module = self.model.module
        self.n_epochs = 0

    def step_done(self, network: nn.Module) -> None:
        """Take in the weights after an optimiser step."""
        if self.kind == "ema":
            self.model.update_parameters(network)

    def epoch_done(self, network: nn.Module) -> None:
        """Take in the weights after an epoch."""
        self.n_epochs += 1
        if self.kind == "swa":
            if self.n_epochs <= self.first_epoch:
                self.model.n_averaged.zero_()  # the next weights replace the mean
            self.model.update_parameters(network)

    def state_dict(self) -> dict[str, Any]:
        """Collect the mean, how many weights are in it, and the epochs so far."""
        return {"model": self.model.state_dict(), "n_epochs": self.n_epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a `state_dict`."""
        self.model.load_state_dict(state["model"])
        self.n_epochs = state["n_epochs"]


def _ema_weight(n: int) -> float:
    return 1 - min(DECAY, (1 + n) / (10 + n))


def _equal_weight(n: int) -> float:
    return 1 / (n + 1)


def _moved(weight: Callable[[int], float]) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Move a mean of n weights towards the next ones; whole numbers, such as counters of batches, are copied."""

    @torch.no_grad()
    def move(mean: Tensors, latest: Tensors, n_averaged: Tensor | int) -> None:
        if mean[0].is_floating_point():
            torch._foreach_lerp_(list(mean), list(latest), weight(int(n_averaged)))
        else:
            for own, other in zip(mean, latest, strict=True):
                own.copy_(other)

    return move
