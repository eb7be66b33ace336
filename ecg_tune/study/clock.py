"""The time of day for a study's trials. It never runs backwards, so that the order of the trials' ends can be read from them.

A machine's clock is set now and then: by hand, by a time server, or since the search goes on on another machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from ecg_tune.study.trial import Trial

FURTHEST = timedelta(days=1)
"""Ahead of this machine's clock. A trial that says more than that was not timed by a clock that was set."""


class StudyClock:
    """Gives the time of day; after the clock was set back, the last time that was given and the seconds since.

    Args:
        trials: Returns the trials that the study has; asked once, when the time is first wanted.
        now: The machine's clock.
        monotonic: Seconds that nobody sets.
    """

    def __init__(
        self,
        trials: Callable[[], Iterable[Trial]],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trials, self._now, self._monotonic = trials, now, monotonic
        self._last: datetime | None = None
        self._last_s = 0.0

    def local(self) -> datetime:
        """Return the time, naive and local as Optuna has it."""
        now, seconds = self._now(), self._monotonic()
        if self._last is None:
            earliest = max(_times(self._trials(), now + FURTHEST), default=now)
        else:
            earliest = self._last + timedelta(seconds=seconds - self._last_s)
        self._last, self._last_s = max(now, earliest), seconds
        return self._last.astimezone().replace(tzinfo=None)


def _times(trials: Iterable[Trial], latest: datetime) -> Iterator[datetime]:
    for trial in trials:
        for at in (trial.start, trial.end):
            with suppress(OverflowError, ValueError, OSError):  # a year that no clock has
                if at is not None and (known := at.astimezone(UTC)) <= latest:
                    yield known
