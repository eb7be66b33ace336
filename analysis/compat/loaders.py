"""Batches from files of arrays, as classic scripts ask for them: `create_signal_dataloader(signal_path, labels_path)`.

The paths are those of `Config`, of an exchange tree or of prepared data. `ecg_tune.data.loaders` has the loaders of a `Split`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecg_tune.config import Config, ImageConfig, check_choice, check_range, nearest
from ecg_tune.data.exchange.arrays import batch_files, load_array
from ecg_tune.data.exchange.writer import KINDS
from ecg_tune.data.loaders import millivolts
from ecg_tune.data.prepared.images import IMAGES_FILE
from ecg_tune.data.prepared.manifest import read_manifest
from ecg_tune.errors import ConfigError, DataError, SealedTestError
from ecg_tune.transforms.images import make_images
from ecg_tune.transforms.signals import standardise

PREPARED = "signals.npy"
"""Signals of prepared data; its stored images are `IMAGES_FILE`."""
WITHOUT_EFFECT = ("num_workers", "saved_batch_size", "pin_memory")
"""Classic keywords that are taken and not used: batches are made in this process, and files say how many records they hold."""
Take = Callable[[NDArray[np.int64]], Any]


class FileLoader:
    """Iterates over records in batches (x, labels); every pass over a shuffled loader draws a new order.

    Args:
        take: Reads the records of some indices as a tensor, or as a tuple of tensors.
        labels: (n_records, n_classes) float32 of 0/1.
        rng: Draws the order; None keeps that of the files.
        files: "signals", "images" and "labels" → the path that was given for them.
        transform_type: Of the images, "gaf" or "mtf"; "" without images.
    """

    def __init__(
        self,
        take: Take,
        labels: Tensor,
        *,
        batch_size: int,
        rng: np.random.Generator | None,
        files: Mapping[str, Path] | None = None,
        transform_type: str = "",
    ) -> None:
        self.take, self.labels, self.batch_size, self.rng = take, labels, batch_size, rng
        self.files, self.transform_type = dict(files or {}), transform_type

    def __len__(self) -> int:
        return -(-len(self.labels) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Any, Tensor]]:
        order = np.arange(len(self.labels))
        if self.rng is not None:
            self.rng.shuffle(order)
        for start in range(0, len(order), self.batch_size):
            index = order[start : start + self.batch_size]
            yield self.take(index), self.labels[index]


def create_signal_dataloader(
    signal_path: Path | str,
    labels_path: Path | str,
    *,
    batch_size: int | None = None,
    shuffle: bool = True,
    seed: int = 0,
    **without_effect: Any,
) -> FileLoader:
    """Make a loader of signals.

    Args:
        signal_path: Folder of `batch_*.npy`, or one of these files, which stands for its folder; or `signals.npy` of prepared data.
        labels_path: The split's labels.
        batch_size: Records a batch; None for `Config.BATCH_SIZE`.
        shuffle: Draw a new order at each pass.
        seed: Of the order.
        without_effect: `num_workers`, `saved_batch_size`, `pin_memory`.

    Returns:
        Batches of (signal (batch, n_samples, n_leads), labels (batch, n_classes)), float32 on the CPU; millivolts, if the files are
        of `ecg-tune`.

    Raises:
        SealedTestError: A path of the test split, which `get_test_loader` opens.
        DataError: A file is missing or has another shape, or there are more or fewer labels than records.
        ConfigError: An unknown keyword.
    """
    _check(without_effect, signal_path, labels_path)
    files = {"signals": Path(signal_path), "labels": Path(labels_path)}
    return _loader(files, batch_size=batch_size, shuffle=shuffle, seed=seed)


def create_image_dataloader(
    image_path: Path | str,
    labels_path: Path | str,
    *,
    transform_type: str = "gaf",
    batch_size: int | None = None,
    shuffle: bool = True,
    seed: int = 0,
    **without_effect: Any,
) -> FileLoader:
    """Make a loader of images: batches of (image (batch, n_leads, size, size), labels (batch, n_classes)).

    Args:
        image_path: Folder with `gaf` and `mtf`, or a folder or file in it; or `images.npy` of prepared data with stored images; or
            `signals.npy` of other prepared data, from which images of 224 pixels are computed batch by batch.
        transform_type: "gaf" (Gramian angular summation field) or "mtf" (Markov transition field).
        labels_path: As all that follows as in `create_signal_dataloader`, which has the errors too.
        batch_size: See there.
        shuffle: See there.
        seed: See there.
        without_effect: See there.
    """
    _check(without_effect, image_path, labels_path)
    files = {"images": Path(image_path), "labels": Path(labels_path)}
    return _loader(files, transform_type=transform_type, batch_size=batch_size, shuffle=shuffle, seed=seed)


def create_fusion_dataloader(
    signal_path: Path | str,
    image_path: Path | str,
    labels_path: Path | str,
    *,
    transform_type: str = "gaf",
    batch_size: int | None = None,
    shuffle: bool = True,
    seed: int = 0,
    **without_effect: Any,
) -> FileLoader:
    """Make a loader of signals with their images: batches of ((signal, image), labels). Arguments as in the other two."""
    _check(without_effect, signal_path, image_path, labels_path)
    files = {"signals": Path(signal_path), "images": Path(image_path), "labels": Path(labels_path)}
    return _loader(files, transform_type=transform_type, batch_size=batch_size, shuffle=shuffle, seed=seed)


def _check(keywords: Mapping[str, Any], *paths: Path | str) -> None:
    """Refuse unknown keywords, and paths of the test split."""
    for name in keywords:
        if name not in WITHOUT_EFFECT:
            valid = (*WITHOUT_EFFECT, "batch_size", "shuffle", "seed", "transform_type", "signal_path", "image_path", "labels_path")
            raise ConfigError(f"unknown keyword {name!r}: {nearest(name, valid)}")
    for path in (Path(path).resolve() for path in paths):
        folder = path.parent if path.suffix == ".npy" else path
        split = folder.parent.name if folder.name in KINDS else folder.name
        if split == "test" or path.name == "y_test.npy":
            raise SealedTestError(f"{path} is of the test split, which is sealed: `get_test_loader` opens it, with a line in the ledger")


def _loader(files: Mapping[str, Path], *, transform_type: str = "", batch_size: int | None, shuffle: bool, seed: int) -> FileLoader:
    sources = {"signals": _signals(files["signals"])} if "signals" in files else {}
    sources |= {"images": _images(files["images"], transform_type)} if "images" in files else {}
    labels = _mapped(files["labels"], n_dims=2)
    for what, (_, n_records) in sources.items():
        if n_records != len(labels):
            raise DataError(f"{files['labels']} has {len(labels)} records, but there are {n_records} {what}: name files of one split")
    size = Config.BATCH_SIZE if batch_size is None else batch_size
    check_range("batch_size", size, 1, 1_000_000)
    takes = [take for take, _ in sources.values()]
    return FileLoader(
        takes[0] if len(takes) == 1 else lambda index: tuple(take(index) for take in takes),
        torch.tensor(labels, dtype=torch.float32),
        batch_size=size,
        rng=np.random.default_rng(seed) if shuffle else None,
        files=files,
        transform_type=transform_type,
    )


def _signals(path: Path) -> tuple[Take, int]:
    if path.name == PREPARED:
        if not _mapped(path, n_dims=3).size:
            raise DataError(f"{path} holds no signals: data of images alone have a loader of images, create_image_dataloader")
        return _records([path], n_dims=3, convert=millivolts)
    return _records(_batches(_folder(path)), n_dims=3)


def _images(path: Path, transform_type: str) -> tuple[Take, int]:
    check_choice("transform_type", transform_type, tuple(KINDS))
    if path.name == IMAGES_FILE:
        stored = read_manifest(path.parent.parent)["images"]["folder"]
        if transform_type != stored:
            raise DataError(f"{path} holds {stored} images, but transform_type is {transform_type!r}: give transform_type={stored!r}")
        return _records([path], n_dims=4)
    if path.name != PREPARED:
        folder = _folder(path)
        return _records(_batches((folder.parent if folder.name in KINDS else folder) / transform_type), n_dims=4)
    signals, n_records = _signals(path)
    image, normalisation = ImageConfig(kind=KINDS[transform_type]), read_manifest(path.parent.parent)["normalisation"]
    return lambda index: make_images(standardise(signals(index), normalisation), image), n_records


def _folder(path: Path) -> Path:
    return path.parent if path.suffix == ".npy" else path


def _batches(folder: Path) -> list[Path]:
    files = list(batch_files(folder))
    if not files:
        raise DataError(f"{folder} holds no batch_*.npy: name a folder of signals or images as `ecg-tune data export` writes it")
    return files


def _records(files: list[Path], *, n_dims: int, convert: Callable[[Tensor], Tensor] = Tensor.float) -> tuple[Take, int]:
    """Join files to one array of records, of which only those that are asked for are read."""
    arrays = [_mapped(file, n_dims=n_dims) for file in files]
    ends = np.cumsum([len(array) for array in arrays])

    def take(index: NDArray[np.int64]) -> Tensor:
        which = np.searchsorted(ends, index, side="right")
        return convert(
            torch.from_numpy(np.stack([arrays[k][i - ends[k]] for k, i in zip(which, index, strict=True)]))
        )  # from the file's end

    return take, int(ends[-1])


def _mapped(file: Path, *, n_dims: int) -> NDArray[Any]:
    array = load_array(file, mapped=True)
    if array.ndim != n_dims:
        raise DataError(f"{file} has {array.ndim} dimensions, {array.shape}, and must have {n_dims}: name the file of another kind")
    return array
