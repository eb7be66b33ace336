"""Mixup (Zhang et al., 2018): train on weighted means of two records, with the same means of their labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def mixup(inputs: Sequence[Tensor], labels: Tensor, alpha: float, *, generator: torch.Generator) -> tuple[list[Tensor], Tensor]:
    """Mix each record of a batch with another one, all by one share drawn from Beta(alpha, alpha).

    Args:
        inputs: The standardised signals (batch, n_samples, n_leads), of whose mixture images are made; beside them maybe stored images
            (batch, n_channels, size, size).
        labels: (batch, n_classes) in 0..1.
        alpha: Above 0, at most 1; the larger, the nearer to halves.
        generator: Draws the share and the partners, on the CPU.

    Returns:
        The mixed inputs and labels, of the same shapes.
    """
    share = beta(alpha, generator=generator)
    partner = torch.randperm(len(labels), generator=generator).to(labels.device)
    return [torch.lerp(own[partner], own, share) for own in inputs], torch.lerp(labels[partner], labels, share)


def beta(alpha: float, *, generator: torch.Generator) -> float:
    """Draw from Beta(alpha, alpha), alpha at most 1, by Jöhnk's method (1964); torch's own draws take no generator."""
    while True:
        x, y = (u ** (1 / alpha) for u in torch.rand(2, generator=generator, dtype=torch.float64).tolist())
        if 0 < x + y <= 1:
            return float(x / (x + y))
