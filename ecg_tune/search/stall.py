"""Stalled trials: they report nothing any more, since their host is cut off or hangs, though Ray may still believe in it. Knows no Ray."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

LEAST_S, FIRST_S = 120.0, 1800.0
TIMES, FIRST_TIMES = 10.0, 30.0
BLINK_S = 5.0
"""A driver that did not look for longer was suspended or busy itself: that time is no trial's stall."""


@dataclass
class _Reports:
    last_at: float
    count: int = 0
    longest_s: float = 0.0


class StallDetector:
    """Knows for how long each running trial has reported nothing, and how long that may last.

    A trial may report nothing ten times as long as the longest of its own epochs and no less than two minutes. Until its first
    report here, which loads data and may compile, thirty times the longest epoch of any trial and no less than half an hour.

    Args:
        limit_s: Seconds for all instead.
        clock: Seconds.
    """

    def __init__(self, limit_s: float | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit_s, self.clock = limit_s, clock
        self.reports: dict[int, _Reports] = {}
        self.longest_s = 0.0
        self.looked_at = clock()

    def report(self, number: int) -> None:
        """Take in that a trial reported an epoch."""
        if number in self.reports:
            heard, now = self.reports[number], self.clock()
            if heard.count:  # what came before the first is start-up too
                heard.longest_s = max(heard.longest_s, now - heard.last_at)
            self.longest_s = max(self.longest_s, now - heard.last_at)
            heard.last_at, heard.count = now, heard.count + 1

    def overdue(self, running: Iterable[int]) -> list[tuple[int, float]]:
        """Return the stalled trials, and the seconds since their last report.

        Args:
            running: All trials that are on a worker now. One that was not among them before starts its time; one that is no
                longer among them is forgotten.
        """
        now, present = self.clock(), set(running)
        suspended = now - self.looked_at if now - self.looked_at > BLINK_S else 0.0
        self.looked_at = now
        self.reports = {number: heard for number, heard in self.reports.items() if number in present}
        for heard in self.reports.values():
            heard.last_at += suspended
        for number in present - self.reports.keys():
            self.reports[number] = _Reports(now)
        late = [(number, now - heard.last_at) for number, heard in self.reports.items() if now - heard.last_at > self.allowed_s(number)]
        for number, _ in late:
            del self.reports[number]
        return late

    def allowed_s(self, number: int) -> float:
        """Return the seconds for which a running trial may report nothing."""
        heard = self.reports[number]
        if self.limit_s is not None:
            return self.limit_s
        if heard.count > 1:
            return max(LEAST_S, TIMES * heard.longest_s)
        return max(FIRST_S, FIRST_TIMES * self.longest_s)
