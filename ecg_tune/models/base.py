"""What the network of every family must be: an encoder that makes features of an input, and a head that classifies them."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ecg_tune.config import ModelConfig


class EncoderClassifier(nn.Module):
    """Base of every network, built-in or from a plug-in.

    A subclass sets `n_features` and `head` in its constructor and implements `encode`. The search trains `forward`; fusion takes
    `encode` and drops the head; explanations and cost counting use both. One forward pass takes

    - signals: float (batch, n_samples, n_leads), standardised, of any length from 1 s (100 samples at 100 Hz) on,
    - images: float (batch, n_channels, size, size) in [-1, 1] or [0, 1], of any size from 32 pixels on, or
    - a signal and its image, in this order,

    by `Family.inputs`, and gives logits, one a class: a record may belong to several classes, so that there is no softmax.
    A batch may hold a single record, also while training. NaN is never replaced: the learner must see it to fail the trial.

    A network on images keeps its layers up to the features in `encoder`, an `nn.Sequential` that ends with pooling and flattening:
    Grad-CAM, which explains predictions in the evaluation, colours the last map before them.

    Weights are saved by the names of parameters, and the optimiser's state by their order: renaming a submodule, or creating
    it earlier or later in the constructor, makes old model files or checkpoints unreadable.

    Attributes:
        config: What a factory (`create_…`) made it from.
        n_features: Features of one record, the last axis of what `encode` returns.
        head: Maps features (batch, n_features) to logits (batch, n_classes).
    """

    config: ModelConfig
    n_features: int
    head: nn.Module

    def encode(self, *inputs: Any, **named: Any) -> Tensor:
        """Map the inputs of a batch to features (batch, n_features). Subclasses name their own inputs.

        Raises:
            NotImplementedError: The subclass has no `encode`.
        """
        raise NotImplementedError(f"{type(self).__name__} needs encode(…), which maps its inputs to (batch, n_features)")

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map the inputs of a batch to logits (batch, n_classes)."""
        logits: Tensor = self.head(self.encode(*inputs))
        return logits
