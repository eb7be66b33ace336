"""Measure where the time of a trial goes. Standard library only, so that workers, studies and figures share the names of the parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TypeVar

PARTS: Mapping[str, str] = {
    "idle": "the worker waited for this trial after its last one",
    "start": "start of the worker, data to the device, network, checkpoint read",
    "data": "batches: records read, cropped, augmented",
    "images": "images of training batches",
    "forward": "network and loss",
    "backward": "gradients",
    "optimiser": "clipping, step, schedule, averaged weights",
    "validation": "predictions and metrics",
    "checkpoint": "checkpoint written",
    "report": "result sent, recorded and decided on, until the next epoch",
    "other": "everything else on the worker",
}
"""Part of a trial's time → what it holds, in the order in which figures stack them."""

T = TypeVar("T")
_NOTHING = nullcontext()


class NoStopwatch:
    """Measures nothing: what a trial without `--timing` gets."""

    def part(self, name: str) -> AbstractContextManager[None]:
        """Give the time of a block to a part.

        Args:
            name: One of `PARTS`.
        """
        return _NOTHING

    def each(self, name: str, items: Iterable[T]) -> Iterable[T]:
        """Give the time of making each item to a part.

        Args:
            name: One of `PARTS`.
            items: They are made while they are iterated over.
        """
        return items

    def begin(self, name: str) -> None:
        """Give the time outside of all blocks to a part from now on.

        Args:
            name: One of `PARTS`.
        """

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each part so far; empty when nothing is measured."""
        return {}


OFF = NoStopwatch()


class Stopwatch(NoStopwatch):
    """Adds up the seconds of each part. Every moment counts once: in a block within a block, for the inner one.

    A GPU works after the call that gave it the work has returned. So each change from one part to another first waits until the
    device has nothing left to do: otherwise the time of all kernels would be charged to whoever reads a result first. The waiting
    keeps the host from preparing the next kernels meanwhile, so a GPU is slower with a stopwatch than without; on a CPU there is
    nothing to wait for.

    Args:
        before: Seconds of each part that count already.
        part: What the time outside of all blocks is given to, see `begin`.
        synchronise: Waits until the device is done.
    """

    def __init__(
        self, before: Mapping[str, float] | None = None, *, part: str = "other", synchronise: Callable[[], object] = lambda: None
    ) -> None:
        self._seconds = {name: float((before or {}).get(name, 0.0)) for name in PARTS}
        self._open, self._synchronise = [part], synchronise
        self._since = time.perf_counter()

    def part(self, name: str) -> AbstractContextManager[None]:
        """Give the time of a block to a part; see `NoStopwatch.part`."""
        return _Block(self, name)

    def each(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """Give the time of making each item to a part; see `NoStopwatch.each`."""
        iterator = iter(items)
        while True:
            with self.part(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def begin(self, name: str) -> None:
        """Give the time outside of all blocks to a part from now on; see `NoStopwatch.begin`."""
        self._lap()
        self._open[0] = name

    def add(self, name: str, seconds: float) -> None:
        """Count seconds that were measured elsewhere; a negative number, of clocks that differ, counts as 0."""
        self._seconds[name] += max(0.0, seconds)

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each part until now."""
        self._lap()
        return dict(self._seconds)

    def _enter(self, name: str) -> None:
        self._lap()
        self._open.append(name)

    def _leave(self) -> None:
        self._lap()
        self._open.pop()

    def _lap(self) -> None:
        """Give the time since the last call to the innermost open part."""
        self._synchronise()
        now = time.perf_counter()
        self._seconds[self._open[-1]] += now - self._since
        self._since = now


class _Block(AbstractContextManager[None]):
    """One block whose time belongs to a part."""

    def __init__(self, stopwatch: Stopwatch, name: str) -> None:
        self.stopwatch, self.name = stopwatch, name

    def __enter__(self) -> None:
        self.stopwatch._enter(self.name)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stopwatch._leave()
