"""The plain convolutional network."""

from __future__ import annotations

import pytest
import torch

from ecg_tune.errors import ConfigError
from ecg_tune.models import CNN1DConfig, create_cnn1d, n_parameters


def test_the_classic_net_has_the_documented_parameters():
    assert n_parameters(create_cnn1d()) == 305_253


@pytest.mark.parametrize("n_samples", [100, 101, 250, 1000])
@pytest.mark.parametrize("depth", [1, 8])
def test_it_takes_any_length_and_any_number_of_leads(n_samples, depth):
    network = create_cnn1d(CNN1DConfig(filters=4, depth=depth, kernel_size=15), n_inputs=12, n_classes=2)
    signal = torch.randn(2, n_samples, 12)
    assert network.encode(signal).shape == (2, network.n_features)
    assert network(signal).shape == (2, 2)


def test_filters_double_up_to_512():
    assert create_cnn1d(CNN1DConfig(filters=64, depth=6)).n_features == 2 * 512


def test_an_even_kernel_is_refused():
    with pytest.raises(ConfigError, match="odd, but got kernel_size=8"):
        CNN1DConfig(kernel_size=8)
