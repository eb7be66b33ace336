"""Make batches of a split on the device, from int16 microvolts: no loader processes, nothing cached on disk.

The three `create_…_dataloader` functions return loaders that can be iterated many times; `len` counts batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecg_tune.config import STORED, ImageConfig
from ecg_tune.data.prepared.dataset import Split
from ecg_tune.data.prepared.images import StoredImages
from ecg_tune.errors import ConfigError
from ecg_tune.transforms.images import make_images
from ecg_tune.transforms.signals import standardise

NO_STORED_IMAGES = f"the data have no stored images: take another image kind than {STORED}, or import the data with their images"


@dataclass(frozen=True)
class DeviceSplit:
    """A split's signals and labels on a device. Stored images stay in their file, from where each batch is read.

    Attributes:
        signals_uv: (n_records, n_samples, n_leads) int16, microvolts; (n_records, 0, 0) where there are images alone.
        labels: (n_records, n_classes) float32 of 0/1.
        images: The stored images of these records, and maybe of more behind them; None where there are none.
        certainty: (n_records, n_classes) float32, how likely each label is; None where the data don't say it.
        statements: (n_records, n_statements) float32 of 0/1, NaN where unknown; None where the data don't say them.
        taught: (n_records, n_classes) float32, the probabilities that teachers give; None without teachers.
    """

    signals_uv: Tensor
    labels: Tensor
    images: StoredImages | None = None
    certainty: Tensor | None = None
    statements: Tensor | None = None
    taught: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, n_records: int) -> DeviceSplit:
        """Take the first records."""
        extra = (None if own is None else own[:n_records] for own in (self.certainty, self.statements, self.taught))
        return DeviceSplit(self.signals_uv[:n_records], self.labels[:n_records], self.images, *extra)

    def read_images(self, rows: Tensor) -> Tensor:
        """Read the stored images of some records onto the device.

        Args:
            rows: (batch,) row numbers.

        Returns:
            (batch, n_channels, size, size) float32.

        Raises:
            ConfigError: The data have no stored images.
            DataError: This machine can't read their file.
        """
        return read_images(self.images, rows.cpu().numpy(), self.labels.device)


def to_device(split: Split, device: torch.device) -> DeviceSplit:
    """Copy a split to a device: 2 bytes a sample, 105 MB for PTB-XL's training split with three leads."""
    return DeviceSplit(
        signals_uv=torch.tensor(split.signals_uv, dtype=torch.int16, device=device),
        labels=torch.tensor(split.labels, dtype=torch.float32, device=device),
        images=split.images,
        certainty=None if split.certainty is None else torch.tensor(split.certainty, device=device),
        statements=None if split.statements is None else torch.tensor(split.statements, dtype=torch.float32, device=device),
        taught=None if split.taught is None else torch.tensor(split.taught, device=device),
    )


def read_images(images: StoredImages | None, rows: NDArray[np.integer[Any]], device: torch.device | str) -> Tensor:
    """Read some records' stored images onto a device; see `DeviceSplit.read_images`."""
    if images is None:
        raise ConfigError(NO_STORED_IMAGES)
    return torch.from_numpy(images.read(rows)).to(device)


def millivolts(signals_uv: Tensor) -> Tensor:
    """Convert int16 microvolts to float32 millivolts; any shape."""
    return signals_uv.to(torch.float32) / 1000


class BatchLoader:
    """Iterates over a split in batches; every pass over a shuffled split draws a new order.

    Args:
        split: On the device where the batches are made.
        inputs: Makes a network's inputs from a batch's signals (batch, n_samples, n_leads) in millivolts and, with `with_images`, its
            stored images (batch, n_channels, size, size).
        generator: Draws the order; None keeps the order of the split.
        with_images: Whether batches hold the stored images.
    """

    def __init__(
        self,
        split: DeviceSplit,
        *,
        batch_size: int,
        inputs: Callable[..., tuple[Tensor, ...]],
        generator: torch.Generator | None = None,
        with_images: bool = False,
    ) -> None:
        self.split, self.batch_size, self.inputs, self.generator = split, batch_size, inputs, generator
        self.with_images = with_images

    def __len__(self) -> int:
        return -(-len(self.split) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        n_records, device = len(self.split), self.split.labels.device
        order = torch.arange(n_records) if self.generator is None else torch.randperm(n_records, generator=self.generator)
        for rows in order.split(self.batch_size):
            index = rows.to(device)
            images = (self.split.read_images(rows),) if self.with_images else ()
            yield (*self.inputs(millivolts(self.split.signals_uv[index]), *images), self.split.labels[index])


def _generator(seed: int | None) -> torch.Generator | None:
    return None if seed is None else torch.Generator().manual_seed(seed)


def create_signal_dataloader(split: Split, *, batch_size: int = 32, shuffle_seed: int | None = None, device: str = "cpu") -> BatchLoader:
    """Make a loader of raw signals, for families that take signals.

    Args:
        batch_size: Records a batch; the last batch may be smaller.
        shuffle_seed: Seed of the order; None keeps the order of the split.
        device: "cpu", "cuda" or "cuda:N"; the split is copied there.

    Returns:
        Batches of (signal in millivolts (batch, n_samples, n_leads), labels (batch, n_classes)), float32.

    Example:
        >>> from ecg_tune.data.prepared.dataset import open_prepared
        >>> loader = create_signal_dataloader(open_prepared("data").train, batch_size=8, shuffle_seed=0)
        >>> signal, labels = next(iter(loader))
        >>> tuple(signal.shape), tuple(labels.shape)
        ((8, 250, 3), (8, 5))
    """
    return BatchLoader(
        to_device(split, torch.device(device)), batch_size=batch_size, inputs=lambda signal: (signal,), generator=_generator(shuffle_seed)
    )


def create_image_dataloader(
    split: Split,
    image: ImageConfig,
    *,
    normalisation: Mapping[str, Any],
    batch_size: int = 32,
    shuffle_seed: int | None = None,
    device: str = "cpu",
) -> BatchLoader:
    """Make a loader of images, for families that take images. They are computed batch by batch, on the device, or read if stored.

    Args:
        image: Kind, size and scale of the images; of the kind "stored", nothing else counts.
        normalisation: `PreparedData.normalisation`.
        batch_size, shuffle_seed, device: As in `create_signal_dataloader`.

    Returns:
        Batches of (image (batch, n_channels, size, size), labels (batch, n_classes)), float32.

    Example:
        >>> from ecg_tune.config import ImageConfig
        >>> from ecg_tune.data.prepared.dataset import open_prepared
        >>> data = open_prepared("data")
        >>> loader = create_image_dataloader(data.train, ImageConfig(kind="gasf", size=32), normalisation=data.normalisation)
        >>> image, labels = next(iter(loader))
        >>> tuple(image.shape)
        (32, 3, 32, 32)
    """

    def image_alone(signal: Tensor, *stored: Tensor) -> tuple[Tensor, ...]:
        return stored or (make_images(standardise(signal, normalisation), image),)

    return _image_loader(split, image, image_alone, batch_size=batch_size, shuffle_seed=shuffle_seed, device=device)


def create_fusion_dataloader(
    split: Split,
    image: ImageConfig,
    *,
    normalisation: Mapping[str, Any],
    batch_size: int = 32,
    shuffle_seed: int | None = None,
    device: str = "cpu",
) -> BatchLoader:
    """Make a loader of signals together with their images, for fusion networks. Arguments as in `create_image_dataloader`.

    Returns:
        Batches of (signal in standard deviations (batch, n_samples, n_leads), image (batch, n_channels, size, size),
        labels (batch, n_classes)), float32.

    Example:
        >>> from ecg_tune.config import ImageConfig
        >>> from ecg_tune.data.prepared.dataset import open_prepared
        >>> data = open_prepared("data")
        >>> image_config = ImageConfig(kind="triple", size=32)
        >>> loader = create_fusion_dataloader(data.train, image_config, normalisation=data.normalisation, batch_size=8)
        >>> [tuple(tensor.shape) for tensor in next(iter(loader))]
        [(8, 250, 3), (8, 3, 32, 32), (8, 5)]
    """

    def signal_and_image(signal: Tensor, *stored: Tensor) -> tuple[Tensor, ...]:
        standardised = standardise(signal, normalisation)
        return standardised, *(stored or (make_images(standardised, image),))

    return _image_loader(split, image, signal_and_image, batch_size=batch_size, shuffle_seed=shuffle_seed, device=device)


def _image_loader(
    split: Split, image: ImageConfig, inputs: Callable[..., tuple[Tensor, ...]], *, batch_size: int, shuffle_seed: int | None, device: str
) -> BatchLoader:
    stored = image.kind == STORED
    return BatchLoader(
        to_device(split, torch.device(device)), batch_size=batch_size, inputs=inputs, generator=_generator(shuffle_seed), with_images=stored
    )
