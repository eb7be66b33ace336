"""Out of memory: the batch is split into micro-batches whose gradients add up to the same step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

SIGNS = ("out of memory", "can't allocate memory", "ALLOC_FAILED")
"""What CUDA, the CPU's allocator and cuDNN say when memory runs out; only the first has an exception of its own."""


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that memory ran out, on a GPU or on the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)


class MicroBatches:
    """Runs work in pieces that fit, halving them whenever memory runs out; what fitted is remembered.

    The gradient is that of the whole batch. Batch normalisation sees the pieces, though: its statistics get noisier.

    Attributes:
        size: Records of a piece.
    """

    def __init__(self, batch_size: int) -> None:
        self.size = batch_size

    def run(self, work: Callable[[int], T], *, n_records: int) -> T:
        """Return `work(size)`, tried again with half the size whenever memory runs out.

        Args:
            work: Can be called again from the start.
            n_records: How many there are to work on.

        Raises:
            torch.OutOfMemoryError: A single record does not fit (on the CPU a RuntimeError or MemoryError).
        """
        while True:
            try:
                return work(self.size)
            except (RuntimeError, MemoryError) as error:
                if self.size <= 1 or not out_of_memory(error):
                    raise
            self.size = min(self.size, n_records) // 2 or 1
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def backward(self, signal: Tensor, labels: Tensor, loss: Callable[[Tensor, Tensor], Tensor], reset: Callable[[], None]) -> Tensor:
        """Back-propagate a batch's mean loss and return it.

        Args:
            signal: (batch, …), as drawn: a repeated try sees the same crops.
            loss: Maps a piece's signal and labels to its mean loss, images made on the way included.
            reset: Clears gradients; called before every try.
        """

        def work(size: int) -> Tensor:
            reset()
            total = torch.zeros((), device=labels.device)
            for some, target in zip(signal.split(size), labels.split(size), strict=True):
                share = loss(some, target) * (len(target) / len(labels))
                share.backward()
                total += share.detach()
            return total

        return self.run(work, n_records=len(labels))
