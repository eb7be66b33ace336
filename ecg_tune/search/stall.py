"""Trials that report nothing any more: their host is cut off or hangs, though Ray may still believe in it. Knows no Ray."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

LEAST_S, FIRST_S = 120.0, 1800.0
TIMES, FIRST_TIMES = 10.0, 30.0
BLINK_S = 5.0
"""A driver that did not look for longer was suspended or busy itself: that time is nobody's silence."""


@dataclass
class _Heard:
    at: float
    reports: int = 0
    longest_s: float = 0.0


class StallDetector:
    """Knows since when each running trial has been silent, and for how long it may be.

    A trial may be silent ten times as long as the longest of its own epochs and no less than two minutes. Until its first
    report here, which loads data and may compile, thirty times the longest epoch of any trial and no less than half an hour.

    Args:
        limit_s: Seconds for all instead.
        clock: Seconds.
    """

    def __init__(self, limit_s: float | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit_s, self.clock = limit_s, clock
        self.heard: dict[int, _Heard] = {}
        self.longest_s = 0.0
        self.looked_at = clock()

    def report(self, number: int) -> None:
        """Take in that a trial reported an epoch."""
        if number in self.heard:
            heard, now = self.heard[number], self.clock()
            if heard.reports:  # what came before the first is start-up too
                heard.longest_s = max(heard.longest_s, now - heard.at)
            self.longest_s = max(self.longest_s, now - heard.at)
            heard.at, heard.reports = now, heard.reports + 1

    def overdue(self, running: Iterable[int]) -> list[tuple[int, float]]:
        """Return the trials that have been silent for too long, and the seconds.

        Args:
            running: All trials that are on a worker now. One that was not among them before starts its time; one that is no
                longer among them is forgotten.
        """
        now, present = self.clock(), set(running)
        slept = now - self.looked_at if now - self.looked_at > BLINK_S else 0.0
        self.looked_at = now
        self.heard = {number: heard for number, heard in self.heard.items() if number in present}
        for heard in self.heard.values():
            heard.at += slept
        for number in present - self.heard.keys():
            self.heard[number] = _Heard(now)
        late = [(number, now - heard.at) for number, heard in self.heard.items() if now - heard.at > self.allowed_s(number)]
        for number, _ in late:
            del self.heard[number]
        return late

    def allowed_s(self, number: int) -> float:
        """Return the seconds for which a running trial may be silent."""
        heard = self.heard[number]
        if self.limit_s is not None:
            return self.limit_s
        if heard.reports > 1:
            return max(LEAST_S, TIMES * heard.longest_s)
        return max(FIRST_S, FIRST_TIMES * self.longest_s)
