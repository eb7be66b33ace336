"""How a training computes: in which precision, and whether with the same bits every time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


def mixed_precision(model: nn.Module, device: torch.device) -> torch.autocast:
    """Compute in bfloat16 in the block where hardware multiplies it: on GPUs and CPUs with AMX. Elsewhere it is 10 times slower.

    CPUs with AVX-512 for it train convolutions in two thirds of the time, but recurrent layers in almost twice of it.

    Args:
        model: What is trained.
        device: Where its weights are.
    """
    has, is_recurrent = torch.cpu.get_capabilities().get, any(isinstance(module, nn.RNNBase) for module in model.modules())
    is_faster = device.type == "cuda" or has("amx_bf16") or (has("avx512_bf16") and not is_recurrent)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bool(is_faster))


@contextmanager
def deterministic(enabled: bool) -> Iterator[None]:
    """Allow torch reproducible algorithms only, and refuse operations that have none.

    Args:
        enabled: False leaves in the block what holds outside of it.
    """
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(enabled or before)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
