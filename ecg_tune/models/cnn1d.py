"""Plain convolutional network on the raw signal: the fully convolutional baseline of Wang et al. (2017), halving as it deepens."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from ecg_tune.config import DROPOUT, ModelConfig, check_range
from ecg_tune.errors import ConfigError
from ecg_tune.models.base import EncoderClassifier
from ecg_tune.models.blocks1d import ConcatPool, SqueezeExcitation, conv_bn, initialise
from ecg_tune.models.keywords import Classic, create_network

MAX_FILTERS = 512


@dataclass(frozen=True)
class CNN1DConfig(ModelConfig):
    """A plain convolutional classifier.

    Attributes:
        filters: Of the first layer; each further layer doubles them, up to 512.
        depth: Layers; each halves the length.
        kernel_size: Samples a kernel spans, odd.
        dropout: Before the classifier, 0..0.9.
        squeeze_excitation: Weigh the channels of every layer (Hu et al., 2018).
        dilation: Samples from one tap of a kernel to the next, in every layer but the first: the network sees further.
    """

    filters: int = 32
    depth: int = 4
    kernel_size: int = 7
    dropout: float = DROPOUT
    squeeze_excitation: bool = False
    dilation: int = 1

    def __post_init__(self) -> None:
        check_range("filters", self.filters, 4, MAX_FILTERS)
        check_range("depth", self.depth, 1, 8)
        check_range("kernel_size", self.kernel_size, 1, 63)
        if self.kernel_size % 2 == 0:
            raise ConfigError(f"kernel_size must be odd, but got kernel_size={self.kernel_size}")
        check_range("dropout", self.dropout, 0, 0.9)
        check_range("dilation", self.dilation, 1, 16)


class CNN1D(EncoderClassifier):
    """Layers of convolution, batch normalisation, ReLU and pooling; mean and maximum over time; classifier."""

    def __init__(self, config: CNN1DConfig, *, n_inputs: int, n_classes: int) -> None:
        super().__init__()
        widths = [n_inputs, *(min(config.filters * 2**layer, MAX_FILTERS) for layer in range(config.depth))]
        layers: list[nn.Module] = []
        for index, (n_in, n_out) in enumerate(pairwise(widths)):
            layers += [*conv_bn(n_in, n_out, config.kernel_size, dilation=config.dilation if index else 1), nn.ReLU(inplace=True)]
            if config.squeeze_excitation:
                layers.append(SqueezeExcitation(n_out))
            layers.append(nn.MaxPool1d(2, ceil_mode=True))
        self.encoder = nn.Sequential(*layers, ConcatPool())
        self.n_features = 2 * widths[-1]
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(self.n_features, n_classes))
        initialise(self)

    def encode(self, signal: Tensor) -> Tensor:
        """Map (batch, n_samples, n_leads) to (batch, n_features)."""
        features: Tensor = self.encoder(signal.transpose(1, 2))
        return features


def create_cnn1d(config: CNN1DConfig | Classic | None = None, *, n_inputs: int = 3, n_classes: int | None = None, **keywords: Any) -> CNN1D:
    """Make a plain convolutional network; without a config the classic one: 305,253 parameters with 3 leads and 5 classes.

    Args:
        keywords: Fields of the config in its place, and `num_classes`; see `create_network`.
    """
    return create_network(CNN1D, CNN1DConfig, config, keywords, n_inputs=n_inputs, n_classes=n_classes)
