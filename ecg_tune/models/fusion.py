"""Signal and image together: two encoders, their features concatenated, a fully connected classifier."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ecg_tune.config import DROPOUT, ModelConfig, check_range
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
        freeze_epochs: Keep them so for these first epochs, until the classifier knows their features.
        encoder_learning_rate: Learning rate of the encoders as a share of the classifier's, 0.001..1.
        signal_head: Add the signal model's own trained classifier. The joint one then begins at zero, so that training starts from the
            signal model's predictions and the images can only add to them.
    """

    signal_family: str = "rnn"
    image_family: str = "resnet"
    signal: ModelConfig = field(default_factory=RNNConfig)
    image: ModelConfig = field(default_factory=ResNetConfig)
    hidden_size: int = 128
    dropout: float = DROPOUT
    signal_checkpoint: str | None = None
    image_checkpoint: str | None = None
    frozen: bool = False
    freeze_epochs: int = 0
    encoder_learning_rate: float = 1.0
    signal_head: bool = False

    def __post_init__(self) -> None:
        if self.frozen and not (self.signal_checkpoint and self.image_checkpoint):
            raise ConfigError("frozen encoders need weights: give signal_checkpoint and image_checkpoint")
        if self.signal_head and not self.signal_checkpoint:
            raise ConfigError("signal_head is the classifier of a trained signal model: give signal_checkpoint")
        check_range("freeze_epochs", self.freeze_epochs, 0, 10_000)
        check_range("encoder_learning_rate", self.encoder_learning_rate, 0.001, 1)
        check_range("hidden_size", self.hidden_size, 4, 4096)
        check_range("dropout", self.dropout, 0, 0.9)


class Encoder(nn.Module):
    """Layer-normalises a network's features, since those of recurrent and convolutional networks differ in scale.

    Args:
        network: Its head is removed.
        frozen: Keep its weights and batch statistics as they are.

    Attributes:
        resting: It is kept as it is for now: no gradient reaches it, and its batch statistics don't move.
    """

    def __init__(self, network: EncoderClassifier, *, frozen: bool) -> None:
        super().__init__()
        network.head = nn.Identity()
        self.network = network.requires_grad_(not frozen)
        self.frozen, self.resting = frozen, False
        self.norm = nn.LayerNorm(network.n_features)

    def train(self, mode: bool = True) -> Encoder:
        """Switch to training or evaluation. A network that is kept as it is stays in evaluation: its batch statistics don't move."""
        super().train(mode)
        if self.frozen or self.resting:
            self.network.eval()
        return self

    def encode(self, inputs: Tensor) -> Tensor:
        """Map the network's input to its own features (batch, n_features)."""
        features: Tensor = self.network.encode(inputs)
        return features.detach() if self.resting else features

    def forward(self, inputs: Tensor) -> Tensor:
        """Map the network's input to normalised features (batch, n_features)."""
        features: Tensor = self.norm(self.encode(inputs))
        return features


class Fusion(EncoderClassifier):
    """Two encoders and a classifier with one hidden layer.

    Args:
        signal, image: A network on signals and one on images, of any two families; their heads are removed.
    """

    def __init__(self, config: FusionConfig, *, signal: EncoderClassifier, image: EncoderClassifier, n_classes: int) -> None:
        super().__init__()
        own_head = signal.head if config.signal_head else None
        self.signal, self.image = Encoder(signal, frozen=config.frozen), Encoder(image, frozen=config.frozen)
        self.n_features = self.signal.norm.normalized_shape[0] + self.image.norm.normalized_shape[0]
        self.head = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(self.n_features, config.hidden_size),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden_size, n_classes),
        )
        self.signal_head = own_head
        if own_head is not None:
            own_head.requires_grad_(not config.frozen)
            for parameter in self.head[-1].parameters():
                nn.init.zeros_(parameter)

    def rest(self, resting: bool) -> None:
        """Keep the trained parts as they are from now on, or train them too."""
        self.signal.resting = self.image.resting = resting

    def train(self, mode: bool = True) -> Fusion:
        """Switch to training or evaluation; the signal model's own classifier does as its encoder."""
        super().train(mode)
        if self.signal_head is not None and (self.signal.frozen or self.signal.resting):
            self.signal_head.eval()
        return self

    def encode(self, signal: Tensor, image: Tensor) -> Tensor:
        """Map (batch, n_samples, n_leads) and (batch, n_channels, height, width) to (batch, n_features)."""
        return torch.cat([self.signal(signal), self.image(image)], dim=1)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map a signal and its image to logits (batch, n_classes)."""
        if self.signal_head is None:
            return super().forward(*inputs)
        signal, image = inputs
        own = self.signal.encode(signal)
        joint: Tensor = self.head(torch.cat([self.signal.norm(own), self.image(image)], dim=1))
        alone: Tensor = self.signal_head(own)
        return joint + (alone.detach() if self.signal.resting else alone)
