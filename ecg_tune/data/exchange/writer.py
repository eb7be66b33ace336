"""Write prepared data in the exchange layout, batch by batch."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ecg_tune.config import ImageConfig, check_choice
from ecg_tune.data.exchange.layout import DATASET, FACTS, SHORT
from ecg_tune.data.loaders import millivolts
from ecg_tune.data.prepared.dataset import RECORD_FIELDS, SPLIT_NAMES, PreparedData, Split, open_test, read_ledger
from ecg_tune.data.prepared.ledger import LEDGER
from ecg_tune.errors import ConfigError, DataError, WorkFailedError
from ecg_tune.transforms.images import make_images
from ecg_tune.transforms.signals import standardise

KINDS = {"gaf": "gasf", "mtf": "mtf"}
"""Folder of images → image kind."""
BACKENDS = ("torch", "pyts")
MORE_FACTS = ("labels", "rare_classes", "limit", "exclusions", "fingerprint")

Progress = Callable[[int, int], None]


def export_size_bytes(data: PreparedData, *, images: Sequence[str], image_size: int, include_test: bool) -> int:
    """Compute how many bytes `export_tree` will write, tables apart."""
    counts = data.manifest["counts"]
    n_records = sum(int(counts[name]["records"]) for name in SPLIT_NAMES if include_test or name != "test")
    n_leads, n_images = len(data.leads), len(images)
    return n_records * (4 * n_leads * (data.n_samples + n_images * image_size**2) + len(data.class_names))


def export_tree(
    data: PreparedData,
    out: Path,
    *,
    images: Sequence[str] = tuple(KINDS),
    image_size: int = 224,
    backend: str = "torch",
    include_test: bool = False,
    batch_size: int = 100,
    progress: Progress | None = None,
) -> int:
    """Write a prepared data set in the exchange layout, batch by batch; nothing is left of an export that fails.

    Args:
        out: Folder to write; it must not exist.
        images: Folders of `KINDS` to write; none for signals alone.
        image_size: Side of the images, in pixels.
        backend: Who computes the images, "torch" or "pyts" (equal within 1e-5; pyts is many times slower).
        include_test: Open the test split, with a line in its ledger, and write it too.
        batch_size: Records a file.
        progress: Called with (files done, files in all).

    Returns:
        Bytes written.

    Raises:
        ConfigError: An unknown kind of images or back-end, or pyts is not installed.
        DataError: `out` exists, or the disk has not room enough.
        WorkFailedError: It can't be written.
    """
    for kind in images:
        check_choice("images", kind, tuple(KINDS))
    check_choice("backend", backend, BACKENDS)
    if out.exists():
        raise DataError(f"{out} exists: name a new folder, or remove it")
    needed = export_size_bytes(data, images=images, image_size=image_size, include_test=include_test)
    partial = out.with_name(f".{out.name}.{secrets.token_hex(4)}.partial")
    try:
        partial.mkdir(parents=True)
        if (free := shutil.disk_usage(partial).free) < needed:
            raise DataError(f"{out} needs {needed / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free: leave images out, or name another disk")
        splits = [data.train, data.validation, *([open_test(data, "export")] if include_test else [])]
        for split in splits:
            _write_labels(partial / "labels", split)
        batches = [(split, start) for split in splits for start in range(0, len(split), batch_size)]
        for done, (split, start) in enumerate(batches):
            _write_batch(partial, data, split, start, batch_size, images=images, image_size=image_size, backend=backend)
            if progress is not None:
                progress(done + 1, len(batches))
        _write_facts(partial, data, include_test=include_test)
        partial.rename(out)
    except OSError as error:
        raise WorkFailedError(f"{out} can't be written ({error.strerror}): make room or name another folder") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return needed


def _write_facts(folder: Path, data: PreparedData, *, include_test: bool) -> None:
    """Write what the data are and, with the test split, who has opened it."""
    facts = {key: data.manifest[key] for key in (*FACTS, *MORE_FACTS) if key in data.manifest}
    (folder / DATASET).write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if include_test:
        (folder / LEDGER).write_text("".join(json.dumps(line) + "\n" for line in read_ledger(data)), encoding="utf-8")


def _write_batch(
    folder: Path, data: PreparedData, split: Split, start: int, batch_size: int, *, images: Sequence[str], image_size: int, backend: str
) -> None:
    signal_mv = millivolts(torch.from_numpy(np.array(split.signals_uv[start : start + batch_size])))
    arrays = {f"signals/{split.name}": signal_mv.numpy()}
    for kind in images:
        image = ImageConfig(kind=KINDS[kind], size=image_size)
        make = {"torch": _torch_images, "pyts": _pyts_images}[backend]
        arrays[f"images/{split.name}/{kind}"] = make(standardise(signal_mv, data.normalisation), image)
    for place, array in arrays.items():
        (folder / place).mkdir(parents=True, exist_ok=True)
        np.save(folder / place / f"batch_{start // batch_size:04d}.npy", array)


def _torch_images(signal: torch.Tensor, image: ImageConfig) -> NDArray[np.float32]:
    return make_images(signal, image).numpy()


def _pyts_images(signal: torch.Tensor, image: ImageConfig) -> NDArray[np.float32]:
    try:
        from pyts.image import GramianAngularField, MarkovTransitionField  # takes half a minute to import, and is an extra
    except ImportError as error:
        raise ConfigError("the back-end pyts is not installed: pip install 'ecg-tune[exchange]', or use --backend torch") from error

    if image.kind == "gasf":
        transform = GramianAngularField(image_size=image.size, method="summation")
    else:
        transform = MarkovTransitionField(image_size=image.size, n_bins=image.mtf_bins, strategy="quantile")
    n_records, n_samples, n_leads = signal.shape
    series = signal.permute(0, 2, 1).reshape(n_records * n_leads, n_samples)  # (records * leads, samples)
    made = transform.fit_transform(series.numpy().astype(np.float64))
    return made.reshape(n_records, n_leads, image.size, image.size).astype(np.float32)


def _write_labels(folder: Path, split: Split) -> None:
    folder.mkdir(exist_ok=True)
    np.save(folder / f"y_{SHORT[split.name]}.npy", split.labels)
    pd.DataFrame({name: split.records[name] for name in RECORD_FIELDS}).to_csv(folder / f"records_{SHORT[split.name]}.csv", index=False)
