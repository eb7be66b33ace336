"""AlexNet on images (Krizhevsky et al., 2012), in the one-column form of Krizhevsky (2014), with attention by config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ecg_tune.config import DROPOUT, ModelConfig, check_choice, check_range
from ecg_tune.models.base import EncoderClassifier
from ecg_tune.models.image_attention import ATTENTIONS, final_attention, stage_attention
from ecg_tune.models.image_blocks import conv_relu, fully_connected, initialise_for_relu, scaled
from ecg_tune.models.keywords import Classic, create_network, fixed

STEMS = {"standard": (11, 4, 2), "small": (5, 1, 2)}
"""Kernel, stride and padding of the first convolution."""


@dataclass(frozen=True)
class AlexNetConfig(ModelConfig):
    """An AlexNet.

    Attributes:
        width: Multiplier of the published channels 64, 192, 384, 256, 256.
        classifier_width: Units of each of the two hidden layers of the head; published 4096.
        batch_norm: Normalise behind every convolution; the published net does not.
        attention: Entry of `ATTENTIONS`. Gates sit before each of the three poolings, "self_attention" once, before the last.
        stem: "standard" (11×11 stride 4) or "small" (5×5 stride 1), for images up to 64 px, of which the standard stem
            would leave one pixel.
        grid: Side of the map that the head sees, pooled or repeated to it; published 6. See `final_side`.
        dropout: Behind each hidden layer, 0..0.9.
    """

    width: float = 1.0
    classifier_width: int = 4096
    batch_norm: bool = False
    attention: str = "none"
    stem: str = "standard"
    grid: int = 6
    dropout: float = DROPOUT

    def __post_init__(self) -> None:
        check_range("width", self.width, 0.05, 4)
        check_range("classifier_width", self.classifier_width, 4, 8192)
        check_choice("attention", self.attention, ATTENTIONS)
        check_choice("stem", self.stem, STEMS)
        check_range("grid", self.grid, 1, 16)
        check_range("dropout", self.dropout, 0, 0.9)


def final_side(size: int, stem: str) -> int:
    """Compute the side of the last map for images of `size` pixels: 6 for 224 with the standard stem."""
    kernel, stride, padding = STEMS[stem]
    side = (size + 2 * padding - kernel) // stride + 1
    for _ in range(3):
        side = side if side < 3 else (side - 3) // 2 + 1
    return side


class OverlappingPool(nn.MaxPool2d):
    """The paper's 3×3 maximum with stride 2. A map below 3×3 pixels, which small images leave, passes as it is."""

    def __init__(self) -> None:
        super().__init__(3, stride=2)

    def forward(self, image: Tensor) -> Tensor:
        """Map (batch, n_channels, height, width) to half the size."""
        return image if min(image.shape[2:]) < 3 else super().forward(image)


class AlexNet(EncoderClassifier):
    """Five convolutions in three stages, pooling to a fixed grid, two hidden layers, classifier. Takes images from 32 px."""

    def __init__(self, config: AlexNetConfig, *, n_inputs: int, n_classes: int) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = (scaled(n, config.width) for n in (64, 192, 384, 256, 256))
        kernel, stride, padding = STEMS[config.stem]
        norm, attention = config.batch_norm, config.attention
        self.encoder = nn.Sequential(
            *conv_relu(n_inputs, c1, kernel, stride=stride, padding=padding, batch_norm=norm),
            stage_attention(attention, c1),
            OverlappingPool(),
            *conv_relu(c1, c2, 5, padding=2, batch_norm=norm),
            stage_attention(attention, c2),
            OverlappingPool(),
            *conv_relu(c2, c3, 3, padding=1, batch_norm=norm),
            *conv_relu(c3, c4, 3, padding=1, batch_norm=norm),
            *conv_relu(c4, c5, 3, padding=1, batch_norm=norm),
            stage_attention(attention, c5),
            final_attention(attention, c5),
            OverlappingPool(),
            nn.AdaptiveAvgPool2d(config.grid),
            nn.Flatten(),
        )
        self.n_features = c5 * config.grid**2
        self.head = fully_connected(self.n_features, config.classifier_width, n_classes, dropout=config.dropout)
        initialise_for_relu(self)

    def encode(self, image: Tensor) -> Tensor:
        """Map (batch, n_inputs, height, width) to (batch, n_features)."""
        features: Tensor = self.encoder(image)
        return features


def create_alexnet(
    config: AlexNetConfig | Classic | None = None, *, n_inputs: int = 3, n_classes: int | None = None, **keywords: Any
) -> AlexNet:
    """Make an AlexNet; without a config the published one: 57,024,325 parameters with 3 channels and 5 classes.

    Args:
        keywords: Fields of the config in its place, and `num_classes`; see `create_network`.
    """
    return create_network(AlexNet, AlexNetConfig, config, keywords, n_inputs=n_inputs, n_classes=n_classes)


def create_alexnet_channel_attention(**keywords: Any) -> AlexNet:
    """Make an AlexNet with channel gates; keywords as `create_alexnet`."""
    return create_alexnet(**fixed(keywords, attention="channel"))


def create_alexnet_spatial_attention(**keywords: Any) -> AlexNet:
    """Make an AlexNet with spatial gates; keywords as `create_alexnet`."""
    return create_alexnet(**fixed(keywords, attention="spatial"))


def create_alexnet_cbam(**keywords: Any) -> AlexNet:
    """Make an AlexNet with channel and spatial gates; keywords as `create_alexnet`."""
    return create_alexnet(**fixed(keywords, attention="cbam"))


def create_alexnet_self_attention(**keywords: Any) -> AlexNet:
    """Make an AlexNet with self-attention before the last pooling; keywords as `create_alexnet`."""
    return create_alexnet(**fixed(keywords, attention="self_attention"))
