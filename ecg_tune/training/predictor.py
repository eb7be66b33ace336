"""Predict from raw signals: standardisation, crops, images and the network in one torch module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecg_tune.config import ImageConfig, TrialConfig
from ecg_tune.data.loaders import millivolts, read_images
from ecg_tune.data.prepared.dataset import Split
from ecg_tune.data.prepared.images import StoredImages
from ecg_tune.data.ptbxl.quality import LARGEST_UV, MISSING_UV
from ecg_tune.data.recordings.adaptation import SMALLEST_MV, SignalFormat, adapt
from ecg_tune.data.recordings.recording import Recording
from ecg_tune.errors import DataError
from ecg_tune.models import MODELS
from ecg_tune.transforms.images import make_images
from ecg_tune.transforms.signals import evaluation_crops, standardise

NEEDS_IMAGES = (
    "the model takes stored images, and how they are made from a recording is not known: evaluate it on the data it was trained on, "
    "or train one on signals"
)
EINTHOVEN, N_JUDGED, MOST_OFF = ("I", "II", "III"), 64, 0.25
"""Leads of which the third is the difference of the others; records to judge the order of leads by; what is too far off (0..1)."""


def crop_length(config: TrialConfig, sampling_rate_hz: int) -> int | None:
    """Convert a config's crop length from seconds to samples; None when the network takes whole records."""
    seconds = config.training.crop_s
    return None if seconds is None else round(seconds * sampling_rate_hz)


def model_inputs(signal: Tensor, config: TrialConfig, images: Tensor | None = None) -> tuple[Tensor, ...]:
    """Make the inputs of a family's network: the signal, its images, or both.

    Args:
        signal: (batch, n_samples, n_leads), standardised.
        images: (batch, n_channels, size, size), the stored images of a config that takes these; ignored by others.

    Raises:
        DataError: The config takes stored images, and there are none, or others than it was made for.
    """
    kind = MODELS[config.family].inputs
    if kind == "signal":
        return (signal,)
    assert config.image is not None, f"{config.family} takes images: its config needs an image"
    image = _checked_images(images, config.image) if config.stored_images else make_images(signal, config.image)
    image = image.contiguous(memory_format=torch.channels_last)  # a quarter to a half faster, on CPUs too
    return (image,) if kind == "image" else (signal, image)


def _checked_images(images: Tensor | None, config: ImageConfig) -> Tensor:
    wanted = (config.channels, config.size, config.size)
    if images is None:
        raise DataError(NEEDS_IMAGES)
    if images.shape[1:] != wanted:
        raise DataError(f"the model takes stored images of {wanted}, but got {tuple(images.shape[1:])}: give those of its own data")
    return images


class Predictor(nn.Module):
    """A network with everything around it: standardises, crops, makes images, and averages the crops' probabilities.

    Args:
        model: A network of `ecg_tune.models`.
        normalisation: `PreparedData.normalisation` of the data it was trained on.
        sampling_rate_hz: Of the signals that it takes.
        thresholds: Rule ("half", "f1") → one threshold a class for its probabilities; none while it is trained.
        leads: Names of the leads that it takes, in their order; none while it is trained.
        class_names: Names of the classes that it predicts, in their order; none while it is trained.
        n_samples: Length of a record; None while it is trained.
        platt: Slope and intercept of each class for `ecg_tune.training.platt.platt_scaled`, (n_classes, 2); none in older files.
        synthetic: Whether it was trained on simulated records.
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
        n_samples: int | None = None,
        platt: Sequence[Sequence[float]] = (),
        synthetic: bool = False,
    ) -> None:
        super().__init__()
        self.n_samples, self.platt, self.synthetic = n_samples, np.array(platt, dtype=np.float64).reshape(-1, 2), synthetic
        self.thresholds = dict(thresholds or {})
        self.leads, self.class_names, self.sampling_rate_hz = tuple(leads), tuple(class_names), sampling_rate_hz
        self.model, self.config, self.normalisation = model, config, dict(normalisation)
        self.length = crop_length(config, sampling_rate_hz)

    @property
    def stored_images(self) -> bool:
        """Whether it takes images that come with the data, and so can't predict a recording."""
        return self.config.stored_images

    def crop_logits(self, signal_mv: Tensor, images: Tensor | None = None) -> Tensor:
        """Predict every crop.

        Args:
            signal_mv: (batch, n_samples, n_leads), millivolts; (batch, 0, 0) in data of images alone.
            images: (batch, n_channels, size, size), for a model that takes stored images; ignored by others.

        Returns:
            Logits (batch, n_crops, n_classes), float32.
        """
        crops = evaluation_crops(standardise(signal_mv, self.normalisation), self.length)
        n_records, n_crops = crops.shape[:2]
        logits: Tensor = self.model(*model_inputs(crops.flatten(0, 1), self.config, images))
        return logits.float().reshape(n_records, n_crops, -1)

    def forward(self, signal_mv: Tensor, images: Tensor | None = None) -> Tensor:
        """Predict every record from the mean probability of its crops.

        Args:
            signal_mv: As in `crop_logits`.
            images: As in `crop_logits`.

        Returns:
            Logits (batch, n_classes), float32; their sigmoid is the mean probability.
        """
        logits = self.crop_logits(signal_mv, images)
        return logits[:, 0] if logits.shape[1] == 1 else torch.logit(logits.double().sigmoid().mean(1), eps=1e-7).float()


def predict_probabilities(
    predictor: nn.Module,
    signals: NDArray[np.int16] | Recording | Sequence[Recording] | Split,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 64,
) -> NDArray[np.float64]:
    """Predict records batch by batch.

    Args:
        predictor: What `load_model` returns, or another module that maps millivolts (batch, n_samples, n_leads) to logits.
        signals: One or more `Recording`s, which are adapted to the predictor by name, unit and rate, as `adapt` says. Or an array
            (n_records, n_samples, n_leads) int16, microvolts, as prepared data holds them: it must have the leads in the
            predictor's order, its sampling rate and its length. Or a split of prepared data, which also has the stored images that
            some models take. The predictor standardises signals itself.
        device: Where it computes; the predictor is moved there.
        batch_size: Records at once.

    Returns:
        Probabilities (n_records, n_classes) in [0, 1], float64. Not thresholded, and not calibrated.

    Raises:
        DataError: The signals do not fit: not int16, no records, another number of leads or samples, missing samples, no
            microvolts; a recording that can't be adapted; or the model takes stored images, and there are none.

    Example:
        >>> from ecg_tune import load_model, open_data, predict  # `predict` is this function
        >>> data, model = open_data("data"), load_model("model.pth")
        >>> probabilities = predict(model, data.validation.signals_uv)
        >>> probabilities.shape, float(probabilities.min()) >= 0
        ((48, 5), True)
    """
    if isinstance(signals, Recording):
        signals = [signals]
    if isinstance(signals, Split):
        if signals.signals_uv.size:
            check_signals(signals.signals_uv, predictor)
        return predict_signals(predictor, signals.signals_uv, images=signals.images, device=device, batch_size=batch_size)
    if isinstance(signals, np.ndarray):
        check_signals(signals, predictor)
        return predict_signals(predictor, signals, device=device, batch_size=batch_size)
    if not signals or not all(isinstance(one, Recording) for one in signals):
        raise DataError(f"give recordings (`ecg_tune.Recording`) or an int16 array, but got {type(signals).__name__}")
    wanted = signal_format(predictor)
    adapted = np.stack([adapt(one, wanted).signal_mv for one in signals])
    return predict_signals(predictor, adapted, device=device, batch_size=batch_size)


def predict_signals(
    predictor: nn.Module,
    signals: NDArray[Any],
    *,
    images: StoredImages | None = None,
    device: torch.device | str = "cpu",
    batch_size: int = 64,
) -> NDArray[np.float64]:
    """Predict signals that were checked: (n_records, n_samples, n_leads), integers in microvolts or floats in millivolts.

    Args:
        images: The same records' stored images, for a model that takes these.

    Raises:
        DataError: The model takes stored images, and there are none.
    """
    predictor.to(device).eval()
    with_images = getattr(predictor, "stored_images", False)
    if with_images and images is None:
        raise DataError(NEEDS_IMAGES)
    batches = []
    with torch.inference_mode():
        for start in range(0, len(signals), batch_size):
            signal = torch.tensor(signals[start : start + batch_size])
            signal_mv = signal.float() if signal.is_floating_point() else millivolts(signal.to(device))
            stored = (read_images(images, np.arange(start, start + len(signal)), device),) if with_images else ()
            batches.append(predictor(signal_mv.to(device), *stored).double().sigmoid().cpu())
    return torch.cat(batches).numpy()


def signal_format(predictor: nn.Module) -> SignalFormat:
    """Describe what a loaded predictor takes.

    Raises:
        DataError: It takes stored images; or it does not say: one that is being trained, or a module of another kind.
    """
    if getattr(predictor, "stored_images", False):
        raise DataError(NEEDS_IMAGES)
    leads, n_samples = tuple(getattr(predictor, "leads", ())), getattr(predictor, "n_samples", None)
    if not leads or n_samples is None:
        raise DataError("this model does not say which leads and length it takes: save it, and load it by `ecg_tune.load_model`")
    return SignalFormat(leads, int(getattr(predictor, "sampling_rate_hz", 0)), n_samples)


def check_signals(signals_uv: NDArray[Any], predictor: nn.Module) -> None:
    """Refuse an array that a predictor would misread; see `predict_probabilities`.

    Prepared data may hold a few records beyond 10 mV, so the unit is judged by the record in the middle of all.

    Raises:
        DataError: Names what does not fit, and the remedy.
    """
    if signals_uv.ndim != 3 or not signals_uv.size or signals_uv.dtype != np.int16:
        raise DataError(
            "signals must be int16 microvolts (n_records, n_samples, n_leads) of at least one record, but got "
            f"{signals_uv.dtype} {signals_uv.shape}: make a Recording of each (`ecg_tune.Recording`), which names leads, unit and rate"
        )
    leads, n_samples = getattr(predictor, "leads", ()), getattr(predictor, "n_samples", None)
    if leads and signals_uv.shape[2] != len(leads):
        raise DataError(f"the model takes the leads {','.join(leads)}, but the signals have {signals_uv.shape[2]}: give just these")
    if n_samples is not None and signals_uv.shape[1] != n_samples:
        rate_hz = int(getattr(predictor, "sampling_rate_hz", 0))
        raise DataError(
            f"the model takes {n_samples} samples, {n_samples / rate_hz:g} s at {rate_hz} Hz, but the signals have "
            f"{signals_uv.shape[1]}: make a Recording of each (`ecg_tune.Recording`), which is resampled and cropped"
        )
    low, high = signals_uv.min(axis=(1, 2)).astype(int), signals_uv.max(axis=(1, 2)).astype(int)
    if (low == MISSING_UV).any():
        raise DataError(f"{int((low == MISSING_UV).sum())} of {len(low)} records have missing samples ({MISSING_UV}): leave them out")
    middle, span = float(np.median(np.maximum(high, -low))), float(np.median(high - low))
    if middle > LARGEST_UV:
        raise DataError(f"the signals reach {middle:g}, and an ECG stays below {LARGEST_UV} microvolts: convert them to microvolts")
    if span < 1000 * SMALLEST_MV:
        raise DataError(f"the signals span {span:g}, and an ECG more than {1000 * SMALLEST_MV:g} microvolts: convert them to microvolts")
    _check_limb_leads(signals_uv, tuple(leads))


def _check_limb_leads(signals_uv: NDArray[np.int16], leads: tuple[str, ...]) -> None:
    """Refuse an array whose third lead is not the second minus the first (Einthoven, 1912): its leads are in another order.

    Judged by the record in the middle of the first ones. Without I, II and III there is nothing to judge by.
    """
    if not set(EINTHOVEN) <= set(leads):
        return
    first, second, third = (signals_uv[:N_JUDGED, :, leads.index(lead)].astype(float) for lead in EINTHOVEN)
    off = np.std(third - (second - first), axis=1) / np.maximum(np.std(third, axis=1) + np.std(second - first, axis=1), 1)
    if np.median(off) > MOST_OFF:
        raise DataError(
            f"lead III is not II minus I: the signals are in another order than the model's, which is {','.join(leads)}; "
            "make a Recording of each (`ecg_tune.Recording`), which names its leads"
        )
