"""Mixup (Zhang et al., 2018): train on weighted means of two records, with the same means of their labels."""

from __future__ import annotations

import torch
from torch import Tensor


def mixup(signal: Tensor, labels: Tensor, alpha: float, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mix each record of a batch with another one, all by one share drawn from Beta(alpha, alpha).

    Args:
        signal: (batch, n_samples, n_leads), standardised; images are made of the mixed signals.
        labels: (batch, n_classes) in 0..1.
        alpha: Above 0, at most 1; the larger, the nearer to halves.
        generator: Draws the share and the partners, on the CPU.

    Returns:
        The mixed signal and labels, of the same shapes.
    """
    share = beta(alpha, generator=generator)
    partner = torch.randperm(len(signal), generator=generator).to(signal.device)
    return torch.lerp(signal[partner], signal, share), torch.lerp(labels[partner], labels, share)


def beta(alpha: float, *, generator: torch.Generator) -> float:
    """Draw from Beta(alpha, alpha), alpha at most 1, by Jöhnk's method (1964); torch's own draws take no generator."""
    while True:
        x, y = (u ** (1 / alpha) for u in torch.rand(2, generator=generator, dtype=torch.float64).tolist())
        if 0 < x + y <= 1:
            return float(x / (x + y))
