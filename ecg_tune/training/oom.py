"""When memory runs out, divide a batch into micro-batches whose gradients add up to the same step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from ecg_tune.timing import OFF, NoStopwatch

T = TypeVar("T")

MESSAGES = ("out of memory", "can't allocate memory", "ALLOC_FAILED")
"""Texts in the errors of CUDA, the CPU's allocator and cuDNN; only CUDA's error has an exception type of its own."""


def out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory ran out, on a GPU or on the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error) for message in MESSAGES)


class MicroBatches:
    """Runs work in micro-batches that fit into memory, and halves their size whenever memory runs out; the size is kept.

    The gradient is that of the whole batch. Batch normalisation sees the micro-batches, though: its statistics get noisier.

    Args:
        batch_size: Records of a whole batch.
        stopwatch: Measures what the gradients take.

    Attributes:
        size: Records in a micro-batch.
    """

    def __init__(self, batch_size: int, *, stopwatch: NoStopwatch = OFF) -> None:
        self.size, self.stopwatch = batch_size, stopwatch

    def run(self, work: Callable[[int], T], *, n_records: int) -> T:
        """Call `work` with the micro-batch size, and again with half the size whenever memory runs out.

        Args:
            work: Takes the size; must be able to start again.
            n_records: Records that the work is about; bounds the first halving.

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

    def backward(
        self, inputs: Sequence[Tensor], labels: Tensor, loss: Callable[[Sequence[Tensor], Tensor], Tensor], reset: Callable[[], None]
    ) -> Tensor:
        """Back-propagate a batch's mean loss, micro-batch by micro-batch, and return it.

        Args:
            inputs: (batch, …) each: signals, cropped and augmented (a second try sees the same crops), and maybe stored images.
            labels: (batch, n_classes).
            loss: Maps a micro-batch's inputs and labels to its mean loss; images are made inside.
            reset: Clears gradients; called before every try.
        """

        def work(size: int) -> Tensor:
            reset()
            total = torch.zeros((), device=labels.device)
            for *micro_inputs, micro_labels in zip(*(own.split(size) for own in inputs), labels.split(size), strict=True):
                share = loss(micro_inputs, micro_labels) * (len(micro_labels) / len(labels))
                with self.stopwatch.part("backward"):
                    share.backward()
                total += share.detach()
            return total

        return self.run(work, n_records=len(labels))
