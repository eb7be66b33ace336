"""The classic pipeline of this field, as its users write it: images by pyts stored as .npy, a `DataLoader` with workers, fp32."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from side_by_side import Records
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ecg_tune.config import ImageConfig, TrialConfig
from ecg_tune.models import MODELS, build_model
from ecg_tune.transforms.images import n_channels

STORED_BATCH = 32
SPLITS = ("train", "validation")


def image_batches(signals_mv: NDArray[np.float64], config: ImageConfig) -> Iterator[NDArray[np.float32]]:
    """Make images (batch, channels, size, size) of records (n_records, n_samples, n_leads) with pyts, batch by batch."""
    from pyts.image import GramianAngularField, MarkovTransitionField

    makers = {
        "gasf": GramianAngularField(config.size, method="summation"),
        "gadf": GramianAngularField(config.size, method="difference"),
        "mtf": MarkovTransitionField(config.size, n_bins=config.mtf_bins),
    }
    for start in range(0, len(signals_mv), STORED_BATCH):
        leads = np.moveaxis(signals_mv[start : start + STORED_BATCH], 2, 0)  # (n_leads, batch, n_samples)
        channels = (
            [makers[kind].transform(leads[config.lead]) for kind in makers]
            if config.kind == "triple"
            else [makers[config.kind].transform(lead) for lead in leads]
        )
        yield np.stack(channels, axis=1).astype(np.float32)


def store(records: Records, config: TrialConfig, folder: Path) -> int:
    """Write what the family's data sets read: signals, labels and, of families that take them, images; returns the images' bytes."""
    n_bytes = 0
    for split in (records.train, records.validation):
        signals = split.signals_uv / 1000
        np.save(folder / f"{split.name}_signals.npy", signals.astype(np.float32))
        np.save(folder / f"{split.name}_labels.npy", split.labels.astype(np.float32))
        if config.image is not None:
            images = folder / split.name
            images.mkdir(exist_ok=True)
            for number, batch in enumerate(image_batches(signals, config.image)):
                np.save(images / f"batch_{number:04}.npy", batch)
                n_bytes += batch.nbytes
    return n_bytes


class StoredRecords(Dataset[tuple[Tensor, ...]]):
    """The inputs and labels of one record of a split.

    Args:
        kind: "signal", "image" or "fusion".
        crop: Samples of a random crop of the signal; None gives whole records.
    """

    def __init__(self, folder: Path, split: str, kind: str, crop: int | None) -> None:
        self.kind, self.crop, self.images = kind, crop, folder / split
        self.signals, self.labels = np.load(folder / f"{split}_signals.npy"), np.load(folder / f"{split}_labels.npy")
        self.signals = (self.signals - self.signals.mean()) / self.signals.std()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[Tensor, ...]:
        signal = self.signals[row]
        if self.crop:
            start = int(torch.randint(len(signal) - self.crop + 1, ()))
            signal = signal[start : start + self.crop]
        inputs = [] if self.kind == "image" else [torch.from_numpy(signal)]
        if self.kind != "signal":
            batch = np.load(self.images / f"batch_{row // STORED_BATCH:04}.npy", mmap_mode="r")
            inputs.append(torch.from_numpy(np.array(batch[row % STORED_BATCH])))
        return (*inputs, torch.from_numpy(self.labels[row]))


class Classic:
    """Trains the same network as a config in the classic way, one epoch a call."""

    def __init__(self, config: TrialConfig, records: Records, folder: Path, *, workers: int, crops: bool, device: torch.device) -> None:
        self.device, self.kind, self.clip = device, MODELS[config.family].inputs, config.training.gradient_clip
        n_samples, n_leads = records.train.signals_uv.shape[1:]
        length = round(config.training.crop_s * records.sampling_rate_hz) if crops and config.training.crop_s else None
        crop = None if length is None or length >= n_samples else length
        self.loaders = {
            split: DataLoader(
                StoredRecords(folder, split, self.kind, crop),
                batch_size=config.training.batch_size,
                shuffle=split == "train",
                num_workers=min(workers, os.cpu_count() or 1),
                pin_memory=device.type == "cuda",
            )
            for split in SPLITS
        }
        channels = n_channels(config.image, n_leads) if config.image else 0
        self.model: nn.Module = build_model(
            config.model, family=config.family, n_leads=n_leads, n_channels=channels, n_classes=records.train.labels.shape[1]
        ).to(device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, weight_decay=1e-4)
        self.loss = nn.BCEWithLogitsLoss()

    def step(self) -> float:
        """Train one epoch and validate; returns the validation loss."""
        self.model.train()
        for *inputs, labels in self.loaders["train"]:
            self.optimizer.zero_grad()
            loss = self.loss(self.model(*(one.to(self.device) for one in inputs)), labels.to(self.device))
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
            self.optimizer.step()
            loss.item()
        self.model.eval()
        losses, probabilities = [], []
        with torch.no_grad():
            for *inputs, labels in self.loaders["validation"]:
                logits = self.model(*(one.to(self.device) for one in inputs))
                losses.append(self.loss(logits, labels.to(self.device)).item())
                probabilities.append(logits.sigmoid().cpu().numpy())
        return float(np.mean(losses))
