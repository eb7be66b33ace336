"""A model or an ensemble as one torch module from raw millivolts to probabilities, fit for export: all sizes but the batch's are fixed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ecg_tune.export.images import Images
from ecg_tune.models import MODELS
from ecg_tune.training.predictor import Predictor
from ecg_tune.transforms.signals import evaluation_crops, standardise

INPUT = "signal_mv"
SMALLEST = 1e-7
"""Mean probabilities are kept this far from 0 and 1, as the predictors of models and ensembles keep them.

So near to them float32 is too coarse for Platt scaling, which takes a probability's logit, and ONNX Runtime's float32 sigmoid is off by
a tenth: probabilities are float64 until they are given out.
"""


class MemberGraph(nn.Module):
    """One model: the same computation as its `Predictor`.

    Args:
        n_samples: Of the records that it will get.
    """

    crops: Tensor

    def __init__(self, predictor: Predictor, n_samples: int) -> None:
        super().__init__()
        self.model, self.normalisation = predictor.model, predictor.normalisation
        self.inputs = MODELS[predictor.config.family].inputs
        samples = torch.arange(n_samples)[None, :, None]
        self.register_buffer("crops", evaluation_crops(samples, predictor.length)[0, :, :, 0])  # (n_crops, length)
        image, (self.n_crops, length) = predictor.config.image, self.crops.shape
        self.images = None if image is None or self.inputs == "signal" else Images(image, length)

    def forward(self, signal_mv: Tensor) -> Tensor:
        """Map (batch, n_samples, n_leads), millivolts, to probabilities (batch, n_classes), float64."""
        signal = standardise(signal_mv, self.normalisation)
        if self.n_crops > 1:
            signal = signal[:, self.crops].flatten(0, 1)  # (batch * n_crops, length, n_leads)
        image = () if self.images is None else (self.images(signal),)
        logits = self.model(*(() if self.inputs == "image" else (signal,)), *image)
        probabilities: Tensor = logits.double().sigmoid()
        if self.n_crops == 1:
            return probabilities
        crops: Tensor = probabilities.unflatten(0, (-1, self.n_crops))  # (batch, n_crops, n_classes)
        return crops.mean(1).clamp(SMALLEST, 1 - SMALLEST)


class Graph(nn.Module):
    """Members whose probabilities are averaged by weight; a single model is one member of weight 1.

    Args:
        platt: Slope and intercept of each class, (n_classes, 2); empty where nothing was fitted.
    """

    platt: Tensor

    def __init__(
        self, members: Sequence[Predictor], *, n_samples: int, weights: Sequence[float] = (1.0,), platt: Sequence[Sequence[float]] = ()
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(MemberGraph(member, n_samples) for member in members)
        self.weights, self.n_samples, self.n_leads = tuple(weights), n_samples, len(members[0].leads)
        self.register_buffer("platt", torch.tensor([list(line) for line in platt], dtype=torch.float64))
        self.outputs = ("probabilities", "calibrated") if len(platt) else ("probabilities",)
        self.eval()

    def example(self) -> Tensor:
        """Make an input to trace the graph with: a batch of two, since torch takes a batch of one for a constant."""
        return torch.randn(2, self.n_samples, self.n_leads, generator=torch.Generator().manual_seed(0))

    def forward(self, signal_mv: Tensor) -> tuple[Tensor, ...]:
        """Predict a batch.

        Args:
            signal_mv: (batch, n_samples, n_leads) float32, millivolts.

        Returns:
            Probabilities (batch, n_classes) float32 and, where Platt scaling was fitted, the calibrated ones; in the order of `outputs`.
        """
        if len(self.weights) == 1:
            probabilities: Tensor = self.members[0](signal_mv)
        else:
            weighted = [weight * member(signal_mv) for weight, member in zip(self.weights, self.members, strict=True)]
            probabilities = torch.stack(weighted).sum(0).clamp(SMALLEST, 1 - SMALLEST)
        if len(self.outputs) == 1:
            return (probabilities.float(),)
        inner = probabilities.clamp(SMALLEST, 1 - SMALLEST)
        scores = inner.log() - (1 - inner).log()
        return probabilities.float(), (self.platt[:, 0] * scores + self.platt[:, 1]).sigmoid().float()
