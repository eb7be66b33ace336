"""Images: their shapes, their scale, and what is refused; `test_pyts.py` compares their pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ecg_tune.config import ImageConfig
from ecg_tune.errors import ConfigError
from ecg_tune.transforms.images import IMAGES, block_bounds, gasf, make_images, mtf


def test_the_global_scale_keeps_amplitudes_and_clips():
    wave = torch.sin(torch.linspace(0, 20, 500))
    small, large = gasf(wave, 50, scale="global"), gasf(2 * wave, 50, scale="global")
    assert not torch.allclose(small, large)
    torch.testing.assert_close(gasf(wave, 50), gasf(2 * wave, 50), atol=1e-5, rtol=0)
    assert torch.isfinite(gasf(100 * wave, 50, scale="global")).all()


@pytest.mark.parametrize("kind", [*IMAGES, "triple"])
def test_images_have_one_channel_a_lead_or_one_a_kind(kind):
    signal = torch.randn(2, 250, 3)
    image = make_images(signal, ImageConfig(kind=kind, size=32))
    assert image.shape == (2, 3, 32, 32)
    assert torch.isfinite(image).all()
    if kind == "triple":
        torch.testing.assert_close(image[:, 0], gasf(signal[:, :, 1], 32))


def test_an_image_larger_than_its_signal_is_refused():
    with pytest.raises(ConfigError, match=r"image size must be 1\.\.250 .* but got 300"):
        gasf(torch.randn(1, 3, 250), 300)


@pytest.mark.parametrize("kind", ["gasf", "gadf", "mtf", "triple"])
def test_a_short_crop_is_interpolated_up_to_a_larger_image(kind):
    signal = torch.sin(torch.linspace(0, 6, 50))[None, :, None].expand(1, 50, 3)
    image = make_images(signal, ImageConfig(kind=kind, size=224))
    assert image.shape == (1, 3, 224, 224)
    fine = torch.sin(torch.linspace(0, 6, 224))[None, :, None].expand(1, 224, 3)
    if kind == "gasf":
        assert (image - make_images(fine, ImageConfig(kind=kind, size=224))).abs().mean() < 0.02


def test_a_lead_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"image lead must be 0\.\.2, but got 5"):
        make_images(torch.randn(1, 250, 3), ImageConfig(kind="triple", size=32, lead=5))


@pytest.mark.parametrize("n_samples", [250, 999, 1000, 5000])
def test_blocks_end_where_those_of_pyts_do(n_samples):
    for size in range(8, min(n_samples, 512) + 1):
        expected = np.linspace(0, n_samples, size + 1).astype(int)
        assert block_bounds(n_samples, size).tolist() == expected.tolist(), size


def test_bins_end_at_the_percentiles_that_pyts_takes():
    values = np.cumsum(np.random.default_rng(0).normal(size=1000)).astype(np.float32)
    for n_bins in range(2, 65):  # of 9 bins and others, a percentile is a sample, or one bit off, as it is rounded
        edges = np.percentile(values.astype(float), np.linspace(0, 100, n_bins + 1)[1:-1])
        bins = np.searchsorted(edges, values.astype(float))
        moves = np.zeros((n_bins, n_bins))
        np.add.at(moves, (bins[:-1], bins[1:]), 1)
        transition = moves / moves.sum(axis=1, keepdims=True)
        share = np.eye(n_bins)[bins].reshape(20, 50, n_bins).mean(axis=1)
        assert np.abs(mtf(torch.from_numpy(values), 20, n_bins=n_bins).numpy() - share @ transition @ share.T).max() <= 1e-6, n_bins


def test_a_transition_field_is_the_same_wherever_its_samples_lie_in_memory():
    signal = torch.randn(2, 300, 3).cumsum(1)
    torch.testing.assert_close(mtf(signal.mT, 40), mtf(signal.mT.contiguous(), 40), rtol=0, atol=0)
