"""Batches of a prepared part, made on the device from int16 microvolts. No loader processes, nothing cached on disk.

The three `create_…_dataloader` functions give re-iterable loaders with a length in batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ecg_tune.config import ImageConfig
from ecg_tune.data.prepared.dataset import Split
from ecg_tune.transforms.images import images_of
from ecg_tune.transforms.signals import standardise


@dataclass(frozen=True)
class DeviceSplit:
    """A part's signals and labels on a device.

    Attributes:
        signals_uv: (n_records, n_samples, n_leads) int16, microvolts.
        labels: (n_records, n_classes) float32 of 0/1.
    """

    signals_uv: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


def to_device(part: Split, device: torch.device) -> DeviceSplit:
    """Copy a part to a device: 2 bytes a sample, 105 MB for PTB-XL's training part with three leads."""
    return DeviceSplit(
        signals_uv=torch.tensor(part.signals_uv, dtype=torch.int16, device=device),
        labels=torch.tensor(part.labels, dtype=torch.float32, device=device),
    )


def millivolts(signals_uv: Tensor) -> Tensor:
    """Return int16 microvolts as float32 millivolts."""
    return signals_uv.to(torch.float32) / 1000


class BatchLoader:
    """Iterates over a part in batches; each pass over a shuffled one draws a new order.

    Args:
        inputs: Makes the batch's inputs from its signal (batch, n_samples, n_leads) in millivolts.
        generator: Draws the order; None keeps the part's.
    """

    def __init__(
        self,
        part: DeviceSplit,
        *,
        batch_size: int,
        inputs: Callable[[Tensor], tuple[Tensor, ...]],
        generator: torch.Generator | None = None,
    ) -> None:
        self.part, self.batch_size, self.inputs, self.generator = part, batch_size, inputs, generator

    def __len__(self) -> int:
        return -(-len(self.part) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        n_records, device = len(self.part), self.part.labels.device
        order = torch.arange(n_records) if self.generator is None else torch.randperm(n_records, generator=self.generator)
        for index in order.to(device).split(self.batch_size):
            yield (*self.inputs(millivolts(self.part.signals_uv[index])), self.part.labels[index])


def _shuffler(seed: int | None) -> torch.Generator | None:
    return None if seed is None else torch.Generator().manual_seed(seed)


def create_signal_dataloader(part: Split, *, batch_size: int = 32, shuffle_seed: int | None = None, device: str = "cpu") -> BatchLoader:
    """Return batches of (signal in mV (batch, n_samples, n_leads), labels (batch, n_classes)).

    Args:
        shuffle_seed: Seed of the order; None keeps the part's order.
    """
    return BatchLoader(
        to_device(part, torch.device(device)), batch_size=batch_size, inputs=lambda signal: (signal,), generator=_shuffler(shuffle_seed)
    )


def create_image_dataloader(
    part: Split,
    image: ImageConfig,
    *,
    normalisation: Mapping[str, Any],
    batch_size: int = 32,
    shuffle_seed: int | None = None,
    device: str = "cpu",
) -> BatchLoader:
    """Return batches of (image (batch, n_channels, size, size), labels (batch, n_classes)); images are made per batch.

    Args:
        normalisation: `PreparedData.normalisation`.
    """
    return BatchLoader(
        to_device(part, torch.device(device)),
        batch_size=batch_size,
        inputs=lambda signal: (images_of(standardise(signal, normalisation), image),),
        generator=_shuffler(shuffle_seed),
    )


def create_fusion_dataloader(
    part: Split,
    image: ImageConfig,
    *,
    normalisation: Mapping[str, Any],
    batch_size: int = 32,
    shuffle_seed: int | None = None,
    device: str = "cpu",
) -> BatchLoader:
    """Return batches of (standardised signal, image, labels); shapes as in the other two loaders."""

    def both(signal: Tensor) -> tuple[Tensor, ...]:
        standard = standardise(signal, normalisation)
        return standard, images_of(standard, image)

    return BatchLoader(to_device(part, torch.device(device)), batch_size=batch_size, inputs=both, generator=_shuffler(shuffle_seed))
