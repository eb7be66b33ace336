"""Residual network on the raw signal, in the shape that leads published PTB-XL comparisons.

Wang et al. (2017) brought residual networks with long kernels to time series; the default is their net as Strodthoff et al.
(2021) run it on PTB-XL ("resnet1d_wang"): a stem, three blocks of two convolutions, mean and maximum over time, a
normalised head with one hidden layer. With 12 leads it has the published 473 thousand parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ecg_tune.config import DROPOUT, ModelConfig, check_range
from ecg_tune.errors import ConfigError
from ecg_tune.models.base import EncoderClassifier
from ecg_tune.models.blocks1d import ConcatPool, FeatureNorm, SqueezeExcitation, conv_bn, initialise
from ecg_tune.models.keywords import Classic, create_network


@dataclass(frozen=True)
class ResNet1DConfig(ModelConfig):
    """A residual signal classifier.

    Attributes:
        filters: Of each stage's blocks; every stage but the first halves the length.
        blocks: Blocks a stage.
        kernels: Of a block's convolutions, odd.
        stem_kernel: Of the convolution in front, odd.
        stem_stride: 1 keeps the length, as published; 2 makes everything behind twice as cheap.
        hidden_size: Units of the head's hidden layer.
        dropout: Before the classifier, 0..0.9; before the hidden layer half of it.
        squeeze_excitation: Weigh the channels of every block before its shortcut is added (Hu et al., 2018).
        dilation: Samples from one tap of a block's kernel to the next: the network sees further.
    """

    filters: tuple[int, ...] = (128, 128, 128)
    blocks: int = 1
    kernels: tuple[int, ...] = (5, 3)
    stem_kernel: int = 7
    stem_stride: int = 1
    hidden_size: int = 128
    dropout: float = DROPOUT
    squeeze_excitation: bool = False
    dilation: int = 1

    def __post_init__(self) -> None:
        check_range("number of stages", len(self.filters), 1, 6)
        for n_filters in self.filters:
            check_range("filters of a stage", n_filters, 4, 1024)
        check_range("blocks of a stage", self.blocks, 1, 16)
        check_range("convolutions of a block", len(self.kernels), 1, 4)
        for kernel in (*self.kernels, self.stem_kernel):
            check_range("kernel", kernel, 1, 63)
            if kernel % 2 == 0:
                raise ConfigError(f"kernels must be odd, but got {kernel}")
        check_range("stem_stride", self.stem_stride, 1, 4)
        check_range("hidden_size", self.hidden_size, 4, 2048)
        check_range("dropout", self.dropout, 0, 0.9)
        check_range("dilation", self.dilation, 1, 16)


class Residual1D(nn.Module):
    """Convolutions around a shortcut; the first has the stride, and the shortcut is projected where shapes differ."""

    def __init__(self, n_in: int, n_out: int, *, config: ResNet1DConfig, stride: int) -> None:
        super().__init__()
        layers = conv_bn(n_in, n_out, config.kernels[0], stride=stride, dilation=config.dilation)
        for kernel in config.kernels[1:]:
            layers += [nn.ReLU(inplace=True), *conv_bn(n_out, n_out, kernel, dilation=config.dilation)]
        if config.squeeze_excitation:
            layers.append(SqueezeExcitation(n_out))
        self.body = nn.Sequential(*layers)
        same = stride == 1 and n_in == n_out
        self.shortcut = nn.Identity() if same else nn.Sequential(*conv_bn(n_in, n_out, 1, stride=stride))
        self.activation = nn.ReLU(inplace=True)

    def forward(self, states: Tensor) -> Tensor:
        """Map (batch, n_in, n_samples) to (batch, n_out, n_samples / stride)."""
        result: Tensor = self.activation(self.body(states) + self.shortcut(states))
        return result


class ResNet1D(EncoderClassifier):
    """Stem, stages of residual blocks, mean and maximum over time, classifier with one hidden layer."""

    def __init__(self, config: ResNet1DConfig, *, n_inputs: int, n_classes: int) -> None:
        super().__init__()
        n_in = config.filters[0]
        layers = [*conv_bn(n_inputs, n_in, config.stem_kernel, stride=config.stem_stride), nn.ReLU(inplace=True)]
        for stage, n_out in enumerate(config.filters):
            for index in range(config.blocks):
                stride = 2 if stage > 0 and index == 0 else 1
                layers.append(Residual1D(n_in, n_out, config=config, stride=stride))
                n_in = n_out
        self.encoder = nn.Sequential(*layers, ConcatPool())
        self.n_features = 2 * n_in
        self.head = nn.Sequential(
            FeatureNorm(self.n_features),
            nn.Dropout(config.dropout / 2),
            nn.Linear(self.n_features, config.hidden_size),
            nn.ReLU(inplace=True),
            FeatureNorm(config.hidden_size),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden_size, n_classes),
        )
        initialise(self)

    def encode(self, signal: Tensor) -> Tensor:
        """Map (batch, n_samples, n_leads) to (batch, n_features)."""
        features: Tensor = self.encoder(signal.transpose(1, 2))
        return features


def create_resnet1d(
    config: ResNet1DConfig | Classic | None = None, *, n_inputs: int = 3, n_classes: int | None = None, **keywords: Any
) -> ResNet1D:
    """Make a residual network; without a config the published one: 465,285 parameters with 3 leads, 473,349 with 12.

    Args:
        keywords: Fields of the config in its place, and `num_classes`; see `create_network`.
    """
    return create_network(ResNet1D, ResNet1DConfig, config, keywords, n_inputs=n_inputs, n_classes=n_classes)
