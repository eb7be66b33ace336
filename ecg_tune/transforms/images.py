"""Turn signals into images on the signals' device: GASF, GADF and MTF, equal to those of pyts.

Each function maps (…, n_samples) to (…, size, size). Rows and columns are time, from top and left. Block means use the
bounds floor(linspace(0, n_samples, size + 1)); at 10 s a pixel of a 224 px image is 45 ms wide, at 2.5 s 11 ms.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ecg_tune.config import STORED, ImageConfig
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
    _check_size(size, n_samples)
    bounds = block_bounds(n_samples, size).to(values.device)
    totals = torch.nn.functional.pad(values.cumsum(-1, dtype=torch.float64), (1, 0))[..., bounds]  # (…, size + 1)
    return totals.diff(dim=-1) / bounds.diff()


def block_bounds(n_samples: int, size: int) -> Tensor:
    """Divide a series into blocks of almost equal length, by the rule and the rounding of pyts; (size + 1,) int64, from 0 to n_samples.

    `torch.linspace` rounds otherwise: of 1000 samples and 120 pixels, one bound came out a sample earlier.
    """
    return torch.from_numpy(np.linspace(0, n_samples, size + 1).astype(np.int64))


def _check_size(size: int, n_samples: int) -> None:
    if not 1 <= size <= n_samples:
        raise ConfigError(f"image size must be 1..{n_samples} for a signal of {n_samples} samples, but got {size}")


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
    return _outer_difference(cos, cos, sin, sin)


def gadf(signal: Tensor, size: int, *, scale: str = "series") -> Tensor:
    """Compute the Gramian angular difference field sin(φi - φj), in [-1, 1] (Wang & Oates, 2015). Arguments as `gasf`."""
    cos, sin = _cos_sin(signal, size, scale)
    return _outer_difference(sin, cos, cos, sin)


def _outer_difference(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Compute a bᵀ - c dᵀ, where each is (…, size). Matrix products over an inner axis of two take twice as long on a CPU."""
    return (a[..., :, None] * b[..., None, :]).addcmul_(c[..., :, None], d[..., None, :], value=-1)


def mtf(signal: Tensor, size: int, *, n_bins: int = 8) -> Tensor:
    """Compute the Markov transition field, in [0, 1] (Wang & Oates, 2015).

    Samples are binned by the series' own quantiles, so the image shows no amplitudes, whatever the scale. The n_samples ×
    n_samples field is never built: with P the share of each bin in each block (size, n_bins) and W the transition
    probabilities (n_bins, n_bins), the block-averaged field is P W Pᵀ.
    """
    n_samples = signal.shape[-1]
    _check_size(size, n_samples)
    bins = _quantile_bins(signal.detach().contiguous(), n_bins)  # (…, n_samples)
    moves = _histogram(bins[..., :-1] * n_bins + bins[..., 1:], n_bins**2).unflatten(-1, (n_bins, n_bins))
    transition = moves / moves.sum(-1, keepdim=True).clamp(min=1)
    lengths = block_bounds(n_samples, size).diff().to(signal.device)
    block = torch.arange(size, device=signal.device).repeat_interleave(lengths, output_size=n_samples)
    share = _histogram(block * n_bins + bins, size * n_bins).unflatten(-1, (size, n_bins)) / lengths[:, None]
    field: Tensor = share @ transition @ share.mT
    return field.to(signal.dtype)


def _quantile_bins(values: Tensor, n_bins: int) -> Tensor:
    """Number each sample's bin, 0..n_bins - 1: a bin reaches from above one quantile of its series up to the next one."""
    ranks = quantile_ranks(values.shape[-1], n_bins).to(values.device)
    # NumPy sorts with vector instructions, seven times faster than torch
    ordered = torch.from_numpy(np.sort(values.numpy())) if values.device.type == "cpu" else values.sort(-1).values
    below, above = (ordered[..., rank.long()].double() for rank in (ranks.floor(), ranks.ceil()))
    return torch.searchsorted(below.lerp(above, ranks.frac()), values.double())


def quantile_ranks(n_samples: int, n_bins: int) -> Tensor:
    """Locate the quantiles between bins among the sorted samples, with the rounding of pyts; (n_bins - 1,) float64, 0..n_samples - 1."""
    return torch.from_numpy((n_samples - 1) * (np.linspace(0, 100, n_bins + 1)[1:-1] / 100))


def _histogram(numbers: Tensor, n_numbers: int) -> Tensor:
    """Count each number 0..n_numbers - 1 along the last axis; (…, n_numbers) float32, which holds them exactly."""
    counts = torch.zeros(*numbers.shape[:-1], n_numbers, device=numbers.device)
    return counts.scatter_add_(-1, numbers, torch.ones((), device=numbers.device).expand_as(numbers))


def _gasf(leads: Tensor, config: ImageConfig) -> Tensor:
    return gasf(leads, config.size, scale=config.scale)


def _gadf(leads: Tensor, config: ImageConfig) -> Tensor:
    return gadf(leads, config.size, scale=config.scale)


def _mtf(leads: Tensor, config: ImageConfig) -> Tensor:
    return mtf(leads, config.size, n_bins=config.mtf_bins)


IMAGES: dict[str, Callable[[Tensor, ImageConfig], Tensor]] = {"gasf": _gasf, "gadf": _gadf, "mtf": _mtf}


def n_channels(config: ImageConfig, n_leads: int) -> int:
    """Count the channels of the images that `make_images` makes, or of stored ones."""
    if config.kind == STORED:
        return config.channels
    return len(IMAGES) if config.kind == "triple" else n_leads


def make_images(signal: Tensor, config: ImageConfig) -> Tensor:
    """Compute the images of a batch of signals, on the signals' device.

    Args:
        signal: (batch, n_samples, n_leads), standardised.

    Returns:
        (batch, n_channels, size, size): one lead a channel, or for "triple" GASF, GADF and MTF of lead `config.lead`.

    Raises:
        ConfigError: `config.lead` is not a lead of the signal, or the images are stored ones.
    """
    if config.kind == STORED:
        raise ConfigError(f"{STORED} images can't be computed from signals: give those of the data, or another image kind")
    leads = signal.mT  # (batch, n_leads, n_samples)
    if leads.shape[2] < config.size:  # fewer samples than pixels: the samples between are interpolated
        leads = torch.nn.functional.interpolate(leads, size=config.size, mode="linear", align_corners=True)
    if config.kind != "triple":
        return IMAGES[config.kind](leads, config)
    if config.lead >= leads.shape[1]:
        raise ConfigError(f"image lead must be 0..{leads.shape[1] - 1}, but got {config.lead}")
    lead = leads[:, config.lead]
    return torch.stack([make(lead, config) for make in IMAGES.values()], dim=1)
