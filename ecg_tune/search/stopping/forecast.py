"""Forecasts: what each trial would be worth at the last epoch.

Freeze-thaw optimisation (Swersky, Snoek & Adams, 2014) in its simplest form. Trials pause at rungs. A forecast is a trial's best
value so far plus what trials of its family gained from there to the end; the expected improvement of it over the best value of
the search, per epoch still to pay, decides. It is asynchronous successive halving (Li et al., 2020) whose promotions are decided
by forecasts instead of ranks.

All of it is a function of the study's trials (family, number, values by epoch, how they ended), so no restart forgets it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ecg_tune.search.stopping.gains import Floats, Gains, learn_gains
from ecg_tune.study.trial import Trial

erf = np.vectorize(math.erf, otypes=[np.float64])
"""Elementwise; `scipy.special` would take every driver a second to import, and at most some hundred values are asked for."""

NARROW = 0.6
"""The spread of a forecast is this share of the spread of gains: forecasts of one family err together."""


def rung_levels(grace: int, epochs: int) -> tuple[int, ...]:
    """Return the rungs' epochs: grace, then half as many more each time (1, 2, 3, 4, 6, 9, 13, 19, …), below the last epoch."""
    levels = []
    while grace < epochs:
        levels.append(grace)
        grace = max(grace + 1, int(grace * 1.5))
    return tuple(levels)


class Forecasts:
    """The learning curves of a study, and the forecasts that follow from them.

    Args:
        levels: The rungs' epochs, ascending.
        epochs: The last epoch.
        families: All families of the search.

    Attributes:
        numbers: Numbers of the trials, one a row of the arrays below, in the order in which they were added.
        kinds: Family and learning-rate schedule of the trials that there are: curves of one kind rise alike, since a rate that
            falls late gives its gain late.
        family, epoch, best_value: (n_trials,) index of the family, last epoch, best value so far (NaN before the first).
        kind: (n_trials,) index of the trial's kind.
        default: (n_trials,) whether it is its family's default config.
        value_at: (n_trials, rungs + 1) best value by each rung and by the last epoch; NaN where a trial did not get there.
        seconds: (n_trials,) training seconds of an epoch, its mean so far; NaN before the first.
        failed, whole: (n_trials,) whether it failed, and whether it is COMPLETE.
    """

    def __init__(self, levels: Sequence[int], epochs: int, families: Sequence[str]) -> None:
        self.levels, self.epochs, self.families = tuple(levels), epochs, tuple(families)
        self.numbers: list[int] = []
        self._row: dict[int, int] = {}
        self.kinds: list[tuple[str, str]] = []
        self.family, self.kind = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self.epoch = np.zeros(0, np.int64)
        self.best_value, self.seconds = np.zeros(0), np.zeros(0)
        self.value_at = np.zeros((0, len(self.levels) + 1))
        self.failed, self.whole, self.default = np.zeros(0, np.bool_), np.zeros(0, np.bool_), np.zeros(0, np.bool_)

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
            self._append(trial)
        epoch_s = (trial.seconds or math.nan) / max(trial.epochs_trained or trial.last_epoch, 1)
        self._report_curve(self._row[trial.number], trial.intermediate, epoch_s)
        if trial.finished:
            self.end(trial)

    def report(self, number: int, epoch: int, value: float, seconds: float | None = None) -> None:
        """Take in an epoch's value and the trial's seconds so far, in order of epochs."""
        row = self._row.get(number)
        if row is None or epoch <= self.epoch[row] or epoch > self.epochs:
            return
        self.best_value[row] = value if self.epoch[row] == 0 else max(value, self.best_value[row])
        self.epoch[row], self.seconds[row] = epoch, (seconds or math.nan) / epoch
        reached = np.searchsorted(self.levels, epoch, side="right")
        missing = np.isnan(self.value_at[row, :reached])
        self.value_at[row, :reached][missing] = self.best_value[row]
        if epoch == self.epochs:
            self.value_at[row, -1] = self.best_value[row]
        self._forget()

    def _report_curve(self, row: int, values: Mapping[int, float], epoch_s: float) -> None:
        """Do what `report` does for each epoch of a trial, a study's 100,000 values in a tenth of the time.

        Args:
            row: The trial's.
            values: Epoch → value, in order of epochs.
            epoch_s: Mean seconds of an epoch.
        """
        epoch, best, at = int(self.epoch[row]), float(self.best_value[row]), self.value_at[row].tolist()
        place = 0
        for new, value in values.items():
            if not epoch < new <= self.epochs:
                continue
            best = value if epoch == 0 else max(value, best)
            epoch = new
            while place < len(self.levels) and self.levels[place] <= epoch:
                at[place] = best if math.isnan(at[place]) else at[place]
                place += 1
            if epoch == self.epochs:
                at[-1] = best
        if epoch > self.epoch[row]:
            self.seconds[row] = (epoch * epoch_s or math.nan) / epoch
            self.epoch[row], self.best_value[row], self.value_at[row] = epoch, best, at
            self._forget()

    def end(self, trial: Trial) -> None:
        """Take in how a trial ended. One that stopped by its own patience keeps its best value at all later epochs."""
        row = self._row.get(trial.number)
        if row is None:
            return
        self.failed[row] = trial.state == "FAIL"
        self.whole[row] = trial.state == "COMPLETE" and self.epoch[row] > 0
        if self.whole[row]:
            missing = np.isnan(self.value_at[row])
            self.value_at[row][missing] = self.best_value[row]
        self._forget()

    def forecast(self, numbers: Sequence[int]) -> tuple[Floats, Floats]:
        """Forecast the best value at the last epoch.

        Args:
            numbers: Trials with at least one value.

        Returns:
            Mean and standard deviation of each; a whole trial has its own value and 0.
        """
        return self.forecast_rows(np.array([self._row[number] for number in numbers], np.int64))

    def of_trial(self, number: int) -> tuple[float, float]:
        """Forecast one trial that has a value: mean and standard deviation."""
        (mean,), (sd,) = self.forecast([number])
        return float(mean), float(sd)

    def best_of(self, number: int) -> float:
        """Return a trial's best value so far."""
        return float(self.best_value[self._row[number]])

    def known(self, number: int) -> bool:
        """Return whether a trial has a value that counts."""
        row = self._row.get(number)
        return row is not None and bool(self.epoch[row] > 0 and not self.failed[row])

    def rows(self, numbers: Iterable[int]) -> NDArray[np.int64]:
        """Look up the rows of trials in the arrays, ascending; those of other families have none."""
        return np.array(sorted(self._row[number] for number in numbers if number in self._row), np.int64)

    @property
    def spread(self) -> float:
        """Spread of the values at the first rung."""
        return self._gains.spread

    @property
    def best(self) -> float:
        """Best value of any trial; -inf before the first."""
        return float(self.best_value[self.counts].max(initial=-math.inf))

    def improvement(self, mean: Floats, sd: Floats) -> Floats:
        """Return the expected improvement over the best value so far (Jones, Schonlau & Welch, 1998)."""
        above, safe = mean - self.best, np.maximum(sd, 1e-9)
        u = above / safe
        return np.asarray(np.maximum(above * 0.5 * (1 + erf(u / math.sqrt(2))) + safe * np.exp(-0.5 * u * u) / math.sqrt(2 * math.pi), 0.0))

    def forecast_rows(self, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Do what `forecast` does for rows of the arrays."""
        gains, kind, epoch, whole = self._gains, self.kind[rows], self.epoch[rows], self.whole[rows]
        value = np.maximum(self.best_value[rows], gains.floor)
        mean = np.where(whole, value, np.maximum(value, gains.kept[epoch] * value + gains.mean[kind, epoch]))
        return mean, np.where(whole, 0.0, NARROW * np.sqrt(gains.variance[kind, epoch]))

    def forecast_like(self, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Forecast new trials that are like those of some rows: what is known of these by now, with the spread of a first rung.

        Forecasts from the first rung alone would forget what became of them: a family of which two of three trials had begun at chance, and
        gained 0.4, let the third hope for as much, above 1, though it was complete at 0.92.
        """
        start = self.levels[0] if self.levels else self.epochs
        return self.forecast_rows(rows)[0], NARROW * np.sqrt(self._gains.variance[self.kind[rows], start])

    def seconds_of_epoch(self) -> Floats:
        """Forecast the seconds of each trial's next epoch: its own mean, before its first one its family's, else that of all; else 1."""
        known = np.isfinite(self.seconds)
        everyone = float(self.seconds[known].mean()) if known.any() else 1.0
        n = np.bincount(self.family[known], minlength=len(self.families))
        totals = np.bincount(self.family[known], self.seconds[known], len(self.families))
        of_family = np.where(n > 0, totals / np.maximum(n, 1), everyone)
        return np.maximum(np.where(known, self.seconds, of_family[self.family]), 1e-9)

    @property
    def counts(self) -> NDArray[np.bool_]:
        """Which trials have a value and did not fail."""
        return (self.epoch > 0) & ~self.failed

    @cached_property
    def _gains(self) -> Gains:
        counts = self.counts
        return learn_gains(self.value_at[counts], self.kind[counts], max(len(self.kinds), 1), self.levels, self.epochs)

    def _append(self, trial: Trial) -> None:
        self._row[trial.number] = len(self.numbers)
        self.numbers.append(trial.number)
        kind = (trial.family, str(trial.config.get("training", {}).get("schedule", "")))
        if kind not in self.kinds:
            self.kinds.append(kind)
        self.family = np.append(self.family, self.families.index(trial.family))
        self.kind, self.default = np.append(self.kind, self.kinds.index(kind)), np.append(self.default, trial.is_default)
        self.epoch, self.best_value = np.append(self.epoch, 0), np.append(self.best_value, math.nan)
        self.seconds = np.append(self.seconds, math.nan)
        self.value_at = np.append(self.value_at, np.full((1, len(self.levels) + 1), math.nan), axis=0)
        self.failed, self.whole = np.append(self.failed, False), np.append(self.whole, False)
        self._forget()

    def _forget(self) -> None:
        """Learn anew when the next forecast is made."""
        vars(self).pop("_gains", None)
