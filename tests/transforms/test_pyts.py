"""Images against pyts, the reference, on awkward series: ties, plateaus, constant leads.

All in one file, which one process runs: pyts compiles for half a minute when it is imported.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from ecg_tune.data.exchange.writer import export_tree
from ecg_tune.transforms.images import gadf, gasf, mtf

SIZES = (32, 33, 64, 100, 120, 224)
"""Of 120 blocks of 1000 samples, one bound depends on the rounding."""


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
@pytest.mark.parametrize("n_bins", [2, 5, 8, 9, 16])
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


@pytest.mark.slow
def test_both_back_ends_export_the_same_images(few_data, tmp_path):
    for backend in ("torch", "pyts"):
        export_tree(few_data, tmp_path / backend, image_size=24, backend=backend, batch_size=40)
    for kind in ("gaf", "mtf"):
        ours, theirs = (np.load(tmp_path / backend / f"images/train/{kind}/batch_0000.npy") for backend in ("torch", "pyts"))
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
