"""Signal and image together: two encoders, their features concatenated, a fully connected classifier."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ecg_tune.config import ModelConfig, check_range
from ecg_tune.errors import ConfigError
from ecg_tune.models.base import EncoderClassifier
from ecg_tune.models.resnet import ResNetConfig
from ecg_tune.models.rnn import RNNConfig


@dataclass(frozen=True)
class FusionConfig(ModelConfig):
    """A fusion classifier.

    Attributes:
        signal_family, image_family: Entries of `ecg_tune.models.MODELS`.
        signal, image: The encoders' own configs.
        hidden_size: Units of the hidden layer behind the concatenated features.
        dropout: Before and behind the hidden layer, 0..0.9.
        signal_checkpoint, image_checkpoint: Model files whose weights the encoders start from; None starts afresh.
        frozen: Keep both encoders as they are and train the classifier only.
    """

    signal_family: str = "rnn"
    image_family: str = "resnet"
    signal: ModelConfig = field(default_factory=RNNConfig)
    image: ModelConfig = field(default_factory=ResNetConfig)
    hidden_size: int = 128
    dropout: float = 0.3
    signal_checkpoint: str | None = None
    image_checkpoint: str | None = None
    frozen: bool = False

    def __post_init__(self) -> None:
        if self.frozen and not (self.signal_checkpoint and self.image_checkpoint):
            raise ConfigError("frozen encoders need weights: give signal_checkpoint and image_checkpoint")
        check_range("hidden_size", self.hidden_size, 4, 4096)
        check_range("dropout", self.dropout, 0, 0.9)


class Encoder(nn.Module):
    """Layer-normalises a network's features, since those of recurrent and convolutional networks differ in scale.

    Args:
        network: Its head is removed.
        frozen: Keep its weights and batch statistics as they are.
    """

    def __init__(self, network: EncoderClassifier, *, frozen: bool) -> None:
        super().__init__()
        network.head = nn.Identity()
        self.network = network.requires_grad_(not frozen)
        self.frozen = frozen
        self.norm = nn.LayerNorm(network.n_features)

    def train(self, mode: bool = True) -> Encoder:
        """Switch to training or evaluation. A frozen network always stays in evaluation, so that its batch statistics don't move."""
        super().train(mode)
        if self.frozen:
            self.network.eval()
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        """Map the network's input to (batch, n_features)."""
        features: Tensor = self.norm(self.network.encode(inputs))
        return features


class Fusion(EncoderClassifier):
    """Two encoders and a classifier with one hidden layer.

    Args:
        signal, image: A network on signals and one on images, of any two families; their heads are removed.
    """

    def __init__(self, config: FusionConfig, *, signal: EncoderClassifier, image: EncoderClassifier, n_classes: int) -> None:
        super().__init__()
        self.signal, self.image = Encoder(signal, frozen=config.frozen), Encoder(image, frozen=config.frozen)
        self.n_features = self.signal.norm.normalized_shape[0] + self.image.norm.normalized_shape[0]
        self.head = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(self.n_features, config.hidden_size),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden_size, n_classes),
        )

    def encode(self, signal: Tensor, image: Tensor) -> Tensor:
        """Map (batch, n_samples, n_leads) and (batch, n_channels, height, width) to (batch, n_features)."""
        return torch.cat([self.signal(signal), self.image(image)], dim=1)
