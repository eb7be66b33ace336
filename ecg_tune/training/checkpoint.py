"""Files of weights: written through a rename, loaded with `weights_only=True`, self-describing."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from ecg_tune.config import TrialConfig, to_dict
from ecg_tune.data.prepared import PreparedData
from ecg_tune.errors import ConfigError, DataError
from ecg_tune.models import build_model, trial_config
from ecg_tune.training.predictor import Predictor
from ecg_tune.transforms.images import n_channels

FORMAT = 1


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


def save_atomic(path: Path, content: dict[str, Any]) -> None:
    """Write `content` so that `path` always holds a whole file: the old one or the new one."""
    write_scratch(path, content).replace(path)


def write_scratch(path: Path, content: dict[str, Any]) -> Path:
    """Write `content` beside `path`, to the disk itself, and return the file that is to be renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    with scratch.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())  # a rename may outlive a power cut that its content did not
    return scratch


def load_weights(path: Path, *, device: str = "cpu") -> dict[str, Any]:
    """Load a file of `save_atomic`. No code in it is run.

    Raises:
        DataError: Missing, cut, or not such a file.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist") from error
    except (OSError, RuntimeError, EOFError, UnpicklingError, ValueError) as error:
        raise DataError(f"{path} is not a whole checkpoint: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} is not a checkpoint of ecg-tune")
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
    content = {f.name: getattr(saved, f.name) for f in dataclasses.fields(saved)}
    save_atomic(path, {**content, "config": to_dict(saved.config), "format": FORMAT})


def load_saved(path: Path) -> SavedModel:
    """Read a model file.

    Raises:
        DataError: Not a model file of ecg-tune, or one of another format.
    """
    content = load_weights(path)
    if content.pop("format", None) != FORMAT:
        raise DataError(f"{path} is not a model file of ecg-tune (format {FORMAT})")
    try:
        return SavedModel(**{**content, "config": trial_config(content["config"], where=str(path))})
    except (KeyError, TypeError, ConfigError) as error:
        raise DataError(f"{path} is not a model file of this version of ecg-tune: {error}") from error


def build_predictor(saved: SavedModel) -> Predictor:
    """Return the model of a file, in evaluation mode, on the CPU."""
    n_leads, n_classes = len(saved.data["leads"]), len(saved.data["class_names"])
    channels = n_channels(saved.config.image, n_leads) if saved.config.image else 0
    model = build_model(saved.config.model, family=saved.config.family, n_leads=n_leads, n_channels=channels, n_classes=n_classes)
    model.load_state_dict(saved.state)
    predictor = Predictor(
        model, saved.config, normalisation=saved.data["normalisation"], sampling_rate_hz=int(saved.data["sampling_rate_hz"])
    )
    return predictor.eval()
