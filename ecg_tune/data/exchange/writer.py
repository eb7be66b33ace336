"""Write prepared data in the exchange layout, batch by batch."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ecg_tune.config import ImageConfig, check_choice
from ecg_tune.data.exchange.arrays import Progress
from ecg_tune.data.exchange.layout import DATASET, FACTS, IMAGE_FOLDERS, SHORT
from ecg_tune.data.loaders import millivolts
from ecg_tune.data.prepared.dataset import RECORD_FIELDS, SPLIT_NAMES, PreparedData, Split, open_test
from ecg_tune.data.prepared.ledger import LEDGER, ledger_lines
from ecg_tune.errors import ConfigError, DataError, WorkFailedError
from ecg_tune.scratch import scratch_folder
from ecg_tune.storage import check_room
from ecg_tune.transforms.images import make_images
from ecg_tune.transforms.signals import standardise

KINDS = dict(zip(IMAGE_FOLDERS, ("gasf", "mtf"), strict=True))
"""Folder of images → kind of the images that are computed for it."""
IMAGE_SIZE = 224
BACKENDS = ("torch", "pyts")
MORE_FACTS = ("labels", "patients_known", "rare_classes", "limit", "exclusions", "fingerprint")


def images_to_export(data: PreparedData, images: Sequence[str] | None, image_size: int | None) -> tuple[tuple[str, ...], int]:
    """Decide which images an export writes, and how large: stored ones as they are, else those that are computed.

    Args:
        images: Folders of `KINDS`; None for the stored ones, or else for all.
        image_size: Side in pixels; None for that of the stored ones, or else 224.

    Raises:
        ConfigError: An unknown folder.
        DataError: Others than the stored images are asked for, or none where there are no signals.
    """
    for kind in images or ():
        check_choice("images", kind, tuple(KINDS))
    if data.image_shape is None:
        return tuple(KINDS) if images is None else tuple(images), image_size or IMAGE_SIZE
    stored, size = str(data.manifest["images"]["folder"]), data.image_shape[1]
    if not set(images or ()) <= {stored} or (images is not None and not images and not data.leads) or image_size not in (None, size):
        raise DataError(f"{data.folder} has {data.inputs} ({stored}), which are written as they are: leave --images and --image-size out")
    return (stored,) if images is None else tuple(images), size


def export_size_bytes(data: PreparedData, *, images: Sequence[str] | None = None, image_size: int | None = None, include_test: bool) -> int:
    """Compute how many bytes `export_tree` will write, tables apart. Arguments as there."""
    kinds, size = images_to_export(data, images, image_size)
    counts = data.manifest["counts"]
    n_records = sum(int(counts[name]["records"]) for name in SPLIT_NAMES if include_test or name != "test")
    n_leads = len(data.leads)
    n_channels = data.image_shape[0] if data.image_shape else n_leads
    return n_records * (4 * (n_leads * data.n_samples + len(kinds) * n_channels * size**2) + len(data.class_names))


def export_tree(
    data: PreparedData,
    out: Path,
    *,
    images: Sequence[str] | None = None,
    image_size: int | None = None,
    backend: str = "torch",
    include_test: bool = False,
    batch_size: int = 100,
    on_start: Callable[[int], None] | None = None,
    progress: Progress | None = None,
) -> int:
    """Write a prepared data set in the exchange layout, batch by batch; nothing is left of an export that fails.

    Args:
        out: Folder to write; it must not exist.
        images: Folders of `KINDS` to write; none for signals alone. None writes the stored images, or else all of `KINDS`.
        image_size: Side of the images that are computed, in pixels; None for 224.
        backend: Who computes the images, "torch" or "pyts" (equal within 1e-5; pyts is many times slower).
        include_test: Open the test split, with a line in its ledger, and write it too.
        batch_size: Records a file.
        on_start: Called with the bytes to come, once nothing is left to refuse.
        progress: Called with (files done, files in all).

    Returns:
        Bytes written.

    Raises:
        ConfigError: An unknown kind of images or back-end, or pyts is not installed.
        DataError: `out` exists, the disk has not room enough, or other images than the stored ones are asked for.
        WorkFailedError: It can't be written.
    """
    kinds, size = images_to_export(data, images, image_size)
    check_choice("backend", backend, BACKENDS)
    if backend == "pyts" and kinds and data.image_shape is None:
        _pyts()
    if os.path.lexists(out):
        raise DataError(f"{out} exists: name a new folder, or remove it")
    needed = export_size_bytes(data, images=images, image_size=image_size, include_test=include_test)
    place = Path(os.path.realpath(out))  # `nest/../out` needs no `nest`
    try:
        with scratch_folder(place.parent, f"{place.name}.") as partial:
            check_room(place, needed, remedy="leave images out, or name another disk")
            splits = [data.train, data.validation, *([open_test(data, "export")] if include_test else [])]
            if on_start is not None:
                on_start(needed)
            for split in splits:
                _write_labels(partial / "labels", split)
            batches = [(split, start) for split in splits for start in range(0, len(split), batch_size)]
            for done, (split, start) in enumerate(batches):
                _write_batch(partial, data, split, start, batch_size, images=kinds, image_size=size, backend=backend)
                if progress is not None:
                    progress(done + 1, len(batches))
            _write_facts(partial, data, include_test=include_test, images=kinds)
            partial.rename(place)
    except OSError as error:
        raise WorkFailedError(f"{out} can't be written ({error.strerror}): make room or name another folder") from error
    return needed


def _write_facts(folder: Path, data: PreparedData, *, include_test: bool, images: Sequence[str]) -> None:
    """Write what the data are and, with the test split, who has opened it."""
    facts = {key: data.manifest[key] for key in (*FACTS, *MORE_FACTS) if key in data.manifest}
    if data.image_shape and images:
        facts["images"] = data.manifest["images"]
    (folder / DATASET).write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if include_test:
        (folder / LEDGER).write_text("".join(json.dumps(line) + "\n" for line in ledger_lines(data.folder, data.remote)), encoding="utf-8")


def _write_batch(
    folder: Path, data: PreparedData, split: Split, start: int, batch_size: int, *, images: Sequence[str], image_size: int, backend: str
) -> None:
    rows = np.arange(start, min(start + batch_size, len(split)))
    signal_mv = millivolts(torch.from_numpy(np.array(split.signals_uv[rows])))
    arrays = {f"signals/{split.name}": signal_mv.numpy()} if data.leads else {}
    for kind in images:
        if split.images is not None:
            arrays[f"images/{split.name}/{kind}"] = split.images.read(rows)
            continue
        image = ImageConfig(kind=KINDS[kind], size=image_size)
        make = {"torch": _torch_images, "pyts": _pyts_images}[backend]
        arrays[f"images/{split.name}/{kind}"] = make(standardise(signal_mv, data.normalisation), image)
    for place, array in arrays.items():
        (folder / place).mkdir(parents=True, exist_ok=True)
        np.save(folder / place / f"batch_{start // batch_size:04d}.npy", array)


def _torch_images(signal: torch.Tensor, image: ImageConfig) -> NDArray[np.float32]:
    return make_images(signal, image).numpy()


def _pyts() -> ModuleType:
    """Import the images of pyts.

    Raises:
        ConfigError: It is not installed: it is an extra.
    """
    try:
        import pyts.image  # an extra, which takes half a minute to import
    except ImportError as error:
        raise ConfigError("the back-end pyts is not installed: pip install 'ecg-tune[exchange]', or use --backend torch") from error
    images: ModuleType = pyts.image
    return images


def _pyts_images(signal: torch.Tensor, image: ImageConfig) -> NDArray[np.float32]:
    pyts = _pyts()
    if image.kind == "gasf":
        transform = pyts.GramianAngularField(image_size=image.size, method="summation")
    else:
        transform = pyts.MarkovTransitionField(image_size=image.size, n_bins=image.mtf_bins, strategy="quantile")
    n_records, n_samples, n_leads = signal.shape
    series = signal.permute(0, 2, 1).reshape(n_records * n_leads, n_samples)  # (records * leads, samples)
    made: NDArray[np.float64] = transform.fit_transform(series.numpy().astype(np.float64))
    return made.reshape(n_records, n_leads, image.size, image.size).astype(np.float32)


def _write_labels(folder: Path, split: Split) -> None:
    folder.mkdir(exist_ok=True)
    np.save(folder / f"y_{SHORT[split.name]}.npy", split.labels)
    pd.DataFrame({name: split.records[name] for name in RECORD_FIELDS}).to_csv(folder / f"records_{SHORT[split.name]}.csv", index=False)
