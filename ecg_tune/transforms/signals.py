"""Signals as networks take them: standardised, and cut to crops. Shapes are (batch, n_samples, n_leads)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def standardise(signal_mv: Tensor, normalisation: Mapping[str, Any]) -> Tensor:
    """Return the signal in standard deviations.

    Args:
        signal_mv: Millivolts.
        normalisation: {"kind": "global", "scale_mv": sd of the training part}, which keeps amplitudes comparable, or
            {"kind": "record"}: zero mean and unit variance for each record and lead (a constant lead becomes 0).
    """
    if normalisation["kind"] == "global":
        return signal_mv / float(normalisation["scale_mv"])
    mean, sd = signal_mv.mean(1, keepdim=True), signal_mv.std(1, keepdim=True, correction=0)
    return (signal_mv - mean) / torch.where(sd > 1e-6, sd, torch.ones_like(sd))


def random_crop(signal: Tensor, length: int | None, *, generator: torch.Generator) -> Tensor:
    """Return one crop of `length` samples a record, its start drawn uniformly. None or a full length changes nothing.

    Args:
        generator: On the CPU, so that every device draws the same crops.
    """
    n_samples = signal.shape[1]
    if length is None or length >= n_samples:
        return signal
    starts = torch.randint(0, n_samples - length + 1, (len(signal),), generator=generator)
    index = (starts[:, None] + torch.arange(length)).to(signal.device)  # (batch, length)
    return signal.gather(1, index[:, :, None].expand(-1, -1, signal.shape[2]))


def evaluation_crops(signal: Tensor, length: int | None) -> Tensor:
    """Return the crops whose predictions are averaged: half overlapping, the last one ending with the record.

    Returns:
        (batch, n_crops, length, n_leads); 7 crops for 2.5 s of 10 s.
    """
    n_samples = signal.shape[1]
    if length is None or length >= n_samples:
        return signal[:, None]
    n_crops = -(-(n_samples - length) // max(1, length // 2)) + 1
    starts = torch.linspace(0, n_samples - length, n_crops, device=signal.device).round().long()
    index = starts[:, None] + torch.arange(length, device=signal.device)  # (n_crops, length)
    return signal[:, index]
