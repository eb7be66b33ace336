"""Mild augmentation of standardised signals (batch, n_samples, n_leads).

Signs are not flipped and leads not permuted: the result would show another diagnosis.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ecg_tune.config import AugmentConfig


def augment(signal: Tensor, config: AugmentConfig, *, sampling_rate_hz: int, generator: torch.Generator) -> Tensor:
    """Shift, scale and mask each record at random and add noise, as far as the config asks for it.

    Args:
        signal: (batch, n_samples, n_leads) in standard deviations.
        config: Ranges of the changes; zeros change nothing.
        generator: On the CPU, so that every device draws the same changes.
    """
    n_records, n_samples, n_leads = signal.shape

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator).to(signal.device)

    time = torch.arange(n_samples, device=signal.device)
    if config.shift_s:
        offset = ((uniform(n_records, 1) * 2 - 1) * config.shift_s * sampling_rate_hz).round().long()
        index = (time + offset).clamp(0, n_samples - 1)  # the record's edge is held
        signal = signal.gather(1, index[:, :, None].expand(-1, -1, n_leads))
    if config.amplitude:
        signal = signal * (1 + (uniform(n_records, 1, 1) * 2 - 1) * config.amplitude)
    if config.mask_s:
        width = uniform(n_records, 1) * config.mask_s * sampling_rate_hz
        start = uniform(n_records, 1) * n_samples
        signal = signal * ~((time >= start) & (time < start + width))[:, :, None]
    if config.noise:
        signal = signal + config.noise * torch.randn(signal.shape, generator=generator).to(signal.device)
    return signal
