"""Bidirectional pooling: each direction contributes its state after the whole sequence."""

from __future__ import annotations

import pytest
import torch

from ecg_tune.errors import ConfigError
from ecg_tune.models import RNNConfig, create_rnn
from ecg_tune.models.rnn import CELLS, RNN


def run_by_hand(network: RNN, sequence: torch.Tensor, *, suffix: str) -> torch.Tensor:
    """Run one direction of a one-layer net as a net of its own and return its states (batch, n_steps, hidden_size)."""
    whole = network.recurrent
    alone = type(whole)(whole.input_size, whole.hidden_size, batch_first=True)
    own = {name: value for name, value in whole.state_dict().items() if name.endswith("_reverse") == bool(suffix)}
    alone.load_state_dict({name.removesuffix(suffix): value for name, value in own.items()})
    states: torch.Tensor = alone(sequence)[0]
    return states


@pytest.mark.parametrize("cell", CELLS)
def test_the_backward_direction_contributes_its_state_after_the_whole_sequence(cell):
    torch.manual_seed(0)
    network = create_rnn(RNNConfig(cell=cell, hidden_size=8, num_layers=1)).eval()
    signal = torch.randn(4, 100, 3)
    forward = run_by_hand(network, signal, suffix="")
    backward = run_by_hand(network, signal.flip(1), suffix="_reverse")
    both = torch.cat([forward, backward.flip(1)], dim=2)
    expected = torch.cat([forward[:, -1], backward[:, -1], both.mean(1), both.amax(1)], dim=1)
    torch.testing.assert_close(network.encode(signal), expected)


def test_one_direction_contributes_its_last_state():
    torch.manual_seed(0)
    network = create_rnn(RNNConfig(bidirectional=False, hidden_size=8, num_layers=1)).eval()
    signal = torch.randn(4, 100, 3)
    torch.testing.assert_close(network.encode(signal)[:, :8], run_by_hand(network, signal, suffix="")[:, -1])


def test_with_two_layers_both_ends_of_the_sequence_reach_the_pooled_last_states():
    network = create_rnn(RNNConfig(hidden_size=8)).eval()
    states, _ = network.recurrent(signal := torch.randn(4, 100, 3))
    last = network.encode(signal)[:, :16]
    torch.testing.assert_close(last, torch.cat([states[:, -1, :8], states[:, 0, 8:]], dim=1))


def test_a_width_that_the_attention_heads_cannot_share_is_refused():
    with pytest.raises(ConfigError, match="multiple of 4, but got hidden_size=30"):
        RNNConfig(hidden_size=30)
