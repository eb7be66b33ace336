"""The network, its settings, and the family that ecg-tune finds by this package's entry point.

A temporal convolutional network after Bai, Kolter & Koltun, "An Empirical Evaluation of Generic Convolutional and Recurrent
Networks for Sequence Modeling" (2018, arXiv:1803.01271): residual blocks of two dilated causal convolutions, the dilation
doubling from block to block. Different from the paper: batch instead of weight normalisation, and the mean and maximum over time
instead of the last step, since an ECG is read as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ecg_tune.config import ModelConfig, check_range
from ecg_tune.models import EncoderClassifier, Family


@dataclass(frozen=True)
class TinyTCNConfig(ModelConfig):
    """The settings of a temporal convolutional network.

    Attributes:
        channels: Channels of every block, 4..512.
        depth: Blocks, 1..10. Block b, from 0, has the dilation 2**b.
        kernel_size: Samples that a kernel spans, 2..15.
        dropout: Within the blocks and before the classifier, 0..0.9.
    """

    channels: int = 32
    depth: int = 5
    kernel_size: int = 5
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_range("channels", self.channels, 4, 512)
        check_range("depth", self.depth, 1, 10)
        check_range("kernel_size", self.kernel_size, 2, 15)
        check_range("dropout", self.dropout, 0, 0.9)


class CausalConvolution(nn.Conv1d):
    """A dilated convolution that sees no later sample: it is padded at the beginning only."""

    def __init__(self, n_in: int, n_out: int, kernel_size: int, *, dilation: int) -> None:
        super().__init__(n_in, n_out, kernel_size, dilation=dilation, bias=False)
        self.before = (kernel_size - 1) * dilation

    def forward(self, states: Tensor) -> Tensor:
        """Map (batch, n_in, n_samples) to (batch, n_out, n_samples)."""
        return super().forward(nn.functional.pad(states, (self.before, 0)))


class Block(nn.Module):
    """Two causal convolutions around a shortcut, which a 1×1 convolution projects where the channels differ."""

    def __init__(self, n_in: int, config: TinyTCNConfig, *, dilation: int) -> None:
        super().__init__()
        n_out, layers = config.channels, list[nn.Module]()
        for channels in (n_in, n_out):
            layers += [CausalConvolution(channels, n_out, config.kernel_size, dilation=dilation), nn.BatchNorm1d(n_out)]
            layers += [nn.ReLU(), nn.Dropout(config.dropout)]
        self.body = nn.Sequential(*layers)
        self.shortcut = nn.Identity() if n_in == n_out else nn.Conv1d(n_in, n_out, 1)

    def forward(self, states: Tensor) -> Tensor:
        """Map (batch, n_in, n_samples) to (batch, channels, n_samples)."""
        return torch.relu(self.body(states) + self.shortcut(states))


class TinyTCN(EncoderClassifier):
    """Blocks of growing dilation, mean and maximum over time, a linear classifier."""

    def __init__(self, config: TinyTCNConfig, *, n_inputs: int, n_classes: int) -> None:
        super().__init__()
        widths = [n_inputs] + [config.channels] * config.depth
        self.blocks = nn.Sequential(*(Block(widths[b], config, dilation=2**b) for b in range(config.depth)))
        self.n_features = 2 * config.channels
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(self.n_features, n_classes))

    def encode(self, signal: Tensor) -> Tensor:
        """Map (batch, n_samples, n_leads) to (batch, n_features)."""
        states = self.blocks(signal.transpose(1, 2))  # (batch, channels, n_samples)
        return torch.cat([states.mean(2), states.amax(2)], dim=1)


def create_tiny_tcn(config: TinyTCNConfig | None = None, *, n_inputs: int = 3, n_classes: int = 5) -> TinyTCN:
    """Make the network; without a config it has 47,653 parameters with 3 leads and 5 classes."""
    return TinyTCN(config or TinyTCNConfig(), n_inputs=n_inputs, n_classes=n_classes)


FAMILY = Family(
    name="TinyTCN",
    inputs="signal",
    config=TinyTCNConfig,
    create=create_tiny_tcn,
    space="ecg_tune_tiny_tcn.space:SPACE",
)
