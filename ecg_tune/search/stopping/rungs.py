"""Rungs: the epochs at which a trial is compared with the others of its family, and the values that trials reached there with.

Compared is within one family: families learn at different speeds, and across them a slow but good one would always be pruned.
The rungs are a function of the study's trials (family, number, values by epoch, `ended_by`) and the rule, so no restart
forgets them. A NaN never gets here: the trainable reports it as a failure, and the engine fails the trial without a value.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from ecg_tune.study.trial import Trial


@dataclass(frozen=True)
class Rule:
    """When a trial is pruned. The four rules of `ecg_tune.search.stopping.schedulers` are four fillings of it.

    Attributes:
        brackets: The rungs of each bracket, ascending epochs below the last one.
        shares: Of how many trials each bracket gets how many.
        quantile: A trial is pruned if its best value is below this quantile (0..1) of the values at the rung.
        min_results: Other trials that must have reached the rung before any is pruned there.
        averages: A trial's value at a rung is its mean since the first rung, not the best value so far.
        marks: The rungs worth showing to a person.
        pauses: No trial is pruned at a rung; each waits there until its forecast is the best (`ecg_tune.search.stopping.forecast`).
    """

    brackets: tuple[tuple[int, ...], ...] = ((),)
    shares: tuple[int, ...] = (1,)
    quantile: float = 0.0
    min_results: int = 1
    averages: bool = False
    marks: tuple[int, ...] = ()
    pauses: bool = False

    @property
    def levels(self) -> tuple[int, ...]:
        """Every epoch at which some trial is compared."""
        return self.brackets[0]

    def bracket(self, number: int) -> int:
        """Return a trial's bracket: a hash of its number, so that restarts and families that come in turn change nothing."""
        if len(self.brackets) == 1:
            return 0
        place = zlib.crc32(str(number).encode()) % sum(self.shares)
        return next(bracket for bracket, end in enumerate(accumulate(self.shares)) if place < end)

    def prunes(self, others: Sequence[float], value: float) -> bool:
        """Return whether a trial whose best value is `value` stops, given the values of the others at the rung."""
        if self.pauses or len(others) < max(self.min_results, 1):
            return False
        return bool(value < np.percentile(others, 100 * self.quantile))


@dataclass
class Rungs:
    """The value of each trial at each rung. Filled from a study's trials, then kept up to date result by result.

    Attributes:
        values: (family, epoch of the rung) → {trial number: its value there}; several brackets share a dictionary.
        best: Best value so far of each trial, by number.
    """

    rule: Rule
    values: dict[tuple[str, int], dict[int, float]] = field(default_factory=dict)
    best: dict[int, float] = field(default_factory=dict)
    _sums: dict[int, tuple[float, int]] = field(default_factory=dict)

    def enter(self, family: str, number: int, epoch: int, value: float) -> bool:
        """Record an epoch's result, in order of epochs, and return whether the trial is pruned there."""
        self.record(family, number, epoch, value)
        return self.judge(family, number, epoch)

    def record(self, family: str, number: int, epoch: int, value: float) -> None:
        """Record an epoch's result without asking: a rebuilt study was judged long ago."""
        assert math.isfinite(value), "the engine fails such trials"
        self.best[number] = max(value, self.best.get(number, value))
        levels = self._levels(number)
        if self.rule.averages and levels and epoch >= levels[0]:
            total, count = self._sums.get(number, (0.0, 0))
            self._sums[number] = (total + value, count + 1)
        if epoch in levels:
            self.values.setdefault((family, epoch), {})[number] = self._value_at(number)

    def record_curve(self, family: str, number: int, values: Mapping[int, float]) -> None:
        """Record all results of a trial that is new, as `record` does one by one.

        Args:
            values: Epoch → value, in order of epochs.
        """
        if self.rule.averages or number in self.best:
            for epoch, value in values.items():
                self.record(family, number, epoch, value)
            return
        levels = self._levels(number)
        for epoch, best in zip(values, accumulate(values.values(), max), strict=True):
            self.best[number] = best
            if epoch in levels:
                self.values.setdefault((family, epoch), {})[number] = best

    def judge(self, family: str, number: int, epoch: int) -> bool:
        """Return whether a trial is pruned at the epoch that it has reached. Changes nothing."""
        rung = self.values.get((family, epoch), {})
        if number not in rung:
            return False
        bracket = self.rule.bracket(number)
        others = [value for other, value in rung.items() if other != number and self.rule.bracket(other) == bracket]
        return self.rule.prunes(others, self.best[number])

    def end(self, family: str, number: int, epoch: int) -> None:
        """Let a trial that ended by its own patience after `epoch` count at its higher rungs with its best value."""
        for level in self._levels(number):
            if level > epoch:
                self.values.setdefault((family, level), {})[number] = self.best[number]

    @property
    def counts(self) -> dict[str, dict[int, int]]:
        """How many trials of each family reached each rung worth showing: family → {epoch: count}, both ascending."""
        counts: dict[str, dict[int, int]] = {}
        for (family, epoch), rung in sorted(self.values.items()):
            if epoch in self.rule.marks:
                counts.setdefault(family, {})[epoch] = len(rung)
        return counts

    def _levels(self, number: int) -> tuple[int, ...]:
        return self.rule.brackets[self.rule.bracket(number)]

    def _value_at(self, number: int) -> float:
        if not self.rule.averages:
            return self.best[number]
        total, count = self._sums[number]
        return total / count


def rungs_of(trials: Iterable[Trial], rule: Rule) -> Rungs:
    """Rebuild the rungs from a study's trials."""
    rungs = Rungs(rule)
    for trial in trials:
        rungs.record_curve(trial.family, trial.number, trial.intermediate)
        if trial.intermediate and trial.ended_by == "patience":
            rungs.end(trial.family, trial.number, trial.last_epoch)
    return rungs
