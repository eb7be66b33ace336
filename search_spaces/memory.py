"""Bound the widths of a space by memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ecg_tune.config import ModelConfig
from ecg_tune.errors import ConfigError
from ecg_tune.models import build_model, n_parameters
from search_spaces.suggestions import SpaceContext

BYTES_A_PARAMETER = 20
"""Weight, gradient, Adam's two moments and the best epoch's copy, in single precision. Activations are not in it: when
they don't fit, the batch is split (`ecg_tune.training.oom`); what a parameter costs can't be split."""

FILLING = {nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_, Tensor.uniform_, Tensor.normal_, Tensor.fill_, Tensor.zero_}

T = TypeVar("T")


class Unfilled(TorchFunctionMode):
    """Leaves new parameters unfilled: filling parameters of the meta device changes nothing, and took most of a network's making."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in FILLING:
            return args[0] if args else kwargs["tensor"]  # as they do: what they were to fill
        return func(*args, **(kwargs or {}))


@lru_cache(maxsize=4096)
def state_gb(config: ModelConfig, family: str, n_leads: int) -> float:
    """Compute the gigabytes that training a network's parameters takes: 20 bytes each, activations not counted."""
    with torch.device("meta"), Unfilled():
        model = build_model(config, family=family, n_leads=n_leads, n_channels=max(3, n_leads), n_classes=5)
    return n_parameters(model) * BYTES_A_PARAMETER / 1e9


def affordable(choices: tuple[T, ...], family: str, context: SpaceContext, largest: Callable[[T], Iterable[ModelConfig]]) -> tuple[T, ...]:
    """Keep the widths whose largest network fits the context's memory.

    The result depends on no other parameter: Optuna keeps one distribution for each name in a study.

    Args:
        choices: Widths, narrowest first.
        largest: Maps a choice to the largest networks that the rest of the space could make of it.

    Raises:
        ConfigError: Not even the narrowest fits.
    """
    fits = tuple(c for c in choices if all(state_gb(config, family, context.n_leads) <= context.memory_gb for config in largest(c)))
    if not fits:
        least = max(state_gb(config, family, context.n_leads) for config in largest(choices[0]))
        raise ConfigError(
            f"the narrowest {family} may need {least:.3g} GB, memory_gb={context.memory_gb:g}: give more, or leave {family} out"
        )
    return fits
