"""Blocks shared by the convolutional networks on signals. Inside them a signal is (batch, n_channels, n_samples)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def conv_bn(n_in: int, n_out: int, kernel: int, *, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    """Make a convolution without bias and its batch normalisation.

    Args:
        kernel: Odd, so that stride 1 keeps the length.
        dilation: Samples from one tap of the kernel to the next.
    """
    padding = dilation * (kernel // 2)
    return [nn.Conv1d(n_in, n_out, kernel, stride=stride, padding=padding, dilation=dilation, bias=False), nn.BatchNorm1d(n_out)]


class SqueezeExcitation(nn.Module):
    """Weigh every channel by what all channels are on average: squeeze-and-excitation (Hu et al., 2018), here over time."""

    def __init__(self, n_channels: int, *, reduction: int = 8) -> None:
        super().__init__()
        hidden = max(4, n_channels // reduction)
        self.gate = nn.Sequential(nn.Linear(n_channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, n_channels), nn.Sigmoid())

    def forward(self, states: Tensor) -> Tensor:
        """Map (batch, n_channels, n_samples) to the same shape."""
        weighed: Tensor = states * self.gate(states.mean(2))[:, :, None]
        return weighed


class ConcatPool(nn.Module):
    """Mean and maximum over time, side by side: how much of a pattern there is, and whether there is any."""

    def forward(self, states: Tensor) -> Tensor:
        """Map (batch, n_channels, n_samples) to (batch, 2 * n_channels)."""
        return torch.cat([states.mean(2), states.amax(2)], dim=1)


class FeatureNorm(nn.BatchNorm1d):
    """Batch normalisation of features; a lone record, which has no variance, takes the running statistics."""

    def forward(self, features: Tensor) -> Tensor:
        """Map (batch, n_features) to the same shape."""
        if self.training and len(features) == 1:
            return nn.functional.batch_norm(features, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(features)


def initialise(network: nn.Module) -> None:
    """Initialise the weights of every 1-D convolution so that ReLUs keep the variance (He et al., 2015)."""
    for module in network.modules():
        if isinstance(module, nn.Conv1d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
