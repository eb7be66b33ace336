"""Turn signals into images on the signals' device: GASF, GADF and MTF, equal to those of pyts.

Each function maps (…, n_samples) to (…, size, size). Rows and columns are time, from top and left. Block means use the
bounds floor(linspace(0, n_samples, size + 1)); at 10 s a pixel of a 224 px image is 45 ms wide, at 2.5 s 11 ms.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ecg_tune.config import ImageConfig
from ecg_tune.errors import ConfigError

GLOBAL_RANGE = 6.0
"""Amplitude, in standard deviations of the training split, that the global scale maps to 1 (about 1.4 mV on PTB-XL)."""


def block_mean(values: Tensor, size: int) -> Tensor:
    """Average `size` consecutive blocks along the last axis, in double precision.

    Double, because the square root in the Gramian fields turns an error of 1e-7 into one of 4e-4.

    Args:
        values: (…, n_samples).
        size: 1..n_samples.

    Returns:
        (…, size) float64.

    Raises:
        ConfigError: `size` is out of range.
    """
    n_samples = values.shape[-1]
    if not 1 <= size <= n_samples:
        raise ConfigError(f"image size must be 1..{n_samples} for a signal of {n_samples} samples, but got {size}")
    bounds = torch.linspace(0, n_samples, size + 1, dtype=torch.float64, device=values.device).long()
    total = torch.nn.functional.pad(values.double().cumsum(-1), (1, 0))
    return (total[..., bounds[1:]] - total[..., bounds[:-1]]) / (bounds[1:] - bounds[:-1])


def unit_range(values: Tensor, scale: str) -> Tensor:
    """Scale amplitudes to [-1, 1].

    Args:
        values: (…, n_samples) in standard deviations.
        scale: "series": each series' minimum to -1 and maximum to 1 (a constant series becomes -1, as in pyts).
            "global": `GLOBAL_RANGE` to 1, clipped, so that amplitudes stay comparable between records.
    """
    if scale == "global":
        return (values / GLOBAL_RANGE).clamp(-1, 1)
    low, high = values.amin(-1, keepdim=True), values.amax(-1, keepdim=True)
    width = high - low
    return 2 * (values - low) / torch.where(width > 0, width, torch.ones_like(width)) - 1


def _cos_sin(signal: Tensor, size: int, scale: str) -> tuple[Tensor, Tensor]:
    cos = unit_range(block_mean(signal, size), scale)
    return cos.to(signal.dtype), (1 - cos * cos).clamp(min=0).sqrt().to(signal.dtype)


def gasf(signal: Tensor, size: int, *, scale: str = "series") -> Tensor:
    """Compute the Gramian angular summation field cos(φi + φj), in [-1, 1] (Wang & Oates, 2015).

    Args:
        signal: (…, n_samples), standardised.
        size: Pixels a side, 1..n_samples.
        scale: "series" or "global", see `unit_range`.
    """
    cos, sin = _cos_sin(signal, size, scale)
    left, right = torch.stack([cos, sin], -1), torch.stack([cos, -sin], -2)
    return left @ right


def gadf(signal: Tensor, size: int, *, scale: str = "series") -> Tensor:
    """Compute the Gramian angular difference field sin(φi - φj), in [-1, 1] (Wang & Oates, 2015). Arguments as `gasf`."""
    cos, sin = _cos_sin(signal, size, scale)
    left, right = torch.stack([sin, cos], -1), torch.stack([cos, -sin], -2)
    return left @ right


def mtf(signal: Tensor, size: int, *, n_bins: int = 8) -> Tensor:
    """Compute the Markov transition field, in [0, 1] (Wang & Oates, 2015).

    Samples are binned by the series' own quantiles, so the image shows no amplitudes, whatever the scale. The n_samples ×
    n_samples field is never built: with P the share of each bin in each block (size, n_bins) and W the transition
    probabilities (n_bins, n_bins), the block-averaged field is P W Pᵀ.
    """
    values = signal.double()
    levels = torch.linspace(0, 1, n_bins + 1, dtype=torch.float64, device=signal.device)[1:-1]
    edges = torch.quantile(values, levels, dim=-1).movedim(0, -1).contiguous()
    binned = torch.searchsorted(edges, values.contiguous(), right=False)
    one_hot = torch.nn.functional.one_hot(binned, n_bins).to(signal.dtype)  # (…, n_samples, n_bins)
    counts = one_hot[..., :-1, :].mT @ one_hot[..., 1:, :]
    transition = counts / counts.sum(-1, keepdim=True).clamp(min=1)
    share = block_mean(one_hot.mT, size).to(signal.dtype).mT
    return share @ transition @ share.mT


def _gasf(leads: Tensor, config: ImageConfig) -> Tensor:
    return gasf(leads, config.size, scale=config.scale)


def _gadf(leads: Tensor, config: ImageConfig) -> Tensor:
    return gadf(leads, config.size, scale=config.scale)


def _mtf(leads: Tensor, config: ImageConfig) -> Tensor:
    return mtf(leads, config.size, n_bins=config.mtf_bins)


IMAGES: dict[str, Callable[[Tensor, ImageConfig], Tensor]] = {"gasf": _gasf, "gadf": _gadf, "mtf": _mtf}


def n_channels(config: ImageConfig, n_leads: int) -> int:
    """Count the channels of the images that `make_images` makes."""
    return len(IMAGES) if config.kind == "triple" else n_leads


def make_images(signal: Tensor, config: ImageConfig) -> Tensor:
    """Compute the images of a batch of signals, on the signals' device.

    Args:
        signal: (batch, n_samples, n_leads), standardised.

    Returns:
        (batch, n_channels, size, size): one lead a channel, or for "triple" GASF, GADF and MTF of lead `config.lead`.

    Raises:
        ConfigError: `config.lead` is not a lead of the signal.
    """
    leads = signal.mT  # (batch, n_leads, n_samples)
    if leads.shape[2] < config.size:  # fewer samples than pixels: the samples between are interpolated
        leads = torch.nn.functional.interpolate(leads, size=config.size, mode="linear", align_corners=True)
    if config.kind != "triple":
        return IMAGES[config.kind](leads, config)
    if config.lead >= leads.shape[1]:
        raise ConfigError(f"image lead must be 0..{leads.shape[1] - 1}, but got {config.lead}")
    lead = leads[:, config.lead]
    return torch.stack([make(lead, config) for make in IMAGES.values()], dim=1)
