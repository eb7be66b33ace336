"""Recurrent networks on the raw signal: GRU or LSTM, one or both directions, optional self-attention."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ecg_tune.config import ModelConfig, check_choice, check_range
from ecg_tune.errors import ConfigError
from ecg_tune.models.attention import SelfAttention
from ecg_tune.models.base import EncoderClassifier

CELLS: dict[str, type[nn.GRU] | type[nn.LSTM]] = {"gru": nn.GRU, "lstm": nn.LSTM}


@dataclass(frozen=True)
class RNNConfig(ModelConfig):
    """A recurrent classifier.

    Attributes:
        cell: "gru" (Cho et al., 2014) or "lstm" (Hochreiter & Schmidhuber, 1997).
        hidden_size: Units a direction, a multiple of 4.
        dropout: Between layers and before the classifier, 0..0.9.
        attention: Self-attention over the states before pooling.
    """

    cell: str = "gru"
    bidirectional: bool = True
    attention: bool = False
    hidden_size: int = 128
    num_layers: int = 2
    dropout: float = 0.3

    def __post_init__(self) -> None:
        check_choice("cell", self.cell, CELLS)
        check_range("hidden_size", self.hidden_size, 4, 2048)
        if self.hidden_size % 4:
            raise ConfigError(f"hidden_size must be a multiple of 4, but got hidden_size={self.hidden_size}")
        check_range("num_layers", self.num_layers, 1, 8)
        check_range("dropout", self.dropout, 0, 0.9)


class RNN(EncoderClassifier):
    """Recurrent layers, pooling, classifier.

    Pooled are the state after the whole sequence of each direction (forward: last step, backward: first step), and the
    mean and maximum over time. Taking the last step of both directions, as is often done, would read the backward net
    after one sample.
    """

    def __init__(self, config: RNNConfig, *, n_inputs: int, n_classes: int) -> None:
        super().__init__()
        width = config.hidden_size * (2 if config.bidirectional else 1)
        self.recurrent = CELLS[config.cell](
            n_inputs,
            config.hidden_size,
            config.num_layers,
            batch_first=True,
            bidirectional=config.bidirectional,
            dropout=config.dropout if config.num_layers > 1 else 0.0,
        )
        self.attention = SelfAttention(width, dropout=config.dropout) if config.attention else nn.Identity()
        self.n_features = 3 * width
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(self.n_features, n_classes))

    def encode(self, signal: Tensor) -> Tensor:
        """Map (batch, n_samples, n_leads) to (batch, n_features)."""
        states, hidden = self.recurrent(signal)
        final = hidden[0] if isinstance(hidden, tuple) else hidden  # (num_layers * n_directions, batch, hidden_size)
        n_directions = 2 if self.recurrent.bidirectional else 1
        last = final[-n_directions:].transpose(0, 1).flatten(1)  # (batch, width)
        states = self.attention(states)
        return torch.cat([last, states.mean(1), states.amax(1)], dim=1)


def create_rnn(config: RNNConfig | None = None, *, n_inputs: int = 3, n_classes: int = 5) -> RNN:
    """Make a recurrent classifier; without a config a bidirectional GRU of 2 layers with 128 units a direction."""
    return RNN(config or RNNConfig(), n_inputs=n_inputs, n_classes=n_classes)


def create_gru(*, n_inputs: int = 3, n_classes: int = 5) -> RNN:
    """Make the classic GRU: 2 layers of 128 units, one direction."""
    return create_rnn(RNNConfig(cell="gru", bidirectional=False), n_inputs=n_inputs, n_classes=n_classes)


def create_bigru(*, n_inputs: int = 3, n_classes: int = 5) -> RNN:
    """Make the classic bidirectional GRU."""
    return create_rnn(RNNConfig(cell="gru"), n_inputs=n_inputs, n_classes=n_classes)


def create_lstm(*, n_inputs: int = 3, n_classes: int = 5) -> RNN:
    """Make the classic LSTM: 2 layers of 128 units, one direction."""
    return create_rnn(RNNConfig(cell="lstm", bidirectional=False), n_inputs=n_inputs, n_classes=n_classes)


def create_bilstm(*, n_inputs: int = 3, n_classes: int = 5) -> RNN:
    """Make the classic bidirectional LSTM."""
    return create_rnn(RNNConfig(cell="lstm"), n_inputs=n_inputs, n_classes=n_classes)


def create_bigru_attention(*, n_inputs: int = 3, n_classes: int = 5) -> RNN:
    """Make the bidirectional GRU with self-attention."""
    return create_rnn(RNNConfig(cell="gru", attention=True), n_inputs=n_inputs, n_classes=n_classes)


def create_bilstm_attention(*, n_inputs: int = 3, n_classes: int = 5) -> RNN:
    """Make the bidirectional LSTM with self-attention."""
    return create_rnn(RNNConfig(cell="lstm", attention=True), n_inputs=n_inputs, n_classes=n_classes)
