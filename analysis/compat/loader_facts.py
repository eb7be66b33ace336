"""What a model file must say of the records that two loaders gave: which data they are, and what the network took of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.compat.loaders import PREPARED, FileLoader
from ecg_tune.config import STORED, ImageConfig
from ecg_tune.data.exchange.facts import checked_facts, read_facts
from ecg_tune.data.exchange.layout import DATASET, SHORT
from ecg_tune.data.exchange.writer import KINDS
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.data.prepared.images import IMAGES_FILE
from ecg_tune.errors import ConfigError, DataError
from ecg_tune.folder_kinds import MANIFEST
from ecg_tune.training.model_file import describe_data

REMEDY = "make both of prepared data or of a tree of `ecg-tune data export`, or set SAVE_BEST = False to train without a model file"
MILLIVOLTS = {"kind": "global", "scale_mv": 1.0}
"""The normalisation of a network that takes millivolts as they are."""


@dataclass(frozen=True)
class LoaderFacts:
    """Facts about two loaders.

    Attributes:
        data: As `SavedModel.data`; "normalisation" is what turns millivolts into the inputs of the network.
        image: How the images are made of a signal; None without images.
    """

    data: dict[str, Any]
    image: ImageConfig | None


def loader_facts(train: object, validation: object) -> LoaderFacts:
    """Find out which data two loaders are of.

    Raises:
        ConfigError: They are no loaders of files, or of other data or splits than train and validation of one data set.
        DataError: The files don't say what their records are, or were changed.
    """
    for name, loader in (("train_loader", train), ("val_loader", validation)):
        if not isinstance(loader, FileLoader):
            raise ConfigError(f"{name} is a {type(loader).__name__}, which does not say the leads and rate of its records: {REMEDY}")
    assert isinstance(train, FileLoader)
    assert isinstance(validation, FileLoader)
    folder, data = _one_data_set(train, validation), dict[str, Any]()
    data = describe_data(open_prepared(folder)) if (folder / MANIFEST).is_file() else _tree_facts(folder, train, validation)
    if train.labels.shape[1] != len(data["class_names"]):
        raise DataError(f"{train.files['labels']} has {train.labels.shape[1]} columns, but the classes are {','.join(data['class_names'])}")
    image = _image(train, data)
    if "signals" in train.files:  # images of one series' own scale are the same of millivolts
        data["normalisation"] = MILLIVOLTS
    return LoaderFacts(data, image)


def _one_data_set(train: FileLoader, validation: FileLoader) -> Path:
    """Find the folder of the data, of which one loader has the train split and the other validation."""
    folders = set()
    for name, loader, wanted in (("train_loader", train, "train"), ("val_loader", validation, "validation")):
        for what, path in loader.files.items():
            folder, split = _place(what, path.resolve())
            if split != wanted:
                raise ConfigError(f"{name} must be of the {wanted} split, but {path} is not: {REMEDY}")
            folders.add(folder)
    if len(folders) > 1:
        raise ConfigError(f"the loaders are of several data sets, {' and '.join(sorted(map(str, folders)))}: {REMEDY}")
    return folders.pop()


def _place(what: str, path: Path) -> tuple[Path, str]:
    """Split a path into the folder of the data and the name of the split; "" where it is of neither layout."""
    if path.name in (PREPARED, IMAGES_FILE, "labels.npy"):
        return path.parent.parent, path.parent.name
    if what == "labels":
        return path.parent.parent, next((split for split, short in SHORT.items() if path.name == f"y_{short}.npy"), "")
    folder = path.parent if path.suffix == ".npy" else path
    folder = folder.parent if folder.name in KINDS else folder
    return folder.parent.parent, folder.name


def _tree_facts(tree: Path, train: FileLoader, validation: FileLoader) -> dict[str, Any]:
    """Read what an exported tree says, as `describe_data` says it of prepared data."""
    path = tree / DATASET
    stated = read_facts(path) if path.is_file() else {}
    if not isinstance(stated.get("fingerprint"), str):
        raise DataError(
            f"{tree} has no {DATASET} with leads, rate and fingerprint: read it with `ecg-tune data import {tree} DATA --leads I,II,V2 "
            "--rate 100` and make the loaders of DATA; or set SAVE_BEST = False to train without a model file"
        )
    facts = checked_facts(stated, str(path))
    names = ("leads", "sampling_rate_hz", "n_samples", "class_names", "normalisation", "split", "synthetic", "images")
    return {
        **{name: facts[name] for name in names if name in facts},
        "fingerprint": stated["fingerprint"],
        "n_records": {"train": len(train.labels), "validation": len(validation.labels)},
    }


def _image(train: FileLoader, data: dict[str, Any]) -> ImageConfig | None:
    if "images" not in train.files:
        return None
    first = train.take(np.arange(1))
    _, n_channels, size, _ = (first[-1] if isinstance(first, tuple) else first).shape
    if "images" in data and train.files["images"].name != PREPARED:
        return ImageConfig(kind=STORED, size=size, channels=n_channels)
    return ImageConfig(kind=KINDS[train.transform_type], size=size)
