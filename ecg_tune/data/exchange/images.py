"""Choose the images of a tree that are kept as they are, and check them batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ecg_tune.data.exchange.arrays import batch_files, load_array
from ecg_tune.data.exchange.layout import IMAGE_FOLDERS, NO_IMAGES
from ecg_tune.data.prepared.dataset import SPLIT_NAMES
from ecg_tune.data.prepared.images import ImageFile, StoredImages
from ecg_tune.errors import DataError

SIZES = (32, 512)
"""Least and most pixels a side: all image families take these."""
MOST_CHANNELS = 64


def choose_images(tree: Path, facts: Mapping[str, Any], wanted: str | None, *, ours: bool) -> str | None:
    """Decide which folder of a tree's images is kept.

    Args:
        facts: Of the tree; "images" says which are its content, in a tree of `data export`.
        wanted: What the user asked for: a folder's name, or "none"; None leaves it to the tree.
        ours: The tree has a `dataset.json`. With signals, its other images were computed from these, and would be again.

    Returns:
        "gaf" or "mtf"; None when images are computed from the signals.

    Raises:
        DataError: There is nothing to choose, or more than one.
    """
    there = [kind for kind in IMAGE_FOLDERS if any((tree / "images" / name / kind).is_dir() for name in SPLIT_NAMES)]
    with_signals = (tree / "signals").is_dir()
    folders = ", ".join(f"images/*/{kind}" for kind in there) or "none"
    if wanted == NO_IMAGES and with_signals:
        return None
    if not with_signals and (wanted == NO_IMAGES or not there):
        raise DataError(f"{tree} has no signals/, so it needs images to train on: images/{{train,validation,test}}/gaf or …/mtf")
    if wanted is not None and wanted not in there:
        raise DataError(f"{tree} has no images/*/{wanted} (folders of images: {folders}): give --images one that is there")
    chosen = wanted or (facts.get("images") or {}).get("folder")
    if chosen or (with_signals and (ours or not there)):
        return chosen
    if len(there) > 1:
        others = f", or {NO_IMAGES} to have images computed from the signals" if with_signals else ""
        raise DataError(f"{tree} has {folders}: say which to train on with --images {there[0]} or {there[1]}{others}")
    return there[0]


def read_images(tree: Path, kind: str, name: str, *, n_records: int, one_done: Callable[[], None]) -> StoredImages | None:
    """Check a split's images, and name their files; a batch is mapped, not loaded.

    Args:
        kind: Their folder.
        name: The split.
        n_records: How many the split's labels say.
        one_done: Called after each file.

    Returns:
        The images; None where the split has no records.

    Raises:
        DataError: A file is missing or no plain array, or shapes, counts or values don't fit.
    """
    folder = tree / "images" / name / kind
    files = [ImageFile(folder.resolve(), path.name, _checked_shape(path)) for path in batch_files(folder)]
    if (n_images := sum(file.shape[0] for file in files)) != n_records:
        raise DataError(f"{tree}: {n_images} {name} images in images/{name}/{kind}, but {n_records} records in its labels")
    if not files:
        return None
    if other := next((file for file in files if file.shape[1:] != files[0].shape[1:]), None):
        raise DataError(
            f"{folder}: {other.name} has images of {_text(other.shape)}, {files[0].name} of {_text(files[0].shape)}: make all alike"
        )
    for file in files:
        _check_values(file)
        one_done()
    return StoredImages(files)


def image_facts(kind: str, images: Mapping[str, StoredImages | None]) -> dict[str, Any]:
    """Describe the images of all splits for the manifest.

    Args:
        images: By split; None where it has no records.

    Raises:
        DataError: Two splits' images differ in channels or pixels.
    """
    shapes = {name: own.shape for name, own in images.items() if own is not None}
    if len({shape[1:] for shape in shapes.values()}) > 1:
        shown = ", ".join(f"{_text(shape)} in {name}" for name, shape in shapes.items())
        raise DataError(f"the splits' images differ: {shown}; make all alike")
    _, n_channels, size, _ = next(iter(shapes.values()))
    return {"folder": kind, "n_channels": n_channels, "size": size}


def _checked_shape(path: Path) -> tuple[int, ...]:
    shape = load_array(path, mapped=True).shape
    if len(shape) != 4 or shape[2] != shape[3] or not 1 <= shape[1] <= MOST_CHANNELS:
        raise DataError(f"{path} has the shape {shape}, not (records, channels, size, size)")
    if not SIZES[0] <= shape[2] <= SIZES[1]:
        raise DataError(f"{path} has images of {shape[2]} pixels a side: the image families take {SIZES[0]} to {SIZES[1]}")
    return shape


def _check_values(file: ImageFile) -> None:
    first = 0
    for chunk in StoredImages([file]).chunks():
        finite = np.isfinite(chunk).all(axis=(1, 2, 3))
        if not finite.all():
            record = first + int(np.flatnonzero(~finite)[0])
            raise DataError(f"{file.folder / file.name}: record {record} holds NaN or infinity: leave it out or fill it in")
        first += len(chunk)


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape[1:]))
