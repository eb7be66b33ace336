"""Residual network on images (He et al., 2016): ResNet-18's shape by default; width, depth, block, attention by config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ecg_tune.config import DROPOUT, ModelConfig, check_choice, check_range
from ecg_tune.models.base import EncoderClassifier
from ecg_tune.models.image_attention import ATTENTIONS, final_attention, stage_attention
from ecg_tune.models.keywords import Classic, create_network, fixed


@dataclass(frozen=True)
class ResNetConfig(ModelConfig):
    """A residual image classifier.

    Attributes:
        layers: Blocks of each stage; (2, 2, 2, 2) with basic blocks is ResNet-18, (3, 4, 6, 3) ResNet-34 or, with
            bottlenecks, ResNet-50. With 3 channels and 5 classes ResNet-34 has 21,287,237 parameters.
        width: Channels of the first stage; each further stage doubles them.
        block: "basic" (two 3×3 convolutions) or "bottleneck" (1×1, 3×3, 1×1 with four times the channels).
        stem: "standard" (7×7 stride 2, then max pooling: 4× smaller) or "small" (one 3×3), for images up to 64 px.
        attention: Entry of `ATTENTIONS`. Gates sit inside every residual block, before the shortcut is added, as Hu et al.
            and Woo et al. place them; "self_attention" once, behind the last stage.
        dropout: Before the classifier, 0..0.9.
    """

    layers: tuple[int, ...] = (2, 2, 2, 2)
    width: int = 64
    block: str = "basic"
    stem: str = "standard"
    attention: str = "none"
    dropout: float = DROPOUT

    def __post_init__(self) -> None:
        check_choice("block", self.block, ("basic", "bottleneck"))
        check_choice("stem", self.stem, ("standard", "small"))
        check_choice("attention", self.attention, ATTENTIONS)
        check_range("number of stages", len(self.layers), 1, 5)
        for n_blocks in self.layers:
            check_range("blocks of a stage", n_blocks, 1, 64)
        check_range("width", self.width, 4, 512)
        check_range("dropout", self.dropout, 0, 0.9)


def conv_bn(n_in: int, n_out: int, kernel: int, *, stride: int = 1) -> list[nn.Module]:
    """Make a convolution without bias and its batch normalisation."""
    return [nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=kernel // 2, bias=False), nn.BatchNorm2d(n_out)]


class Residual(nn.Module):
    """A block of two or three convolutions around a shortcut; the shortcut is projected where shapes differ."""

    def __init__(self, n_in: int, n_mid: int, *, stride: int, bottleneck: bool, attention: str = "none") -> None:
        super().__init__()
        self.n_out = 4 * n_mid if bottleneck else n_mid
        if bottleneck:  # the stride sits on the 3×3, as in the later, more accurate variant
            layers = [*conv_bn(n_in, n_mid, 1), nn.ReLU(inplace=True), *conv_bn(n_mid, n_mid, 3, stride=stride), nn.ReLU(inplace=True)]
            layers += conv_bn(n_mid, self.n_out, 1)
        else:
            layers = [*conv_bn(n_in, n_mid, 3, stride=stride), nn.ReLU(inplace=True), *conv_bn(n_mid, n_mid, 3)]
        self.body = nn.Sequential(*layers)
        self.attention = stage_attention(attention, self.n_out)
        same = stride == 1 and n_in == self.n_out
        self.shortcut = nn.Identity() if same else nn.Sequential(*conv_bn(n_in, self.n_out, 1, stride=stride))
        self.activation = nn.ReLU(inplace=True)

    def forward(self, image: Tensor) -> Tensor:
        """Map (batch, n_in, height, width) to (batch, n_out, height / stride, width / stride)."""
        result: Tensor = self.activation(self.attention(self.body(image)) + self.shortcut(image))
        return result


class ResNet(EncoderClassifier):
    """Stem, stages of residual blocks, global average pooling, classifier. Takes any image size."""

    def __init__(self, config: ResNetConfig, *, n_inputs: int, n_classes: int) -> None:
        super().__init__()
        stem: list[nn.Module] = conv_bn(
            n_inputs, config.width, 7 if config.stem == "standard" else 3, stride=2 if config.stem == "standard" else 1
        )
        stem.append(nn.ReLU(inplace=True))
        if config.stem == "standard":
            stem.append(nn.MaxPool2d(3, stride=2, padding=1))
        blocks: list[nn.Module] = []
        n_in = config.width
        for stage, n_blocks in enumerate(config.layers):
            for index in range(n_blocks):
                stride = 2 if stage > 0 and index == 0 else 1
                block = Residual(
                    n_in, config.width * 2**stage, stride=stride, bottleneck=config.block == "bottleneck", attention=config.attention
                )
                blocks.append(block)
                n_in = block.n_out
        self.encoder = nn.Sequential(*stem, *blocks, final_attention(config.attention, n_in), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.n_features = n_in
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(self.n_features, n_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def encode(self, image: Tensor) -> Tensor:
        """Map (batch, n_inputs, height, width) to (batch, n_features)."""
        features: Tensor = self.encoder(image)
        return features


def create_resnet(
    config: ResNetConfig | Classic | None = None, *, n_inputs: int = 3, n_classes: int | None = None, **keywords: Any
) -> ResNet:
    """Make a residual network; without a config ResNet-18: 11,179,077 parameters with 3 channels and 5 classes.

    Args:
        keywords: Fields of the config in its place, and `num_classes`; see `create_network`.
    """
    return create_network(ResNet, ResNetConfig, config, keywords, n_inputs=n_inputs, n_classes=n_classes)


def create_resnet_channel_attention(**keywords: Any) -> ResNet:
    """Make a residual network with channel gates; keywords as `create_resnet`."""
    return create_resnet(**fixed(keywords, attention="channel"))


def create_resnet_spatial_attention(**keywords: Any) -> ResNet:
    """Make a residual network with spatial gates; keywords as `create_resnet`."""
    return create_resnet(**fixed(keywords, attention="spatial"))


def create_resnet_cbam(**keywords: Any) -> ResNet:
    """Make a residual network with channel and spatial gates; keywords as `create_resnet`."""
    return create_resnet(**fixed(keywords, attention="cbam"))


def create_resnet_self_attention(**keywords: Any) -> ResNet:
    """Make a residual network with self-attention behind the last stage; keywords as `create_resnet`."""
    return create_resnet(**fixed(keywords, attention="self_attention"))
