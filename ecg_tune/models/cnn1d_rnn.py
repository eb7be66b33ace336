"""Convolutions that shorten the signal, in front of a recurrent network with attention."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from ecg_tune.config import check_range
from ecg_tune.errors import ConfigError
from ecg_tune.models.blocks1d import conv_bn, initialise
from ecg_tune.models.keywords import Classic, create_network
from ecg_tune.models.rnn import RNN, RNNConfig


@dataclass(frozen=True)
class CNN1DRNNConfig(RNNConfig):
    """A recurrent classifier of convolutional features; see `RNNConfig` for the recurrent side.

    Attributes:
        filters: Of the first convolution; each further one doubles them.
        n_convolutions: Each halves the length: three leave 125 steps of 10 s at 100 Hz.
        kernel_size: Samples a kernel spans, odd.
    """

    attention: bool = True
    filters: int = 32
    n_convolutions: int = 3
    kernel_size: int = 7

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("filters", self.filters, 4, 256)
        check_range("n_convolutions", self.n_convolutions, 1, 5)
        check_range("kernel_size", self.kernel_size, 1, 63)
        if self.kernel_size % 2 == 0:
            raise ConfigError(f"kernel_size must be odd, but got kernel_size={self.kernel_size}")


class CNN1DRNN(RNN):
    """Strided convolutions, then the recurrent layers, attention, pooling and classifier of `RNN` (after Zihlmann et al., 2017)."""

    def __init__(self, config: CNN1DRNNConfig, *, n_inputs: int, n_classes: int) -> None:
        widths = [n_inputs, *(config.filters * 2**layer for layer in range(config.n_convolutions))]
        super().__init__(config, n_inputs=widths[-1], n_classes=n_classes)
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):
            layers += [*conv_bn(n_in, n_out, config.kernel_size, stride=2), nn.ReLU(inplace=True)]
        self.convolutions = nn.Sequential(*layers)
        initialise(self)

    def encode(self, signal: Tensor) -> Tensor:
        """Map (batch, n_samples, n_leads) to (batch, n_features)."""
        steps = self.convolutions(signal.transpose(1, 2)).transpose(1, 2)  # (batch, n_samples / 2**n_convolutions, n_channels)
        return super().encode(steps)


def create_cnn1d_rnn(
    config: CNN1DRNNConfig | Classic | None = None, *, n_inputs: int = 3, n_classes: int | None = None, **keywords: Any
) -> CNN1DRNN:
    """Make a convolutional recurrent network; without a config the classic one: 834,917 parameters with 3 leads and 5 classes.

    Args:
        keywords: Fields of the config in its place, and `num_classes`; see `create_network`.
    """
    return create_network(CNN1DRNN, CNN1DRNNConfig, config, keywords, n_inputs=n_inputs, n_classes=n_classes)
