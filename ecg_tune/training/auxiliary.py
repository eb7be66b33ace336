"""Learn PTB-XL's finer statements beside the labels (multi-task learning, Caruana 1997).

While it is trained, a second head maps the network's features to the statements of each training record: sub-diagnoses, form and rhythm.
It shapes the features and is dropped afterwards: validation, saved models and exported files have the network alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from ecg_tune.config import TrainingConfig
from ecg_tune.data.loaders import DeviceSplit
from ecg_tune.errors import ConfigError
from ecg_tune.models.base import EncoderClassifier
from ecg_tune.models.fusion import Fusion
from ecg_tune.training.loss import make_loss

NO_STATEMENTS = "auxiliary needs PTB-XL's statements, which these data lack: prepare them again, or leave it out"


class JointNetwork(nn.Module):
    """A network with a second head on the same features.

    Args:
        network: Stays as it is.
        n_statements: Outputs of the second head.

    Raises:
        ConfigError: The network has another way around its head.
    """

    def __init__(self, network: EncoderClassifier, n_statements: int) -> None:
        super().__init__()
        if isinstance(network, Fusion) and network.signal_head is not None:
            raise ConfigError("a fusion with signal_head does not classify its features alone: leave auxiliary or signal_head out")
        self.network = network
        self.statements = nn.Linear(network.n_features, n_statements)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map the inputs of a batch to the logits of classes and statements, (batch, n_classes + n_statements)."""
        features = self.network.encode(*inputs)
        return torch.cat([self.network.head(features), self.statements(features)], dim=1)


def with_statements(split: DeviceSplit, weight: float) -> DeviceSplit:
    """Append the statements of the train split to its labels.

    Args:
        weight: Of their loss; 0 leaves the labels alone.

    Returns:
        The split with labels (n_records, n_classes + n_statements).

    Raises:
        ConfigError: The data do not say the statements.
    """
    if not weight:
        return split
    if split.statements is None:
        raise ConfigError(NO_STATEMENTS)
    return replace(split, labels=torch.cat([split.labels, split.statements], dim=1))


def training_loss(config: TrainingConfig, labels: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Build the loss of the classes and, where a config wants it, the weighted one of the statements.

    Args:
        labels: (n_records, n_classes) of the training split, see `make_loss`.

    Returns:
        A function of logits and labels, both (batch, n_classes + n_statements), that gives the batch's mean loss. A statement's NaN is
        not known and counts nothing.
    """
    loss, n_classes = make_loss(config, labels), labels.shape[1]
    if not config.auxiliary:
        return loss

    def joint(logits: Tensor, target: Tensor) -> Tensor:
        known, statements = ~target[:, n_classes:].isnan(), target[:, n_classes:].nan_to_num()
        found = nn.functional.binary_cross_entropy_with_logits(logits[:, n_classes:].float(), statements, reduction="none")
        return loss(logits[:, :n_classes], target[:, :n_classes]) + config.auxiliary * (found * known).sum() / known.sum().clamp(min=1)

    return joint
