"""Augmentation changes what it says and nothing a heart can't do."""

from __future__ import annotations

import pytest
import torch

from ecg_tune.config import AugmentConfig
from ecg_tune.errors import ConfigError
from ecg_tune.transforms.augment import augment


def changed(signal: torch.Tensor, **settings: float) -> torch.Tensor:
    return augment(signal, AugmentConfig(**settings), sampling_rate_hz=100, generator=torch.Generator().manual_seed(0))


SIGNAL = torch.sin(torch.arange(500)[None, :, None] * torch.tensor([0.05, 0.1, 0.15]) + torch.arange(6.0)[:, None, None]) + 2.0


def test_nothing_asked_for_changes_nothing():
    assert changed(SIGNAL) is SIGNAL


def test_amplitude_scales_a_record_as_a_whole_and_never_flips_it():
    ratio = changed(SIGNAL, amplitude=0.5) / SIGNAL
    torch.testing.assert_close(ratio, ratio[:, :1, :1].expand_as(ratio))
    assert ((ratio > 0.49) & (ratio < 1.51)).all()
    assert len(ratio[:, 0, 0].unique()) > 1


def test_a_shift_moves_all_leads_of_a_record_together():
    ramp = torch.arange(500.0)[None, :, None].expand(6, -1, 3)
    moved = changed(ramp, shift_s=1.0)
    offset = (moved - ramp)[:, 250]
    assert (offset == offset[:, :1]).all()
    assert offset.abs().max() <= 100
    assert len(offset[:, 0].unique()) > 1


def test_a_mask_is_one_stretch_across_all_leads_no_longer_than_asked():
    masked = changed(SIGNAL, mask_s=1.0) == 0
    assert (masked == masked[:, :, :1]).all()
    assert masked.sum(1).max() <= 101
    assert masked.any()


def test_noise_has_the_asked_standard_deviation():
    added = changed(SIGNAL, noise=0.2) - SIGNAL
    assert float(added.std()) == pytest.approx(0.2, rel=0.05)


def test_equal_generators_give_equal_changes():
    settings = {"amplitude": 0.1, "noise": 0.1, "shift_s": 0.2, "mask_s": 0.2}
    torch.testing.assert_close(changed(SIGNAL, **settings), changed(SIGNAL, **settings), rtol=0, atol=0)


def test_a_strength_out_of_range_is_refused():
    with pytest.raises(ConfigError, match=r"amplitude must be 0\.\.0\.5, but got amplitude=2"):
        AugmentConfig(amplitude=2.0)
