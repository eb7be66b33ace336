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
from ecg_tune.errors import DataError
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
        sampling_rate_hz: Of the signals that it takes.
        thresholds: Rule ("half", "f1") → one threshold a class for its probabilities; none while it is trained.
        leads: Names of the leads that it takes, in their order; none while it is trained.
        class_names: Names of the classes that it predicts, in their order; none while it is trained.
    """

    def __init__(
        self,
        model: nn.Module,
        config: TrialConfig,
        *,
        normalisation: Mapping[str, Any],
        sampling_rate_hz: int,
        thresholds: Mapping[str, Sequence[float]] | None = None,
        leads: Sequence[str] = (),
        class_names: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.thresholds = dict(thresholds or {})
        self.leads, self.class_names, self.sampling_rate_hz = tuple(leads), tuple(class_names), sampling_rate_hz
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
        predictor: What `load_model` returns, or another module that maps millivolts (batch, n_samples, n_leads) to logits.
        signals_uv: (n_records, n_samples, n_leads) int16, microvolts, with the leads and the sampling rate of the data that it was
            trained on. It standardises them itself.
        device: Where it computes; the predictor is moved there.
        batch_size: Records at once.

    Returns:
        Probabilities (n_records, n_classes) in [0, 1], float64. Not thresholded, and not calibrated.

    Raises:
        DataError: The signals are no integers, no records, or have other leads than the predictor takes.

    Example:
        >>> from ecg_tune import load_model, open_data, predict  # `predict` is this function
        >>> data, model = open_data("data"), load_model("model.pth")
        >>> probabilities = predict(model, data.validation.signals_uv)
        >>> probabilities.shape, float(probabilities.min()) >= 0
        ((48, 5), True)
    """
    _check_signals(signals_uv, getattr(predictor, "leads", ()))
    predictor.to(device).eval()
    batches = []
    with torch.inference_mode():
        for start in range(0, len(signals_uv), batch_size):
            signal = torch.tensor(signals_uv[start : start + batch_size], device=device)
            batches.append(predictor(millivolts(signal)).sigmoid().cpu())
    return torch.cat(batches).double().numpy()


def _check_signals(signals_uv: NDArray[Any], leads: Sequence[str]) -> None:
    if signals_uv.ndim != 3 or not len(signals_uv) or signals_uv.dtype.kind != "i":
        raise DataError(
            "signals must be int16 microvolts (n_records, n_samples, n_leads) of at least one record, "
            f"but got {signals_uv.dtype} {signals_uv.shape}: convert millivolts by np.rint(1000 * signals_mv).astype(np.int16)"
        )
    if leads and signals_uv.shape[2] != len(leads):
        raise DataError(f"the model takes the leads {','.join(leads)}, but the signals have {signals_uv.shape[2]}: give just these")
