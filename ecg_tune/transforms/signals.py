"""Standardise signals and cut them into crops, as networks take them. Shapes are (batch, n_samples, n_leads)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def standardise(signal_mv: Tensor, normalisation: Mapping[str, Any]) -> Tensor:
    """Convert millivolts to standard deviations.

    A record's own mean and deviation are computed in double precision: the result is then the same to the last bit on every device and in
    exported models, whatever their order of summing. In single precision a flat lead of several millivolts would keep a deviation of
    rounding errors, which became its unit; and which bin of a Markov transition field an interpolated sample falls into would be chance.

    Args:
        signal_mv: (batch, n_samples, n_leads), millivolts.
        normalisation: {"kind": "global", "scale_mv": sd of the training split}, which keeps amplitudes comparable, or
            {"kind": "record"}: zero mean and unit variance for each record and lead (a constant lead becomes 0), or
            {"kind": "none"} in data of images alone, where there is nothing to convert.
    """
    if normalisation["kind"] == "none":
        return signal_mv
    if normalisation["kind"] == "global":
        return signal_mv / float(normalisation["scale_mv"])
    exact = signal_mv.double()
    mean, sd = exact.mean(1, keepdim=True), exact.std(1, keepdim=True, correction=0)
    return ((exact - mean) / torch.where(sd > 1e-6, sd, torch.ones_like(sd))).to(signal_mv.dtype)


def random_crop(signal: Tensor, length: int | None, *, generator: torch.Generator) -> Tensor:
    """Cut one crop out of each record, at a uniformly random start.

    Args:
        length: Samples; None, or the record's length or more, keeps whole records.
        generator: On the CPU, so that every device draws the same crops.

    Returns:
        (batch, length, n_leads).
    """
    n_samples = signal.shape[1]
    if length is None or length >= n_samples:
        return signal
    starts = torch.randint(0, n_samples - length + 1, (len(signal),), generator=generator)
    index = (starts[:, None] + torch.arange(length)).to(signal.device)  # (batch, length)
    return signal.gather(1, index[:, :, None].expand(-1, -1, signal.shape[2]))


def n_evaluation_crops(n_samples: int, length: int | None) -> int:
    """Count the crops that `evaluation_crops` cuts a record into; 7 for 2.5 s of 10 s."""
    if length is None or length >= n_samples:
        return 1
    return -(-(n_samples - length) // max(1, length // 2)) + 1


def evaluation_crops(signal: Tensor, length: int | None) -> Tensor:
    """Cut each record into half-overlapping crops, the last one ending with the record; their predictions are averaged.

    Args:
        length: Samples; None, or the record's length or more, gives one crop: the whole record.

    Returns:
        (batch, n_crops, length, n_leads); 7 crops for 2.5 s of 10 s.
    """
    n_samples = signal.shape[1]
    if length is None or length >= n_samples:
        return signal[:, None]
    starts = torch.linspace(0, n_samples - length, n_evaluation_crops(n_samples, length), device=signal.device).round().long()
    index = starts[:, None] + torch.arange(length, device=signal.device)  # (n_crops, length)
    return signal[:, index]
