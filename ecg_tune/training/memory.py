"""Out of memory: the batch is split into micro-batches whose gradients add up to the same step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class MicroBatches:
    """Runs a batch in pieces that fit, halving them whenever memory runs out; what fitted is remembered.

    The gradient is that of the whole batch. Batch normalisation sees the pieces, though: its statistics get noisier.

    Attributes:
        size: Records of a piece.
    """

    def __init__(self, batch_size: int) -> None:
        self.size = batch_size

    def backward(
        self, inputs: tuple[Tensor, ...], labels: Tensor, loss: Callable[[tuple[Tensor, ...], Tensor], Tensor], reset: Callable[[], None]
    ) -> Tensor:
        """Back-propagate a batch's mean loss and return it.

        Args:
            loss: Maps a piece's inputs and labels to its mean loss.
            reset: Clears gradients; called before every try.

        Raises:
            torch.OutOfMemoryError: A single record does not fit.
        """
        while True:
            reset()
            try:
                return self._try(inputs, labels, loss)
            except torch.OutOfMemoryError:
                if self.size <= 1:
                    raise
            self.size = min(self.size, len(labels)) // 2 or 1
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _try(self, inputs: tuple[Tensor, ...], labels: Tensor, loss: Callable[[tuple[Tensor, ...], Tensor], Tensor]) -> Tensor:
        total = torch.zeros((), device=labels.device)
        pieces = zip(*(x.split(self.size) for x in inputs), labels.split(self.size), strict=True)
        for *some, target in pieces:
            share = loss(tuple(some), target) * (len(target) / len(labels))
            share.backward()
            total += share.detach()
        return total
