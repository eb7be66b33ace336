"""Rungs: the epochs at which a trial is compared with the others of its family, and what stands there.

Compared is within one family: families learn at different speeds, and across them a slow but good one would always be cut.
The rungs are a function of the study's rows (family, number, values by epoch, `ended_by`) and the rule, so no restart
forgets them. A NaN never gets here: the trainable reports it as a failure, and the book fails the row without a value.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Rule:
    """When a trial is cut. The four rules of `ecg_tune.search.stopping.schedulers` are four fillings of it.

    Attributes:
        brackets: The rungs of each bracket, ascending epochs below the last one.
        shares: Of how many trials each bracket gets how many.
        quantile: A trial is cut if its best value is below this quantile (0..1) of what stands at the rung.
        min_results: Other trials that must stand at the rung before anything is cut there.
        averages: What stands is the mean of the values since the first rung, not the best value so far.
        marks: The rungs worth showing to a person.
    """

    brackets: tuple[tuple[int, ...], ...] = ((),)
    shares: tuple[int, ...] = (1,)
    quantile: float = 0.0
    min_results: int = 1
    averages: bool = False
    marks: tuple[int, ...] = ()

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

    def cuts(self, standing: Sequence[float], value: float) -> bool:
        """Return whether a trial whose best value is `value` stops, given what stands at the rung."""
        if len(standing) < max(self.min_results, 1):
            return False
        return bool(value < np.percentile(standing, 100 * self.quantile))


@dataclass
class Rungs:
    """What stands at each rung. Filled from a study's rows, then kept up to date result by result.

    Attributes:
        values: (family, epoch of the rung) → {trial number: what stands there}; several brackets share a dictionary.
        best: Best value so far of each trial, by number.
    """

    rule: Rule
    values: dict[tuple[str, int], dict[int, float]] = field(default_factory=dict)
    best: dict[int, float] = field(default_factory=dict)
    _sums: dict[int, tuple[float, int]] = field(default_factory=dict)

    def enter(self, family: str, number: int, epoch: int, value: float) -> bool:
        """Record an epoch's result, in order of epochs, and return whether the trial is cut there."""
        self.record(family, number, epoch, value)
        return self.judge(family, number, epoch)

    def record(self, family: str, number: int, epoch: int, value: float) -> None:
        """Record an epoch's result without asking: a rebuilt study was judged long ago."""
        assert math.isfinite(value), "the book fails such trials"
        self.best[number] = max(value, self.best.get(number, value))
        levels = self._levels(number)
        if self.rule.averages and levels and epoch >= levels[0]:
            total, count = self._sums.get(number, (0.0, 0))
            self._sums[number] = (total + value, count + 1)
        if epoch in levels:
            self.values.setdefault((family, epoch), {})[number] = self._stands(number)

    def judge(self, family: str, number: int, epoch: int) -> bool:
        """Return whether a trial is cut at the epoch it stands at now. Changes nothing."""
        rung = self.values.get((family, epoch), {})
        if number not in rung:
            return False
        bracket = self.rule.bracket(number)
        others = [value for other, value in rung.items() if other != number and self.rule.bracket(other) == bracket]
        return self.rule.cuts(others, self.best[number])

    def end(self, family: str, number: int, epoch: int) -> None:
        """Let a trial that ended by its own patience after `epoch` stand at its higher rungs with its best value."""
        for level in self._levels(number):
            if level > epoch:
                self.values.setdefault((family, level), {})[number] = self.best[number]

    @property
    def standing(self) -> dict[str, dict[int, int]]:
        """How many trials of each family stand at each rung worth showing: family → {epoch: count}, both ascending."""
        counts: dict[str, dict[int, int]] = {}
        for (family, epoch), rung in sorted(self.values.items()):
            if epoch in self.rule.marks:
                counts.setdefault(family, {})[epoch] = len(rung)
        return counts

    def _levels(self, number: int) -> tuple[int, ...]:
        return self.rule.brackets[self.rule.bracket(number)]

    def _stands(self, number: int) -> float:
        if not self.rule.averages:
            return self.best[number]
        total, count = self._sums[number]
        return total / count


def rungs_of(rows: Iterable[FrozenTrial], rule: Rule) -> Rungs:
    """Return the rungs of a study's rows, from nothing but the study."""
    rungs = Rungs(rule)
    for row in rows:
        family, values = str(row.user_attrs.get("family", "")), dict(sorted(row.intermediate_values.items()))
        for epoch, value in values.items():
            rungs.record(family, row.number, epoch, value)
        if values and row.user_attrs.get("ended_by") == "patience":
            rungs.end(family, row.number, max(values))
    return rungs
