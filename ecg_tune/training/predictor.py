"""Predict from raw signals: standardisation, crops, images and the network in one torch module."""

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
    """Convert a config's crop length from seconds to samples; None when the network takes whole records."""
    seconds = config.training.crop_s
    return None if seconds is None else round(seconds * sampling_rate_hz)


def model_inputs(signal: Tensor, config: TrialConfig) -> tuple[Tensor, ...]:
    """Make the inputs of a family's network: the signal, its images, or both.

    Args:
        signal: (batch, n_samples, n_leads), standardised.
    """
    kind = MODELS[config.family].inputs
    if kind == "signal":
        return (signal,)
    assert config.image is not None, f"{config.family} takes images: its config needs an image"
    image = make_images(signal, config.image)
    if image.device.type == "cuda":
        image = image.contiguous(memory_format=torch.channels_last)
    return (image,) if kind == "image" else (signal, image)


class Predictor(nn.Module):
    """A network with everything around it: standardises, crops, makes images, and averages the crops' probabilities.

    Args:
        model: A network of `ecg_tune.models`.
        normalisation: `PreparedData.normalisation` of the data it was trained on.
        thresholds: Rule ("half", "f1") → one threshold a class for its probabilities; none while it is trained.
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
        """Predict every crop.

        Args:
            signal_mv: (batch, n_samples, n_leads), millivolts.

        Returns:
            Logits (batch, n_crops, n_classes), float32.
        """
        crops = evaluation_crops(standardise(signal_mv, self.normalisation), self.length)
        n_records, n_crops = crops.shape[:2]
        logits: Tensor = self.model(*model_inputs(crops.flatten(0, 1), self.config))
        return logits.float().reshape(n_records, n_crops, -1)

    def forward(self, signal_mv: Tensor) -> Tensor:
        """Predict every record from the mean probability of its crops.

        Args:
            signal_mv: (batch, n_samples, n_leads), millivolts.

        Returns:
            Logits (batch, n_classes), float32; their sigmoid is the mean probability.
        """
        logits = self.crop_logits(signal_mv)
        return logits[:, 0] if logits.shape[1] == 1 else torch.logit(logits.sigmoid().mean(1), eps=1e-7)


def predict_probabilities(
    predictor: nn.Module, signals_uv: NDArray[np.int16], *, device: torch.device | str = "cpu", batch_size: int = 64
) -> NDArray[np.float64]:
    """Predict records batch by batch.

    Args:
        predictor: A `Predictor`, or another module that maps millivolts (batch, n_samples, n_leads) to logits.
        signals_uv: (n_records, n_samples, n_leads) int16, microvolts.
        device: Where it computes; the predictor is moved there.
        batch_size: Records at once.

    Returns:
        Probabilities (n_records, n_classes) in [0, 1], float64. Not thresholded, and not calibrated.

    Example:
        >>> from ecg_tune.data.prepared.dataset import open_prepared
        >>> from ecg_tune.training.model_file import build_predictor, load_saved
        >>> predictor = build_predictor(load_saved("model.pth"))
        >>> probabilities = predict_probabilities(predictor, open_prepared("data").validation.signals_uv)
        >>> probabilities.shape, float(probabilities.min()) >= 0
        ((48, 5), True)
    """
    predictor.to(device).eval()
    batches = []
    with torch.inference_mode():
        for start in range(0, len(signals_uv), batch_size):
            signal = torch.tensor(signals_uv[start : start + batch_size], device=device)
            batches.append(predictor(millivolts(signal)).sigmoid().cpu())
    return torch.cat(batches).double().numpy()
