"""From a raw signal to logits: what a trained network needs around it, as one module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecg_tune.config import TrialConfig
from ecg_tune.data.loaders import millivolts
from ecg_tune.models import MODELS
from ecg_tune.transforms.images import make_images
from ecg_tune.transforms.signals import evaluation_crops, standardise


def crop_length(config: TrialConfig, sampling_rate_hz: int) -> int | None:
    """Return a crop's samples, None for whole records."""
    seconds = config.training.crop_s
    return None if seconds is None else round(seconds * sampling_rate_hz)


def model_inputs(signal: Tensor, config: TrialConfig) -> tuple[Tensor, ...]:
    """Return what the family's network takes, from a standardised signal (batch, n_samples, n_leads)."""
    kind = MODELS[config.family].inputs
    if kind == "signal":
        return (signal,)
    assert config.image is not None, f"{config.family} takes images: its config needs an image"
    image = make_images(signal, config.image)
    if image.device.type == "cuda":
        image = image.contiguous(memory_format=torch.channels_last)
    return (image,) if kind == "image" else (signal, image)


class Predictor(nn.Module):
    """Standardises, crops, draws images, and averages the crops' probabilities.

    Args:
        model: A network of `ecg_tune.models`.
        normalisation: `PreparedData.normalisation` of the data it was trained on.
        thresholds: For its answers, by rule ("half", "f1"), one value a class; none while it is trained.
    """

    def __init__(
        self,
        model: nn.Module,
        config: TrialConfig,
        *,
        normalisation: Mapping[str, Any],
        sampling_rate_hz: int,
        thresholds: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        self.thresholds = dict(thresholds or {})
        self.model, self.config, self.normalisation = model, config, dict(normalisation)
        self.length = crop_length(config, sampling_rate_hz)

    def crop_logits(self, signal_mv: Tensor) -> Tensor:
        """Map (batch, n_samples, n_leads) in millivolts to the crops' logits (batch, n_crops, n_classes)."""
        crops = evaluation_crops(standardise(signal_mv, self.normalisation), self.length)
        n_records, n_crops = crops.shape[:2]
        logits: Tensor = self.model(*model_inputs(crops.flatten(0, 1), self.config))
        return logits.float().reshape(n_records, n_crops, -1)

    def forward(self, signal_mv: Tensor) -> Tensor:
        """Map (batch, n_samples, n_leads) in millivolts to logits (batch, n_classes) of the mean crop probability."""
        logits = self.crop_logits(signal_mv)
        return logits[:, 0] if logits.shape[1] == 1 else torch.logit(logits.sigmoid().mean(1), eps=1e-7)


def predict_probabilities(
    predictor: nn.Module, signals_uv: NDArray[np.int16], *, device: torch.device | str = "cpu", batch_size: int = 64
) -> NDArray[np.float64]:
    """Return the probabilities of every record and class.

    Args:
        signals_uv: (n_records, n_samples, n_leads) int16, microvolts.

    Returns:
        (n_records, n_classes) in [0, 1].
    """
    predictor.to(device).eval()
    batches = []
    with torch.inference_mode():
        for start in range(0, len(signals_uv), batch_size):
            signal = torch.tensor(signals_uv[start : start + batch_size], device=device)
            batches.append(predictor(millivolts(signal)).sigmoid().cpu())
    return torch.cat(batches).double().numpy()
