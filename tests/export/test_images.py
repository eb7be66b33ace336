"""The images inside an exported graph against those of training, on awkward series: ties, plateaus, constant leads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ecg_tune.config import ImageConfig
from ecg_tune.export.images import Images
from ecg_tune.transforms.images import make_images


@pytest.fixture(scope="module")
def signal() -> torch.Tensor:
    """Return (6, 1000, 3) float32: walks, with ties, constant, with a plateau, rounded as records are."""
    walks = np.cumsum(np.random.default_rng(0).normal(size=(6, 1000, 3)), axis=1)
    walks[0] = np.round(walks[0])
    walks[1] = np.round(walks[1] / 5)
    walks[2, :, 0] = 0.25
    walks[3, :700] = walks[3, 0]
    walks[4] = np.round(walks[4], 2)
    return torch.from_numpy(walks.astype(np.float32))


@pytest.mark.parametrize("n_samples", [1000, 257, 250, 100])
@pytest.mark.parametrize(
    "config",
    [
        *(ImageConfig(kind, size, scale=scale) for kind in ("gasf", "gadf") for size in (33, 224) for scale in ("series", "global")),
        *(ImageConfig("mtf", size, mtf_bins=n_bins) for size in (33, 128) for n_bins in (2, 6, 8, 64)),
        ImageConfig("triple", 64, lead=2),
    ],
    ids=lambda config: f"{config.kind}-{config.size}-{config.mtf_bins}-{config.scale}",
)
def test_the_graphs_images_equal_those_of_training(signal, config, n_samples):
    expected = make_images(signal[:, :n_samples], config)
    torch.testing.assert_close(Images(config, n_samples)(signal[:, :n_samples]), expected, rtol=0, atol=1e-6)
