"""Parts that AlexNet and VGG share: convolutions with optional normalisation, the fully connected head, initialisation."""

from __future__ import annotations

from torch import nn


def scaled(n_channels: int, width: float) -> int:
    """Multiply a published number of channels by a width, but return at least 4."""
    return max(4, round(n_channels * width))


def conv_relu(n_in: int, n_out: int, kernel: int, *, stride: int = 1, padding: int, batch_norm: bool) -> list[nn.Module]:
    """Make a convolution with bias, its batch normalisation if wanted, and a ReLU."""
    norm: list[nn.Module] = [nn.BatchNorm2d(n_out)] if batch_norm else []
    return [nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=padding), *norm, nn.ReLU(inplace=True)]


def fully_connected(n_features: int, width: int, n_classes: int, *, dropout: float) -> nn.Sequential:
    """Make the head of both papers: two hidden layers, each followed by dropout, then the classes."""
    hidden = [nn.Linear(n_features, width), nn.ReLU(inplace=True), nn.Dropout(dropout)]
    hidden += [nn.Linear(width, width), nn.ReLU(inplace=True), nn.Dropout(dropout)]
    return nn.Sequential(*hidden, nn.Linear(width, n_classes))


def initialise_for_relu(network: nn.Module) -> None:
    """Initialise in place: weights so that ReLUs keep the variance (He et al., 2015), biases zero."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
