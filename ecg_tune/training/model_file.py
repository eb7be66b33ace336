"""Save and load trained models in files that describe themselves; loading runs no code (`weights_only=True`).

Not checkpoints: those hold the state of an unfinished training, see `ecg_tune.training.checkpoints`.
"""

from __future__ import annotations

import dataclasses
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO

import torch
from torch import Tensor

from ecg_tune.config import TrialConfig, to_dict
from ecg_tune.config.formats import MODEL_FILE
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.errors import DataError
from ecg_tune.models import build_model, trial_config
from ecg_tune.storage import LocalStorage, S3Storage, open_storage
from ecg_tune.training.model_checks import check_fields, check_state
from ecg_tune.training.predictor import Predictor
from ecg_tune.transforms.images import n_channels

TRAIN, TRAIN_AND_VALIDATION = "train", "train+validation"
"""The values of `SavedModel.trained_on`: which splits a model was trained on."""
UNFIT = (KeyError, IndexError, TypeError, ValueError, ArithmeticError, AttributeError, RuntimeError)
"""What goes wrong in a file whose content is of other types than a model's."""
ARCHIVE = b"PK\x03\x04"
"""What torch's files begin with: they are zip archives."""
REMEDY = "name a model file that `ecg-tune train` or `ecg-tune retrain` wrote, or write it again"


@dataclass(frozen=True)
class SavedModel:
    """A trained model with everything that is needed to use it and to report on it.

    Attributes:
        name: E.g. "ResNet#2".
        data: leads, sampling_rate_hz, n_samples, class_names, normalisation, fingerprint, split, synthetic, n_records; and images
            where the data have stored ones. Of a classic script also trained_with: its loss, optimiser and schedule.
        state: Weights of the best epoch.
        thresholds: "half" (0.5) and "f1" (highest F1 on validation), one value a class.
        trial: Number of the trial it retrains; None when it was trained without a search.
        validation_macro_auc: Of the best epoch.
        best_epoch, epochs: From 1; `epochs` were trained.
        seconds: Of the whole training.
        history: One row an epoch, see `EpochResult.as_row`.
        trained_on: "train", or "train+validation": then thresholds, `validation_macro_auc` and the number of epochs come
            from the reference model, which was trained on train alone (`ecg_tune.training.refit`).
        platt: Slope and intercept of each class, fitted on validation (`ecg_tune.training.platt`), as the thresholds; empty in
            files of version 0.1.
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
    platt: list[list[float]] = field(default_factory=list)


def save_atomic(path: Path, content: dict[str, Any]) -> None:
    """Write a dictionary by `torch.save` so that `path` always holds a complete file: the previous one or the new one."""
    LocalStorage(path.parent).write(path.name, partial(torch.save, content))


def load_weights(location: Path | str, *, device: str = "cpu") -> dict[str, Any]:
    """Load a dictionary written by `save_atomic`, from a path or an s3:// URI, without running code in it.

    Args:
        device: Where the tensors go.

    Raises:
        DataError: The file is missing, incomplete, not a dictionary of weights, or can't be reached.
    """
    try:
        storage = open_storage(str(location))
        with storage.open() as file:
            return read_weights(file, str(location), device=device)
    except FileNotFoundError as error:
        near = "" if isinstance(storage, S3Storage) else _models_in(Path(location).parent)
        raise DataError(f"{location} does not exist{f': {near}' if near else ''}") from error
    except IsADirectoryError as error:
        said = _models_in(Path(location)) or "name a model file, such as `ecg-tune retrain` and `ecg-tune train` write; there is none in it"
        raise DataError(f"{location} is a folder: {said}") from error
    except OSError as error:
        raise DataError(f"{location} can't be read: {' '.join(str(error.strerror or error).split())}") from error


def _models_in(folder: Path) -> str:
    """Name model files of a folder, or of a study, that could have been meant; "" where there are none."""
    found = sorted([*folder.glob("*_best.pth"), *folder.glob("models/*_best.pth")])[:3]
    return f"name a model file, e.g. {', '.join(map(str, found))}" if found else ""


def read_weights(file: BinaryIO, name: str, *, device: str = "cpu") -> dict[str, Any]:
    """Load a dictionary from an open file; see `load_weights`.

    Args:
        name: The file's name in messages.
        device: Where the tensors go.

    Raises:
        DataError: The file is incomplete, or not a dictionary of weights.
    """
    if reason := _misfit(file):
        raise DataError(f"{name} is not a whole checkpoint, {reason}: {REMEDY}")
    try:
        content = torch.load(file, map_location=device, weights_only=True)
    except Exception as error:  # torch's reader raises errors of any type; its words advise to run code that the file may hold
        reason = "it holds more than weights" if isinstance(error, UnpicklingError) else "it was cut off or changed"
        raise DataError(f"{name} is not a whole checkpoint, {reason}: {REMEDY}") from error
    if not isinstance(content, dict):
        raise DataError(f"{name} is not a checkpoint of ecg-tune: {REMEDY}")
    return content


def _misfit(file: BinaryIO) -> str:
    """Say why a file is no archive as torch writes it, or return "". Torch reserves as much memory as an archive's directory asks for."""
    start, size = file.read(len(ARCHIVE)), file.seek(0, os.SEEK_END)
    if not size or start != ARCHIVE:
        return "it is of another kind" if size else "it is empty"
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            whole = sum(entry.file_size for entry in entries) <= size and all(
                entry.compress_type == zipfile.ZIP_STORED for entry in entries
            )
            whole = whole and archive.testzip() is None  # torch does not look at the checksums
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, OverflowError, EOFError, LookupError):
        whole = False
    file.seek(0)
    return "" if whole else "it was cut off or changed"


def describe_data(data: PreparedData) -> dict[str, Any]:
    """Collect the facts about prepared data that a model file keeps, `SavedModel.data`."""
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
        **({"images": data.manifest["images"]} if data.image_shape else {}),
    }


def save_model(path: Path, saved: SavedModel) -> None:
    """Write a model file, complete or not at all; its folder is created when it is missing."""
    LocalStorage(path.parent).write(path.name, partial(write_model, saved))


def write_model(saved: SavedModel, file: BinaryIO) -> None:
    """Write a model into an open binary file."""
    content = {f.name: getattr(saved, f.name) for f in dataclasses.fields(saved)}
    torch.save({**content, "config": to_dict(saved.config), "format": MODEL_FILE}, file)


def load_saved(location: Path | str) -> SavedModel:
    """Load a model file, from a path or an s3:// URI, with its facts and history; `load_model` loads one that only is to predict.

    Raises:
        DataError: Not a model file of ecg-tune, or one of another format.

    Example:
        >>> saved = load_saved("model.pth")
        >>> saved.name, saved.config.family, saved.data["leads"]
        ('CNN1D', 'cnn1d', ['I', 'II', 'V2'])
    """
    content = load_weights(location)
    stated = content.pop("format", None)
    if not isinstance(stated, int) or stated != MODEL_FILE:
        raise DataError(f"{location} is not a model file of ecg-tune (format {MODEL_FILE})")
    try:
        saved = SavedModel(**{**content, "config": trial_config(content["config"], where=str(location))})
    except UNFIT as error:
        raise DataError(f"{location} is not a model file of this version of ecg-tune: {' '.join(str(error).split())[:300]}") from error
    with _misfits_said(location):
        check_fields(vars(saved))
    return saved


def load_model(location: Path | str) -> Predictor:
    """Load a model file, from a path or an s3:// URI, ready to predict: in evaluation mode, on the CPU.

    Not for an ensemble's .json, whose members `analysis.load_model` loads.

    Returns:
        What `predict` takes. It says `leads`, `sampling_rate_hz`, `class_names` and the `thresholds` that were chosen on validation.
        As a torch module it maps millivolts (batch, n_samples, n_leads) to logits (batch, n_classes).

    Raises:
        DataError: Not a model file of ecg-tune, an ensemble's, one of another format, one whose family this version does not have, or
            one whose content does not fit together.

    Example:
        >>> from ecg_tune import load_model
        >>> model = load_model("model.pth")
        >>> model.leads, model.sampling_rate_hz, model.class_names
        (('I', 'II', 'V2'), 100, ('NORM', 'MI', 'STTC', 'CD', 'HYP'))
        >>> len(model.thresholds["f1"])
        5
    """
    if str(location).endswith(".json"):
        raise DataError(f"{location} is the file of an ensemble: analysis.load_model loads it, with its members")
    return checked_predictor(load_saved(location), location)


def checked_predictor(saved: SavedModel, location: Path | str) -> Predictor:
    """Build a saved model's network as `build_predictor` does, from a file that may hold anything.

    Args:
        location: Where it was loaded from, for messages.

    Raises:
        DataError: Its weights do not fit its config.
    """
    with _misfits_said(location):
        return build_predictor(saved)


@contextmanager
def _misfits_said(location: Path | str) -> Iterator[None]:
    """Say of a model file what does not fit in it.

    Raises:
        DataError: It does not hold what it must.
    """
    try:
        yield
    except UNFIT as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{location} does not hold what a model of its kind needs ({reason}): train it again") from error


def build_predictor(saved: SavedModel) -> Predictor:
    """Build a saved model's network with its weights, ready to predict: in evaluation mode, on the CPU.

    Example:
        >>> from ecg_tune.data.prepared.dataset import open_prepared
        >>> from ecg_tune.training.model_file import load_saved
        >>> from ecg_tune.training.predictor import predict_probabilities
        >>> predictor = build_predictor(load_saved("model.pth"))
        >>> predict_probabilities(predictor, open_prepared("data").validation.signals_uv).shape
        (48, 5)
    """
    n_leads, n_classes = len(saved.data["leads"]), len(saved.data["class_names"])
    channels = n_channels(saved.config.image, n_leads) if saved.config.image else 0
    build = partial(build_model, family=saved.config.family, n_leads=n_leads, n_channels=channels, n_classes=n_classes)
    with torch.device("meta"):  # takes no memory, however large a network the config asks for
        check_state(saved.state, build(saved.config.model).state_dict())
    model = build(saved.config.model)
    model.load_state_dict(saved.state)
    data = saved.data
    predictor = Predictor(
        model,
        saved.config,
        normalisation=data["normalisation"],
        sampling_rate_hz=int(data["sampling_rate_hz"]),
        thresholds=saved.thresholds,
        leads=data["leads"],
        class_names=data["class_names"],
        n_samples=int(data["n_samples"]),
        platt=saved.platt,
        synthetic=bool(data["synthetic"]),
    )
    return predictor.eval()
