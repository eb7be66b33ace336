"""What ends a search before it has all its trials: time, epochs, GPU-hours, a value that is good enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from ecg_tune.config import SearchSettings
from ecg_tune.study.summary import trained
from ecg_tune.study.trial import TARGET, Trial


class Budget:
    """Counts what a study has spent.

    Epochs and GPU-hours count over the whole study, every run of it; wall time counts from the start of this run. Epochs in
    progress are finished, so that with n slots up to n - 1 epochs more are trained than `total_epochs` says.

    Args:
        trials: All of the study's, superseded ones too.
        gpus: Share of a GPU that a trial of a family holds.
        clock: Seconds.
    """

    def __init__(
        self,
        settings: SearchSettings,
        trials: Iterable[Trial],
        *,
        gpus: Callable[[str], float] = lambda family: 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings, self.gpus, self.clock = settings, gpus, clock
        self.since, self.epochs, self.gpu_s, self.reached = clock(), 0, 0.0, False
        self.seconds: dict[int, float] = {}
        for trial in trained(trials):
            self.epochs += trial.epochs
            self.seconds[trial.number] = trial.seconds or 0.0
            self.gpu_s += gpus(trial.family) * self.seconds[trial.number]
            self.reached |= self.reaches(max(trial.intermediate.values(), default=float("-inf")))
        self.epochs_before, self.gpu_s_before = self.epochs, self.gpu_s

    def epoch(self, number: int, family: str, value: float, seconds: float) -> None:
        """Count an epoch.

        Args:
            seconds: Of the whole trial so far.
        """
        self.epochs += 1
        self.gpu_s += self.gpus(family) * max(0.0, seconds - self.seconds.get(number, 0.0))
        self.seconds[number] = max(seconds, self.seconds.get(number, 0.0))
        self.reached |= self.reaches(value)

    def spent(self) -> str | None:
        """Return which limit is reached, None while there is none."""
        settings = self.settings
        if self.reached:
            return TARGET
        limits = {
            "max_hours": (settings.max_hours, (self.clock() - self.since) / 3600),
            "total_epochs": (settings.total_epochs, self.epochs),
            "gpu_hours": (settings.gpu_hours, self.gpu_s / 3600),
        }
        return next((name for name, (limit, used) in limits.items() if limit is not None and used >= limit), None)

    def left_s(self) -> float | None:
        """Return the seconds until a limit is reached at the pace of this run; None where none is, or nothing was trained yet."""
        settings, passed = self.settings, self.clock() - self.since
        ahead = [settings.max_hours * 3600 - passed] if settings.max_hours is not None else []
        for limit, used, before in (
            (settings.total_epochs, self.epochs, self.epochs_before),
            (settings.gpu_hours and settings.gpu_hours * 3600, self.gpu_s, self.gpu_s_before),
        ):
            if limit is not None and used > before:
                ahead.append((limit - used) * passed / (used - before))
        return 0.0 if self.reached else max(min(ahead), 0.0) if ahead else None

    def reaches(self, value: float) -> bool:
        """Return whether a value is good enough to end the search."""
        return self.settings.target is not None and value >= self.settings.target
