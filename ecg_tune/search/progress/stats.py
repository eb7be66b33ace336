"""The running counts of a search, which every view of its progress shows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ecg_tune.study.summary import RungCounts


class GpuUse(NamedTuple):
    """One GPU at work: busy 0..1, memory in GB."""

    busy: float
    used_gb: float
    total_gb: float


@dataclass
class SearchStats:
    """What is known of a search while it runs.

    Attributes:
        trials: Trials the study shall have in the end.
        states: Finished trials of the study by state, those of earlier runs included.
        running: Trial number → (family, last epoch, last value).
        waiting: Numbers of trials that pause at a rung.
        best: (value, trial number, family) of the best COMPLETE trial.
        rung_counts: Counts the trials that reached each rung by now.
        gpus: Gives the use of the GPUs that the driver can see; must answer at once.
        budget_left_s: Gives the seconds until a budget ends the search; None when none will.
        pauses: Trials pause at rungs. While none waits the time left is unknown: what ended were the defaults, which are trained whole.
    """

    trials: int
    max_epochs: int
    slots: int = 1
    states: Counter[str] = field(default_factory=Counter)
    running: dict[int, tuple[str, int, float | None]] = field(default_factory=dict)
    waiting: set[int] = field(default_factory=set)
    best: tuple[float, int, str] | None = None
    rung_counts: Callable[[], RungCounts] = dict
    gpus: Callable[[], Sequence[GpuUse]] = tuple
    budget_left_s: Callable[[], float | None] = lambda: None
    pauses: bool = False
    since: float = field(default_factory=time.monotonic)
    epochs: int = 0
    ended: int = 0
    ended_epochs: int = 0

    def started(self, number: int, family: str, continued_at: int) -> None:
        """Take in that a trial began."""
        self.waiting.discard(number)
        self.running[number] = (family, continued_at, None)

    def epoch(self, number: int, family: str, epoch: int, value: float) -> None:
        """Take in an epoch's value."""
        self.running[number] = (family, epoch, value)
        self.epochs += 1

    def paused(self, number: int) -> None:
        """Take in that a trial waits."""
        self.running.pop(number, None)
        self.waiting.add(number)

    def finished(self, number: int, family: str, state: str, value: float | None) -> None:
        """Take in that a trial ended."""
        self.waiting.discard(number)
        _, epoch, _ = self.running.pop(number, (family, 0, None))
        self.states[state] += 1
        self.ended += 1
        self.ended_epochs += epoch
        if state == "COMPLETE" and value is not None and (self.best is None or value > self.best[0]):
            self.best = (value, number, family)

    def eta_s(self) -> float | None:
        """Return the seconds left at the pace since the start, if coming trials take as many epochs as those that ended, or to a budget."""
        budget = self.budget_left_s()
        coming = max(self.trials - sum(self.states.values()) - len(self.running) - len(self.waiting), 0)
        if self.epochs and self.waiting:  # few trials end before the search does; at last one of those that wait is trained to the end
            left = coming * self.epochs / (self.ended + len(self.running) + len(self.waiting)) + self.max_epochs
        elif self.epochs and self.ended_epochs and not self.pauses:
            each = self.ended_epochs / self.ended
            left = coming * each + sum(max(each - epoch, 0.0) for _, epoch, _ in self.running.values())
        else:
            return budget
        eta = (time.monotonic() - self.since) / self.epochs * left
        return eta if budget is None else min(eta, budget)

    def counts(self) -> str:
        """Return the trials by state."""
        parts = [f"{sum(self.states.values())}/{self.trials} trials"]
        parts += [f"{self.states[state]} {state}" for state in ("COMPLETE", "PRUNED", "FAIL") if self.states[state]]
        waiting = [f"{len(self.waiting)} waiting"] if self.waiting else []
        return ", ".join([*parts, f"{len(self.running)} running", *waiting])

    def best_so_far(self) -> str:
        """Return the best trial; "" while there is none."""
        return f"best {self.best[0]:.4f} (trial {self.best[1]}, {self.best[2]})" if self.best else ""

    def left(self) -> str:
        """Return the time left; "" while nobody knows."""
        eta = self.eta_s()
        return f"about {duration(eta)} left" if eta and self.running else ""


def duration(seconds: float) -> str:
    """Return seconds as a person writes them: 45 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
