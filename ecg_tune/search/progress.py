"""What a user sees while a search runs: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text


@dataclass
class Tally:
    """The running counts that both views show.

    Attributes:
        running: Trial number → (family, last epoch, last value).
        best: (value, trial number, family) of the best COMPLETE trial.
    """

    trials: int
    max_epochs: int
    slots: int = 1
    states: Counter[str] = field(default_factory=Counter)
    running: dict[int, tuple[str, int, float | None]] = field(default_factory=dict)
    best: tuple[float, int, str] | None = None
    epochs: int = 0
    ended: int = 0
    since: float = field(default_factory=time.monotonic)

    def eta_s(self) -> float | None:
        """Return the seconds left if the trials to come cost as much as those that ended since the start."""
        left = self.trials - sum(self.states.values())
        return (time.monotonic() - self.since) / self.ended * left if self.ended else None

    def line(self) -> str:
        """Return the counts as one line."""
        parts = [f"{sum(self.states.values())}/{self.trials} trials"]
        parts += [f"{self.states[state]} {state}" for state in ("COMPLETE", "PRUNED", "FAIL") if self.states[state]]
        parts.append(f"{len(self.running)} running")
        if self.best:
            parts.append(f"best {self.best[0]:.4f} (trial {self.best[1]}, {self.best[2]})")
        eta = self.eta_s()
        return ", ".join(parts) + (f", about {duration(eta)} left" if eta is not None and self.running else "")


def duration(seconds: float) -> str:
    """Return seconds as a person writes them: 45 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


class PlainProgress:
    """One line for every epoch and every ended trial."""

    def __init__(self, tally: Tally, console: Console) -> None:
        self.tally, self.console = tally, console

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *_: Any) -> None:
        """Nothing to close."""

    def started(self, number: int, family: str, *, continued_at: int) -> None:
        self.tally.running[number] = (family, continued_at, None)
        self._say(f"trial {number} ({family}) " + (f"goes on after epoch {continued_at}" if continued_at else "starts"))

    def epoch(self, number: int, family: str, epoch: int, value: float) -> None:
        self.tally.running[number] = (family, epoch, value)
        self.tally.epochs += 1
        self._say(f"trial {number} ({family}) epoch {epoch}/{self.tally.max_epochs}: {value:.4f}")

    def finished(self, number: int, family: str, state: str, value: float | None, reason: str) -> None:
        self.tally.running.pop(number, None)
        self.tally.states[state] += 1
        self.tally.ended += 1
        if state == "COMPLETE" and value is not None and (self.tally.best is None or value > self.tally.best[0]):
            self.tally.best = (value, number, family)
        shown = "" if value is None else f" {value:.4f}"
        self._say(f"trial {number} ({family}) {state}{shown} [{reason}] — {self.tally.line()}")

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


class LiveProgress(PlainProgress):
    """The same as a table that stays in place; ended trials scroll by above it."""

    def __init__(self, tally: Tally, console: Console) -> None:
        super().__init__(tally, console)
        self.live = Live(self._view(), console=console, refresh_per_second=2)

    def __enter__(self) -> LiveProgress:
        self.live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.live.stop()

    def _say(self, text: str) -> None:
        if "[" in text:
            self.live.console.print(text.split(" — ")[0], markup=False, highlight=False)
        self.live.update(self._view())

    def _view(self) -> Group:
        table = Table()
        for column in ("trial", "family", "epoch", "validation"):
            table.add_column(column, justify="left" if column == "family" else "right")
        for number, (family, epoch, value) in sorted(self.tally.running.items()):
            table.add_row(str(number), family, f"{epoch}/{self.tally.max_epochs}", "" if value is None else f"{value:.4f}")
        return Group(Text(self.tally.line()), *([table] if self.tally.running else []))
