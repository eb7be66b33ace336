"""Recurrent networks on the raw signal: GRU or LSTM, one or both directions, optional self-attention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ecg_tune.config import DROPOUT, HIDDEN_SIZE, NUM_LAYERS, ModelConfig, check_choice, check_range
from ecg_tune.errors import ConfigError
from ecg_tune.models.attention import SelfAttention
from ecg_tune.models.base import EncoderClassifier
from ecg_tune.models.keywords import Classic, create_network, fixed

UNNAMED = ("hidden_size", "num_layers", "dropout")
"""What the factories take without names, as classic scripts give it."""
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
    hidden_size: int = HIDDEN_SIZE
    num_layers: int = NUM_LAYERS
    dropout: float = DROPOUT

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


def create_rnn(config: RNNConfig | Classic | None = None, *, n_inputs: int = 3, n_classes: int | None = None, **keywords: Any) -> RNN:
    """Make a recurrent classifier; without a config a bidirectional GRU of 2 layers with 128 units a direction.

    Args:
        keywords: Fields of the config in its place, and `num_classes`; see `create_network`.
    """
    return create_network(RNN, RNNConfig, config, keywords, n_inputs=n_inputs, n_classes=n_classes)


def create_gru(
    hidden_size: int | None = None, num_layers: int | None = None, dropout: float | None = None, *unnamed: object, **more: Any
) -> RNN:
    """Make a GRU of one direction; more keywords as `create_rnn`."""
    return _variant((hidden_size, num_layers, dropout, *unnamed), more, cell="gru", bidirectional=False)


def create_bigru(
    hidden_size: int | None = None, num_layers: int | None = None, dropout: float | None = None, *unnamed: object, **more: Any
) -> RNN:
    """Make a bidirectional GRU; more keywords as `create_rnn`."""
    return _variant((hidden_size, num_layers, dropout, *unnamed), more, cell="gru", bidirectional=True)


def create_lstm(
    hidden_size: int | None = None, num_layers: int | None = None, dropout: float | None = None, *unnamed: object, **more: Any
) -> RNN:
    """Make an LSTM of one direction; more keywords as `create_rnn`."""
    return _variant((hidden_size, num_layers, dropout, *unnamed), more, cell="lstm", bidirectional=False)


def create_bilstm(
    hidden_size: int | None = None, num_layers: int | None = None, dropout: float | None = None, *unnamed: object, **more: Any
) -> RNN:
    """Make a bidirectional LSTM; more keywords as `create_rnn`."""
    return _variant((hidden_size, num_layers, dropout, *unnamed), more, cell="lstm", bidirectional=True)


def create_bigru_attention(
    hidden_size: int | None = None, num_layers: int | None = None, dropout: float | None = None, *unnamed: object, **more: Any
) -> RNN:
    """Make a bidirectional GRU with self-attention; more keywords as `create_rnn`."""
    return _variant((hidden_size, num_layers, dropout, *unnamed), more, cell="gru", bidirectional=True, attention=True)


def create_bilstm_attention(
    hidden_size: int | None = None, num_layers: int | None = None, dropout: float | None = None, *unnamed: object, **more: Any
) -> RNN:
    """Make a bidirectional LSTM with self-attention; more keywords as `create_rnn`."""
    return _variant((hidden_size, num_layers, dropout, *unnamed), more, cell="lstm", bidirectional=True, attention=True)


def _variant(unnamed: tuple[Any, ...], more: Mapping[str, Any], **by_name: Any) -> RNN:
    if len(unnamed) > len(UNNAMED):
        surplus = ", ".join(map(repr, unnamed[len(UNNAMED) :]))
        raise ConfigError(f"{', '.join(UNNAMED)} need no name, but got {surplus} after them: name it, e.g. num_classes=5, n_inputs=3")
    return create_rnn(**dict(zip(UNNAMED, unnamed, strict=True)), **fixed(more, **by_name))
