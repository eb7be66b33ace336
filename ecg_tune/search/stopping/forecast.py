"""Forecasts: what each trial would be worth at the last epoch, and so what a free worker trains next.

Freeze-thaw optimisation (Swersky, Snoek & Adams, 2014) in its simplest form. Trials pause at rungs. A forecast is a trial's best
value so far plus what trials of its family gained from there to the end; the expected improvement of it over the best value of
the search, per epoch still to pay, decides. It is asynchronous successive halving (Li et al., 2020) whose promotions are decided
by forecasts instead of ranks.

All of it is a function of the study's trials (family, number, values by epoch, how they ended), so no restart forgets it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ecg_tune.study.trial import Trial

Floats = NDArray[np.float64]

SHARE = 4
"""A family keeps at least 1/(SHARE · families) of the new trials, and of the epochs beyond the first rung."""
RECENT = 10
"""Newest trials of a family that say what its next one is worth."""
NEW_COST = 0.7
"""Epochs that a new trial is expected to cost, as a share of the last epoch: most are never trained to the end."""
DECAY = 0.6
"""Gain of a step that no trial has made yet, as a share of the gain of the step before."""
NARROW = 0.6
"""The spread of a forecast is this share of the spread of gains: forecasts of one family err together."""
AT_LEAST = 4
"""New trials before the first one resumes."""
HALVING_FROM = 12
"""From this many full trainings on, at least half of the trials of a rung resume before new ones are added."""
WORTHLESS = 0.02
"""A search that adds no more trials ends when no improvement above this share of the first rung's spread is expected."""


def rung_levels(grace: int, epochs: int) -> tuple[int, ...]:
    """Return the rungs' epochs: grace, then half as many more each time (1, 2, 3, 4, 6, 9, 13, 19, …), below the last epoch."""
    levels = []
    while grace < epochs:
        levels.append(grace)
        grace = max(grace + 1, int(grace * 1.5))
    return tuple(levels)


@dataclass(frozen=True)
class Choice:
    """What a free worker does next.

    Attributes:
        number: The trial that resumes; None for a new one.
        family: Of that trial.
        reason: "first" (too few trials to forecast), "worth" (largest expected improvement an epoch), "share" (its family had
            less than its share), "halving" (fewer than half of its rung have resumed), "best" (it has the best value) or "whole" (its
            family has no whole trial).
    """

    number: int | None
    family: str
    reason: str


@dataclass(frozen=True)
class Gains:
    """What trials gain from an epoch to the last one.

    Attributes:
        mean, variance: (n_families, last epoch + 1), by the epoch from which on; 0 at the last one.
        spread: Of the values at the first rung.
        floor: Smaller values count as this one.
    """

    mean: Floats
    variance: Floats
    spread: float
    floor: float


class Forecasts:
    """The learning curves of a study, and the forecasts that follow from them.

    Args:
        levels: The rungs' epochs, ascending.
        epochs: The last epoch.
        families: All families of the search.
    """

    def __init__(self, levels: Sequence[int], epochs: int, families: Sequence[str]) -> None:
        self.levels, self.epochs, self.families = tuple(levels), epochs, tuple(families)
        self.numbers: list[int] = []
        self._row: dict[int, int] = {}
        self._family = np.zeros(0, np.int64)
        self._epoch = np.zeros(0, np.int64)
        self._best = np.zeros(0)
        self._at = np.zeros((0, len(self.levels) + 1))  # best value by each level and at the end; NaN: not reached
        self._failed, self._whole = np.zeros(0, np.bool_), np.zeros(0, np.bool_)

    @classmethod
    def of(cls, trials: Iterable[Trial], levels: Sequence[int], epochs: int, families: Sequence[str]) -> Forecasts:
        """Rebuild the forecasts of a study."""
        forecasts = cls(levels, epochs, families)
        for trial in trials:
            forecasts.add(trial)
        return forecasts

    def add(self, trial: Trial) -> None:
        """Take in a trial as it is now. A family that is not of this search is left out, as is a trial without any."""
        if trial.family not in self.families:
            return
        if trial.number not in self._row:
            self._append(trial.number, trial.family)
        for epoch, value in trial.intermediate.items():
            self.report(trial.number, epoch, value)
        if trial.finished:
            self.end(trial)

    def report(self, number: int, epoch: int, value: float) -> None:
        """Take in an epoch's value, in order of epochs."""
        row = self._row[number]
        if epoch <= self._epoch[row] or epoch > self.epochs:
            return
        self._best[row] = value if self._epoch[row] == 0 else max(value, self._best[row])
        self._epoch[row] = epoch
        reached = np.searchsorted(self.levels, epoch, side="right")
        missing = np.isnan(self._at[row, :reached])
        self._at[row, :reached][missing] = self._best[row]
        if epoch == self.epochs:
            self._at[row, -1] = self._best[row]
        self._forget()

    def end(self, trial: Trial) -> None:
        """Take in how a trial ended. One that stopped by its own patience keeps its best value at all later epochs."""
        row = self._row.get(trial.number)
        if row is None:
            return
        self._failed[row] = trial.state == "FAIL"
        self._whole[row] = trial.state == "COMPLETE" and self._epoch[row] > 0
        if self._whole[row]:
            missing = np.isnan(self._at[row])
            self._at[row][missing] = self._best[row]
        self._forget()

    def at_rung(self, epoch: int) -> bool:
        """Return whether trials pause after an epoch."""
        return epoch in self.levels

    def forecast(self, numbers: Sequence[int]) -> tuple[Floats, Floats]:
        """Forecast the best value at the last epoch.

        Args:
            numbers: Trials with at least one value.

        Returns:
            Mean and standard deviation of each; a whole trial has its own value and 0.
        """
        return self._forecast(np.array([self._row[number] for number in numbers], np.int64))

    def of_trial(self, number: int) -> tuple[float, float]:
        """Forecast one trial that has a value: mean and standard deviation."""
        (mean,), (sd,) = self.forecast([number])
        return float(mean), float(sd)

    def best_of(self, number: int) -> float:
        """Return a trial's best value so far."""
        return float(self._best[self._row[number]])

    def known(self, number: int) -> bool:
        """Return whether a trial has a value that counts."""
        row = self._row.get(number)
        return row is not None and bool(self._epoch[row] > 0 and not self._failed[row])

    @property
    def best(self) -> float:
        """Best value of any trial; -inf before the first."""
        return float(self._best[self._counts].max(initial=-math.inf))

    def choose(
        self, waiting: Collection[int], running: Collection[int], *, families: Sequence[str] | None = None, may_add: bool = True
    ) -> Choice | None:
        """Choose what a free worker does.

        Args:
            waiting: Trials that pause at a rung.
            running: Trials that a worker has.
            families: Those that may still be sampled; None for all.
            may_add: Whether a new trial may be added.

        Returns:
            None when nothing is worth its epochs any more: only where no new trial may be added.
        """
        queue = np.array(sorted(self._row[number] for number in waiting), np.int64)
        busy = np.array(sorted(self._row[number] for number in running if number in self._row), np.int64)
        if not may_add:
            return self._last(queue, busy)
        allowed = [self.families.index(family) for family in families or self.families]
        family, new_worth = self._newcomer(busy, allowed)
        if not len(queue) or len(self.numbers) < AT_LEAST:
            return Choice(None, self.families[family], "first")
        worths = self._worth(queue)
        if new_worth >= worths.max():
            if self._epoch.sum() >= HALVING_FROM * self.epochs and (row := self._owed(queue, busy)) is not None:
                return self._resume(row, "halving")
            return Choice(None, self.families[family], "worth")
        if (row := self._short(queue, busy)) is not None:
            return self._resume(row, "share")
        return self._resume(int(queue[int(worths.argmax())]), "worth")

    def least_promising(self, waiting: Collection[int]) -> int:
        """Return the waiting trial of which the least is expected."""
        queue = np.array(sorted(self._row[number] for number in waiting), np.int64)
        return self.numbers[int(queue[int(self._worth(queue).argmin())])]

    def _last(self, queue: NDArray[np.int64], busy: NDArray[np.int64]) -> Choice | None:
        """Choose where no new trial may be added."""
        if not len(queue):
            return None
        if (row := self._owed(queue, busy)) is not None:
            return self._resume(row, "halving")
        improvement = self._improvement(*self._forecast(queue))
        if improvement.max() > WORTHLESS * self._gains.spread:
            return self._resume(int(queue[int((improvement / self._epochs_left(queue)).argmax())]), "worth")
        if len(leader := queue[self._best[queue] >= self.best]):
            return self._resume(int(leader[0]), "best")
        for family in range(len(self.families)):
            own = queue[self._family[queue] == family]
            if len(own) and not (self._whole & (self._family == family)).any() and not (self._family[busy] == family).any():
                return self._resume(self._most_promising(own), "whole")
        return None

    def _newcomer(self, busy: NDArray[np.int64], allowed: Sequence[int]) -> tuple[int, float]:
        """Return the family of the next new trial, and what that trial is worth an epoch."""
        counts = np.bincount(self._family, minlength=len(self.families))
        fewest = min(allowed, key=lambda family: counts[family])
        worths = {family: self._worth_of_new(family, started=bool((self._family[busy] == family).any())) for family in allowed}
        best = max(allowed, key=lambda family: worths[family])
        if worths[best] <= 0 or counts[fewest] < len(self.numbers) // (SHARE * len(self.families)):
            return fewest, worths[best] / (NEW_COST * self.epochs)
        return best, worths[best] / (NEW_COST * self.epochs)

    def _worth_of_new(self, family: int, *, started: bool) -> float:
        """Return the mean expected improvement of a family's newest trials, as it was forecast from their first rung."""
        first = self._at[:, 0]
        own = np.flatnonzero((self._family == family) & self._counts & ~np.isnan(first))[-RECENT:]
        if not len(own):
            return 0.0 if started else math.inf
        gains, start = self._gains, self.levels[0] if self.levels else self.epochs
        means = np.maximum(first[own], gains.floor) + gains.mean[family, start]
        return float(self._improvement(means, np.full(len(own), NARROW * math.sqrt(gains.variance[family, start]))).mean())

    def _short(self, queue: NDArray[np.int64], busy: NDArray[np.int64]) -> int | None:
        """Return the most promising waiting trial of a family that had less than its share of epochs beyond the first rung."""
        beyond = np.bincount(self._family, np.maximum(self._epoch - self.levels[0], 0), len(self.families))
        for family in np.argsort(beyond, kind="stable"):
            if beyond[family] >= beyond.sum() / (SHARE * len(self.families)):
                return None
            own = queue[self._family[queue] == family]
            if len(own) and not (self._epoch[busy][self._family[busy] == family] > 0).any():
                return self._most_promising(own)
        return None

    def _owed(self, queue: NDArray[np.int64], busy: NDArray[np.int64]) -> int | None:
        """Return the most promising trial of the lowest rung from which fewer than half of the trials resumed."""
        runs = np.zeros(len(self.numbers), np.bool_)
        runs[busy] = True
        for level in self.levels:
            reached = self._counts & (self._epoch >= level)
            beyond = reached & ((self._epoch > level) | runs | self._whole)
            here = queue[self._epoch[queue] == level]
            if len(here) and beyond.sum() < reached.sum() // 2:
                return self._most_promising(here)
        return None

    def _most_promising(self, rows: NDArray[np.int64]) -> int:
        return int(rows[int(self._forecast(rows)[0].argmax())])

    def _resume(self, row: int, reason: str) -> Choice:
        return Choice(self.numbers[row], self.families[self._family[row]], reason)

    def _worth(self, rows: NDArray[np.int64]) -> Floats:
        """Return the expected improvement of waiting trials for each epoch that they still cost."""
        return self._improvement(*self._forecast(rows)) / self._epochs_left(rows)

    def _epochs_left(self, rows: NDArray[np.int64]) -> Floats:
        return (self.epochs - self._epoch[rows]).astype(np.float64)

    def _improvement(self, mean: Floats, sd: Floats) -> Floats:
        """Return the expected improvement over the best value so far (Jones, Schonlau & Welch, 1998)."""
        above = mean - self.best
        safe = np.maximum(sd, 1e-12)
        u = above / safe
        expected = above * ndtr(u) + safe * np.exp(-0.5 * u * u) / math.sqrt(2 * math.pi)
        return np.where(sd < 1e-9, np.maximum(above, 0.0), np.maximum(expected, 0.0))

    def _forecast(self, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
        gains, family, epoch, whole = self._gains, self._family[rows], self._epoch[rows], self._whole[rows]
        mean = np.maximum(self._best[rows], gains.floor) + np.where(whole, 0.0, gains.mean[family, epoch])
        return mean, np.where(whole, 0.0, NARROW * np.sqrt(gains.variance[family, epoch]))

    @property
    def _counts(self) -> NDArray[np.bool_]:
        """Which trials have a value and did not fail."""
        return (self._epoch > 0) & ~self._failed

    @cached_property
    def _gains(self) -> Gains:
        """Learn from all trials what is gained between rungs, and add it up to the end.

        A family's mean is drawn to the mean of all, at the family's pace so far; so a family of which little is known is
        expected to gain as others do, and a slow one is given its time.
        """
        counts = self._counts
        first = self._at[counts, 0]
        first = first[~np.isnan(first)]
        spread, floor = robust_spread(first)
        at, family = np.maximum(self._at[counts], floor), self._family[counts]
        means, variances = np.zeros((len(self.families), len(self.levels) + 1)), np.zeros((len(self.families), len(self.levels) + 1))
        last_mean, last_variance, last_means = None, 0.0, np.zeros(len(self.families))
        for step in range(len(self.levels)):
            gained = at[:, step + 1] - at[:, step]
            known = ~np.isnan(gained)
            gained, of = gained[known], family[known]
            n = np.bincount(of, minlength=len(self.families))
            total = np.bincount(of, gained, len(self.families))
            expected = spread if last_mean is None else DECAY * last_mean
            mean, variance = expected, spread**2 if last_mean is None else DECAY * last_variance
            if len(gained):
                mean = float(gained.mean())
                variance = (float(((gained - mean) ** 2).sum()) + 0.5 * expected**2) / (len(gained) + 0.5)
            pace = np.ones(len(self.families))
            if last_mean is not None and last_mean > 1e-9:
                pace = np.clip(last_means / last_mean, 0.3, 3.0)
            own = (total + mean * pace) / (n + 1)
            inner = gained - (total / np.maximum(n, 1))[of]
            within = max(float((inner**2).sum()) / max(1, len(inner) - 1) if len(inner) > 2 else variance, 1e-10)
            means[:, step], variances[:, step] = own, within + max(variance, within) / (n + 1)
            last_mean, last_variance, last_means = mean, variance, own
        return Gains(self._from_each_epoch(means), self._from_each_epoch(variances), spread, floor)

    def _from_each_epoch(self, steps: Floats) -> Floats:
        """Add up the steps that are left after each epoch, interpolated between rungs in the logarithm of the epoch."""
        left = np.cumsum(steps[:, ::-1], axis=1)[:, ::-1]  # (n_families, rungs + 1); 0 at the last epoch
        if not self.levels:
            return np.zeros((len(self.families), self.epochs + 1))
        at = np.log([*self.levels, self.epochs])
        epochs = np.log(np.maximum(np.arange(self.epochs + 1), 1))
        return np.stack([np.interp(epochs, at, own) for own in left])

    def _append(self, number: int, family: str) -> None:
        self._row[number] = len(self.numbers)
        self.numbers.append(number)
        self._family = np.append(self._family, self.families.index(family))
        self._epoch, self._best = np.append(self._epoch, 0), np.append(self._best, math.nan)
        self._at = np.append(self._at, np.full((1, len(self.levels) + 1), math.nan), axis=0)
        self._failed, self._whole = np.append(self._failed, False), np.append(self._whole, False)
        self._forget()

    def _forget(self) -> None:
        """Learn anew when the next forecast is made."""
        vars(self).pop("_gains", None)


def robust_spread(values: Floats) -> tuple[float, float]:
    """Return the spread of values, and the value below which they count as that one.

    A cross-entropy may explode in the first epoch. So the spread is the interquartile range over 1.35 (a normal sample's standard
    deviation), and the floor is three interquartile ranges below the first quartile (Tukey, 1977). Where half of the values are equal
    it is the standard deviation.
    """
    if len(values) < 2:
        return 0.0, -math.inf
    low, high = np.percentile(values, [25, 75])
    if high - low <= 0 or len(values) < AT_LEAST:
        return float(values.std(ddof=1)), -math.inf
    return float(high - low) / 1.35, float(low - 3 * (high - low))
