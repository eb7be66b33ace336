"""VGG on images (Simonyan & Zisserman, 2015): stacks of 3×3 convolutions, with attention by config.

Parameters with 3 channels, 5 classes and the published head (`classifier_width=4096`):

| shape | plain | with batch normalisation |
|---|---|---|
| VGG-11 | 128,786,821 | 128,792,325 |
| VGG-13 | 128,971,333 | 128,977,221 |
| VGG-16 | 134,281,029 | 134,289,477 |
| VGG-19 | 139,590,725 | 139,601,733 |

Nine tenths of them sit in the head, and VGG-16 with Adam's two moments is a checkpoint of 1.6 GB: the default head has 512
units a layer instead (27,833,925 parameters for VGG-16 with batch normalisation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ecg_tune.config import DROPOUT, ModelConfig, check_choice, check_range
from ecg_tune.models.base import EncoderClassifier
from ecg_tune.models.image_attention import ATTENTIONS, final_attention, stage_attention
from ecg_tune.models.image_blocks import conv_relu, fully_connected, initialise_for_relu, scaled
from ecg_tune.models.keywords import Classic, create_network, fixed

SHAPES = {"vgg11": (1, 1, 2, 2, 2), "vgg13": (2, 2, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Convolutions of each of the five stages: the paper's configurations A, B, D, E."""


@dataclass(frozen=True)
class VGGConfig(ModelConfig):
    """A VGG.

    Attributes:
        shape: Entry of `SHAPES`.
        width: Multiplier of the published channels 64, 128, 256, 512, 512.
        classifier_width: Units of each of the two hidden layers of the head; published 4096, see above.
        batch_norm: Normalise behind every convolution; without it the paper had to start deep nets from trained shallow ones.
        attention: Entry of `ATTENTIONS`. Gates sit before each of the five poolings, "self_attention" once, before the last.
        grid: Side of the map that the head sees, pooled or repeated to it; published 7, which is what 224 px leave.
        dropout: Behind each hidden layer, 0..0.9.

    Small images need no stem of their own: the first layer keeps the resolution, and 32 px leave one pixel for the head.
    """

    shape: str = "vgg16"
    width: float = 1.0
    classifier_width: int = 512
    batch_norm: bool = True
    attention: str = "none"
    grid: int = 7
    dropout: float = DROPOUT

    def __post_init__(self) -> None:
        check_choice("shape", self.shape, SHAPES)
        check_range("width", self.width, 0.05, 4)
        check_range("classifier_width", self.classifier_width, 4, 8192)
        check_choice("attention", self.attention, ATTENTIONS)
        check_range("grid", self.grid, 1, 16)
        check_range("dropout", self.dropout, 0, 0.9)


def final_side(size: int) -> int:
    """Compute the side of the last map for images of `size` pixels: each of five stages halves it."""
    return size // 32


class VGG(EncoderClassifier):
    """Five stages of convolutions, each halving the map, pooling to a fixed grid, two hidden layers, classifier. From 32 px."""

    def __init__(self, config: VGGConfig, *, n_inputs: int, n_classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        n_in = n_inputs
        for stage, (n_convolutions, channels) in enumerate(zip(SHAPES[config.shape], (64, 128, 256, 512, 512), strict=True)):
            n_out = scaled(channels, config.width)
            for _ in range(n_convolutions):
                layers += conv_relu(n_in, n_out, 3, padding=1, batch_norm=config.batch_norm)
                n_in = n_out
            layers.append(stage_attention(config.attention, n_out))
            if stage == 4:
                layers.append(final_attention(config.attention, n_out))
            layers.append(nn.MaxPool2d(2))
        self.encoder = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(config.grid), nn.Flatten())
        self.n_features = n_in * config.grid**2
        self.head = fully_connected(self.n_features, config.classifier_width, n_classes, dropout=config.dropout)
        initialise_for_relu(self)

    def encode(self, image: Tensor) -> Tensor:
        """Map (batch, n_inputs, height, width) to (batch, n_features)."""
        features: Tensor = self.encoder(image)
        return features


def create_vgg(config: VGGConfig | Classic | None = None, *, n_inputs: int = 3, n_classes: int | None = None, **keywords: Any) -> VGG:
    """Make a VGG; without a config VGG-16 with batch normalisation and a head of 512 units a layer.

    Args:
        keywords: Fields of the config in its place, and `num_classes`; see `create_network`.
    """
    return create_network(VGG, VGGConfig, config, keywords, n_inputs=n_inputs, n_classes=n_classes)


def create_vgg_channel_attention(**keywords: Any) -> VGG:
    """Make a VGG with channel gates; keywords as `create_vgg`."""
    return create_vgg(**fixed(keywords, attention="channel"))


def create_vgg_spatial_attention(**keywords: Any) -> VGG:
    """Make a VGG with spatial gates; keywords as `create_vgg`."""
    return create_vgg(**fixed(keywords, attention="spatial"))


def create_vgg_cbam(**keywords: Any) -> VGG:
    """Make a VGG with channel and spatial gates; keywords as `create_vgg`."""
    return create_vgg(**fixed(keywords, attention="cbam"))


def create_vgg_self_attention(**keywords: Any) -> VGG:
    """Make a VGG with self-attention before the last pooling; keywords as `create_vgg`."""
    return create_vgg(**fixed(keywords, attention="self_attention"))
