"""Images against pyts, the reference, on awkward series: ties, plateaus, constant leads."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from ecg_tune.config import ImageConfig
from ecg_tune.errors import ConfigError
from ecg_tune.transforms.images import IMAGES, gadf, gasf, make_images, mtf

SIZES = (32, 33, 64, 100, 224)


@pytest.fixture(scope="module")
def series() -> np.ndarray:
    """Return (8, 1000) float32: walks, walks with many ties, a constant one, one with a long plateau."""
    rng = np.random.default_rng(0)
    walks = np.cumsum(rng.normal(size=(8, 1000)), axis=1)
    walks[0] = np.round(walks[0])
    walks[1] = np.round(walks[1] / 5)
    walks[2] = 0.25
    walks[3, :700] = walks[3, 0]
    return walks.astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("method", "make"), [("summation", gasf), ("difference", gadf)])
@pytest.mark.slow
def test_gramian_fields_equal_pyts_within_1e_5(series, size, method, make):
    from pyts.image import GramianAngularField

    expected = GramianAngularField(size, method=method).transform(series.astype(np.float64))
    assert np.abs(make(torch.from_numpy(series), size).numpy() - expected).max() <= 1e-5


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("n_bins", [2, 5, 8, 16])
@pytest.mark.slow
def test_transition_fields_equal_pyts_within_1e_6(series, size, n_bins):
    from pyts.image import MarkovTransitionField

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pyts tells of equal quantiles
        expected = MarkovTransitionField(size, n_bins=n_bins).transform(series.astype(np.float64))
    assert np.abs(mtf(torch.from_numpy(series), size, n_bins=n_bins).numpy() - expected).max() <= 1e-6


@pytest.mark.slow
def test_pyts_agrees_on_real_records(ptbxl):
    from pyts.image import GramianAngularField, MarkovTransitionField

    from ecg_tune.data.ptbxl.records import read_record

    signal = read_record(ptbxl, "records100/00000/00001_lr", sampling_rate_hz=100).T.astype(np.float32) / 1000  # (12, 1000)
    leads = torch.from_numpy(signal)
    assert np.abs(gasf(leads, 224).numpy() - GramianAngularField(224).transform(signal.astype(np.float64))).max() <= 1e-5
    assert np.abs(mtf(leads, 224).numpy() - MarkovTransitionField(224, n_bins=8).transform(signal.astype(np.float64))).max() <= 1e-6


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
