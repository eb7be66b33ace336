"""The residual network on signals."""

from __future__ import annotations

import pytest
import torch

from ecg_tune.errors import ConfigError
from ecg_tune.models import ResNet1DConfig, create_resnet1d, n_parameters


@pytest.mark.parametrize(("n_leads", "expected"), [(3, 465_285), (12, 473_349)])
def test_the_published_shape_has_the_published_parameters(n_leads, expected):
    assert n_parameters(create_resnet1d(n_inputs=n_leads)) == expected


@pytest.mark.parametrize("n_samples", [100, 101, 250, 1000])
@pytest.mark.parametrize("shape", [{}, {"filters": (8, 16, 16), "kernels": (7, 5, 3), "blocks": 2, "stem_stride": 2}])
def test_it_takes_any_length(n_samples, shape):
    network = create_resnet1d(ResNet1DConfig(**shape))
    signal = torch.randn(2, n_samples, 3)
    assert network.encode(signal).shape == (2, network.n_features)
    assert network(signal).shape == (2, 5)


def test_every_stage_but_the_first_halves_the_length():
    network = create_resnet1d(ResNet1DConfig(filters=(8, 8, 8)))
    assert network.encoder[:-1](torch.randn(2, 3, 250)).shape == (2, 8, 63)


def test_an_epoch_may_end_with_a_lone_record():
    network = create_resnet1d(ResNet1DConfig(filters=(8, 8, 8))).train()
    network(torch.randn(1, 250, 3)).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


def test_an_even_kernel_is_refused():
    with pytest.raises(ConfigError, match="odd, but got 8"):
        ResNet1DConfig(kernels=(8, 5, 3))
