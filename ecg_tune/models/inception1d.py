"""Inception network on the raw signal: several kernel lengths side by side in every layer.

InceptionTime (Ismail Fawaz et al., 2020), one network of its ensemble: modules of a bottleneck and three long kernels beside a
pooled path, with a shortcut around every three modules. Mean and maximum over time come before the classifier, as in the other
convolutional families; the published one has the mean alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ecg_tune.config import DROPOUT, ModelConfig, check_range
from ecg_tune.errors import ConfigError
from ecg_tune.models.base import EncoderClassifier
from ecg_tune.models.blocks1d import ConcatPool, SqueezeExcitation, conv_bn, initialise
from ecg_tune.models.keywords import Classic, create_network

N_PATHS = 4
SHORTCUT_EVERY = 3


@dataclass(frozen=True)
class Inception1DConfig(ModelConfig):
    """An inception classifier of signals.

    Attributes:
        filters: Of each of a module's four paths, and of its bottleneck.
        depth: Modules.
        kernel_size: Samples the longest kernel spans, odd; the two others span about a half and a quarter.
        pool: Halve the length after every three modules; the published network keeps it.
        dropout: Before the classifier, 0..0.9.
        squeeze_excitation: Weigh the channels of every module (Hu et al., 2018).
    """

    filters: int = 32
    depth: int = 6
    kernel_size: int = 39
    pool: bool = False
    dropout: float = DROPOUT
    squeeze_excitation: bool = False

    def __post_init__(self) -> None:
        check_range("filters", self.filters, 4, 256)
        check_range("depth", self.depth, 1, 12)
        check_range("kernel_size", self.kernel_size, 5, 127)
        if self.kernel_size % 2 == 0:
            raise ConfigError(f"kernel_size must be odd, but got kernel_size={self.kernel_size}")
        check_range("dropout", self.dropout, 0, 0.9)

    @property
    def kernels(self) -> tuple[int, int, int]:
        """The three kernels of a module, all odd, e.g. (39, 19, 9)."""
        half, quarter = self.kernel_size // 2, self.kernel_size // 4
        return self.kernel_size, half - 1 + half % 2, quarter - 1 + quarter % 2


class InceptionModule(nn.Module):
    """Three kernels on a bottleneck, and a convolution of width 1 on the pooled input; then batch normalisation and ReLU."""

    def __init__(self, n_in: int, config: Inception1DConfig) -> None:
        super().__init__()
        n = config.filters
        narrow = n_in > n
        self.bottleneck = nn.Conv1d(n_in, n, 1, bias=False) if narrow else nn.Identity()
        self.paths = nn.ModuleList(
            nn.Conv1d(n if narrow else n_in, n, kernel, padding=kernel // 2, bias=False) for kernel in config.kernels
        )
        self.pooled = nn.Sequential(nn.MaxPool1d(3, stride=1, padding=1), nn.Conv1d(n_in, n, 1, bias=False))
        after: list[nn.Module] = [nn.BatchNorm1d(N_PATHS * n), nn.ReLU(inplace=True)]
        self.after = nn.Sequential(*after, *([SqueezeExcitation(N_PATHS * n)] if config.squeeze_excitation else []))

    def forward(self, states: Tensor) -> Tensor:
        """Map (batch, n_in, n_samples) to (batch, 4 * filters, n_samples)."""
        narrow = self.bottleneck(states)
        result: Tensor = self.after(torch.cat([*(path(narrow) for path in self.paths), self.pooled(states)], dim=1))
        return result


class InceptionBlock(nn.Module):
    """Up to three modules with a shortcut around them; modules short of three, at the end, have none."""

    def __init__(self, n_in: int, n_modules: int, config: Inception1DConfig) -> None:
        super().__init__()
        n_out = N_PATHS * config.filters
        self.body = nn.Sequential(*(InceptionModule(n_in if index == 0 else n_out, config) for index in range(n_modules)))
        self.shortcut = nn.Sequential(*conv_bn(n_in, n_out, 1)) if n_modules == SHORTCUT_EVERY else None

    def forward(self, states: Tensor) -> Tensor:
        """Map (batch, n_in, n_samples) to (batch, 4 * filters, n_samples)."""
        result: Tensor = self.body(states)
        return result if self.shortcut is None else nn.functional.relu(result + self.shortcut(states))


class Inception1D(EncoderClassifier):
    """Inception modules, mean and maximum over time, classifier."""

    def __init__(self, config: Inception1DConfig, *, n_inputs: int, n_classes: int) -> None:
        super().__init__()
        layers, n_in = list[nn.Module](), n_inputs
        for start in range(0, config.depth, SHORTCUT_EVERY):
            layers.append(InceptionBlock(n_in, min(SHORTCUT_EVERY, config.depth - start), config))
            n_in = N_PATHS * config.filters
            if config.pool and start + SHORTCUT_EVERY < config.depth:
                layers.append(nn.MaxPool1d(2, ceil_mode=True))
        self.encoder = nn.Sequential(*layers, ConcatPool())
        self.n_features = 2 * n_in
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(self.n_features, n_classes))
        initialise(self)

    def encode(self, signal: Tensor) -> Tensor:
        """Map (batch, n_samples, n_leads) to (batch, n_features)."""
        features: Tensor = self.encoder(signal.transpose(1, 2))
        return features


def create_inception1d(
    config: Inception1DConfig | Classic | None = None, *, n_inputs: int = 3, n_classes: int | None = None, **keywords: Any
) -> Inception1D:
    """Make an inception network; without a config one of the published shape: 410,629 parameters with 3 leads and 5 classes.

    Args:
        keywords: Fields of the config in its place, and `num_classes`; see `create_network`.
    """
    return create_network(Inception1D, Inception1DConfig, config, keywords, n_inputs=n_inputs, n_classes=n_classes)
