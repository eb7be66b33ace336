"""Who is told what a search does, as it does it."""

from __future__ import annotations

from typing import Protocol


class Listener(Protocol):
    """Is told what happens, as it happens."""

    def started(self, number: int, family: str, *, continued_at: int) -> None:
        """A trial begins, or goes on after `continued_at` epochs."""

    def epoch(self, number: int, family: str, epoch: int, value: float) -> None:
        """A trial finished an epoch."""

    def paused(self, number: int, family: str, epoch: int, reason: str) -> None:
        """A trial waits at a rung; its worker is free."""

    def finished(self, number: int, family: str, state: str, value: float | None, reason: str) -> None:
        """A trial's row was closed."""

    def message(self, text: str) -> None:
        """Something that the user should know."""
