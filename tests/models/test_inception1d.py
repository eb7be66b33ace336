"""The inception network on signals."""

from __future__ import annotations

import pytest
import torch

from ecg_tune.errors import ConfigError
from ecg_tune.models import Inception1DConfig, create_inception1d


@pytest.mark.parametrize("n_samples", [100, 101, 250, 1000])
@pytest.mark.parametrize("shape", [{}, {"filters": 8, "depth": 4, "kernel_size": 5, "pool": True, "squeeze_excitation": True}])
def test_it_takes_any_length(n_samples, shape):
    network = create_inception1d(Inception1DConfig(**shape))
    signal = torch.randn(2, n_samples, 3)
    assert network.encode(signal).shape == (2, network.n_features)
    assert network(signal).shape == (2, 5)


@pytest.mark.parametrize(("longest", "kernels"), [(39, (39, 19, 9)), (59, (59, 29, 13)), (19, (19, 9, 3)), (5, (5, 1, 1))])
def test_the_three_kernels_are_odd_and_span_about_a_half_and_a_quarter(longest, kernels):
    assert Inception1DConfig(kernel_size=longest).kernels == kernels


def test_three_modules_share_a_shortcut_and_the_length_is_halved_between_them_if_wanted():
    network = create_inception1d(Inception1DConfig(filters=8, depth=7, pool=True))
    assert [getattr(layer, "shortcut", "pool") is not None for layer in network.encoder[:-1]] == [True, True, True, True, False]
    assert network.encoder[:-1](torch.randn(2, 3, 100)).shape == (2, 32, 25)


def test_an_even_kernel_is_refused():
    with pytest.raises(ConfigError, match="odd, but got kernel_size=40"):
        Inception1DConfig(kernel_size=40)
