"""Make batches of a split on the device, from int16 microvolts: no loader processes, nothing cached on disk.

The three `create_…_dataloader` functions return loaders that can be iterated many times; `len` counts batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ecg_tune.config import ImageConfig
from ecg_tune.data.prepared.dataset import Split
from ecg_tune.transforms.images import make_images
from ecg_tune.transforms.signals import standardise


@dataclass(frozen=True)
class DeviceSplit:
    """A split's signals and labels on a device.

    Attributes:
        signals_uv: (n_records, n_samples, n_leads) int16, microvolts.
        labels: (n_records, n_classes) float32 of 0/1.
    """

    signals_uv: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


def to_device(split: Split, device: torch.device) -> DeviceSplit:
    """Copy a split to a device: 2 bytes a sample, 105 MB for PTB-XL's training split with three leads."""
    return DeviceSplit(
        signals_uv=torch.tensor(split.signals_uv, dtype=torch.int16, device=device),
        labels=torch.tensor(split.labels, dtype=torch.float32, device=device),
    )


def millivolts(signals_uv: Tensor) -> Tensor:
    """Convert int16 microvolts to float32 millivolts; any shape."""
    return signals_uv.to(torch.float32) / 1000


class BatchLoader:
    """Iterates over a split in batches; every pass over a shuffled split draws a new order.

    Args:
        split: On the device where the batches are made.
        inputs: Makes a network's inputs from a batch's signals (batch, n_samples, n_leads) in millivolts.
        generator: Draws the order; None keeps the order of the split.
    """

    def __init__(
        self,
        split: DeviceSplit,
        *,
        batch_size: int,
        inputs: Callable[[Tensor], tuple[Tensor, ...]],
        generator: torch.Generator | None = None,
    ) -> None:
        self.split, self.batch_size, self.inputs, self.generator = split, batch_size, inputs, generator

    def __len__(self) -> int:
        return -(-len(self.split) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        n_records, device = len(self.split), self.split.labels.device
        order = torch.arange(n_records) if self.generator is None else torch.randperm(n_records, generator=self.generator)
        for index in order.to(device).split(self.batch_size):
            yield (*self.inputs(millivolts(self.split.signals_uv[index])), self.split.labels[index])


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
    """Make a loader of images, for families that take images. Images are computed batch by batch, on the device.

    Args:
        image: Kind, size and scale of the images.
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
    return BatchLoader(
        to_device(split, torch.device(device)),
        batch_size=batch_size,
        inputs=lambda signal: (make_images(standardise(signal, normalisation), image),),
        generator=_generator(shuffle_seed),
    )


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

    def signal_and_image(signal: Tensor) -> tuple[Tensor, ...]:
        standardised = standardise(signal, normalisation)
        return standardised, make_images(standardised, image)

    return BatchLoader(
        to_device(split, torch.device(device)), batch_size=batch_size, inputs=signal_and_image, generator=_generator(shuffle_seed)
    )
