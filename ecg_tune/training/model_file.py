"""Files of weights: written through a rename, loaded with `weights_only=True`, self-describing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO

import torch
from torch import Tensor

from ecg_tune.config import TrialConfig, to_dict
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.errors import ConfigError, DataError
from ecg_tune.models import build_model, trial_config
from ecg_tune.storage import LocalStorage, open_storage
from ecg_tune.training.predictor import Predictor
from ecg_tune.transforms.images import n_channels

FORMAT = 1
TRAIN, TRAIN_AND_VALIDATION = "train", "train+validation"
"""What a model may have been trained on."""


@dataclass(frozen=True)
class SavedModel:
    """A trained model with all that is needed to use it and to say what it is.

    Attributes:
        data: leads, sampling_rate_hz, n_samples, class_names, normalisation, fingerprint, split, synthetic, n_records.
        state: Weights of the best epoch.
        thresholds: "half" (0.5) and "f1" (highest F1 on validation), one value a class.
        trial: Row of the study it retrains; None when it was trained without a search.
        validation_macro_auc: Of the best epoch.
        history: One row an epoch, see `EpochResult.as_row`.
        trained_on: "train", or "train+validation": then thresholds and `validation_macro_auc` are those of the twin that was
            trained on train, and the epochs those that were best for it (`ecg_tune.training.refit`).
    """

    name: str
    config: TrialConfig
    data: dict[str, Any]
    state: dict[str, Tensor]
    thresholds: dict[str, list[float]]
    trial: int | None
    seed: int
    validation_macro_auc: float
    best_epoch: int
    epochs: int
    seconds: float
    n_parameters: int
    history: list[dict[str, Any]]
    trained_on: str = TRAIN


def save_atomic(path: Path, content: dict[str, Any]) -> None:
    """Write `content` so that `path` always holds a whole file: the old one or the new one."""
    LocalStorage(path.parent).write(path.name, partial(torch.save, content))


def load_weights(where: Path | str, *, device: str = "cpu") -> dict[str, Any]:
    """Load a file of `save_atomic`, from a path or an s3:// URI. No code in it is run.

    Raises:
        DataError: Missing, cut, or not such a file; or it can't be reached.
    """
    try:
        with open_storage(str(where)).open() as file:
            return read_weights(file, str(where), device=device)
    except FileNotFoundError as error:
        raise DataError(f"{where} does not exist") from error
    except OSError as error:
        raise DataError(f"{where} can't be read: {' '.join(str(error).split())}") from error


def read_weights(file: BinaryIO, name: str, *, device: str = "cpu") -> dict[str, Any]:
    """Load what an open file holds.

    Args:
        name: What to call it in messages.

    Raises:
        DataError: Cut, or not such a file.
    """
    try:
        content = torch.load(file, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, UnpicklingError, ValueError) as error:
        raise DataError(f"{name} is not a whole checkpoint: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict):
        raise DataError(f"{name} is not a checkpoint of ecg-tune")
    return content


def describe_data(data: PreparedData) -> dict[str, Any]:
    """Return what a model file says about the data it was trained on."""
    return {
        "leads": list(data.leads),
        "sampling_rate_hz": data.sampling_rate_hz,
        "n_samples": data.n_samples,
        "class_names": list(data.class_names),
        "normalisation": data.normalisation,
        "fingerprint": data.fingerprint,
        "split": str(data.manifest["split"]),
        "synthetic": data.synthetic,
        "n_records": {"train": len(data.train), "validation": len(data.validation)},
    }


def save_model(path: Path, saved: SavedModel) -> None:
    """Write a model file."""
    LocalStorage(path.parent).write(path.name, partial(write_model, saved))


def write_model(saved: SavedModel, file: BinaryIO) -> None:
    """Write a model into an open file."""
    content = {f.name: getattr(saved, f.name) for f in dataclasses.fields(saved)}
    torch.save({**content, "config": to_dict(saved.config), "format": FORMAT}, file)


def load_saved(where: Path | str) -> SavedModel:
    """Read a model file, from a path or an s3:// URI.

    Raises:
        DataError: Not a model file of ecg-tune, or one of another format.
    """
    content = load_weights(where)
    if content.pop("format", None) != FORMAT:
        raise DataError(f"{where} is not a model file of ecg-tune (format {FORMAT})")
    try:
        return SavedModel(**{**content, "config": trial_config(content["config"], where=str(where))})
    except (KeyError, TypeError, ConfigError) as error:
        raise DataError(f"{where} is not a model file of this version of ecg-tune: {error}") from error


def build_predictor(saved: SavedModel) -> Predictor:
    """Return the model of a file, in evaluation mode, on the CPU."""
    n_leads, n_classes = len(saved.data["leads"]), len(saved.data["class_names"])
    channels = n_channels(saved.config.image, n_leads) if saved.config.image else 0
    model = build_model(saved.config.model, family=saved.config.family, n_leads=n_leads, n_channels=channels, n_classes=n_classes)
    model.load_state_dict(saved.state)
    data = saved.data
    predictor = Predictor(
        model,
        saved.config,
        normalisation=data["normalisation"],
        sampling_rate_hz=int(data["sampling_rate_hz"]),
        thresholds=saved.thresholds,
    )
    return predictor.eval()
