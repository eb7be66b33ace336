"""The convolutional recurrent network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ecg_tune.errors import ConfigError
from ecg_tune.models import CNN1DRNNConfig, create_cnn1d_rnn, n_parameters


def test_the_classic_net_has_the_documented_parameters():
    assert n_parameters(create_cnn1d_rnn()) == 834_917


@pytest.mark.parametrize("n_samples", [100, 101, 250, 1000])
@pytest.mark.parametrize("attention", [True, False])
def test_it_takes_any_length(n_samples, attention):
    network = create_cnn1d_rnn(CNN1DRNNConfig(attention=attention, filters=4, hidden_size=8, n_convolutions=5))
    signal = torch.randn(2, n_samples, 3)
    assert network.encode(signal).shape == (2, network.n_features)
    assert network(signal).shape == (2, 5)


def test_three_convolutions_leave_an_eighth_of_the_samples():
    network = create_cnn1d_rnn()
    assert network.convolutions(torch.randn(2, 3, 1000)).shape == (2, 128, 125)


def test_the_backward_direction_contributes_its_state_after_the_whole_sequence():
    torch.manual_seed(0)
    network = create_cnn1d_rnn(CNN1DRNNConfig(filters=4, hidden_size=8, num_layers=1)).eval()
    signal = torch.randn(4, 250, 3)
    steps = network.convolutions(signal.transpose(1, 2)).transpose(1, 2)  # (batch, n_steps, n_channels)
    backward = nn.GRU(steps.shape[2], 8, batch_first=True)
    weights = network.recurrent.state_dict()
    backward.load_state_dict({name: weights[f"{name}_reverse"] for name in backward.state_dict()})
    torch.testing.assert_close(network.encode(signal)[:, 8:16], backward(steps.flip(1))[0][:, -1])


def test_an_even_kernel_is_refused():
    with pytest.raises(ConfigError, match="odd, but got kernel_size=4"):
        CNN1DRNNConfig(kernel_size=4)
