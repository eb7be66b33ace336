"""Asynchronous successive halving (ASHA; Li et al., 2020) within each family, its state a function of the study.

A rung is an epoch at which a trial is compared with those of its own family that stood there before: families learn at
different speeds, and across them a slow but good one would always be cut. Compared is the best value so far. A trial that
ended by its own patience stands at all higher rungs with its best value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from optuna.trial import FrozenTrial

RungValues = dict[tuple[str, int], dict[int, float]]
"""(family, epoch of the rung) → {trial number: best value so far}."""


def rung_levels(grace: int, factor: int, max_epochs: int) -> tuple[int, ...]:
    """Return the rungs' epochs: grace, grace·factor, grace·factor², … below the last epoch."""
    levels = []
    while grace < max_epochs:
        levels.append(grace)
        grace *= factor
    return tuple(levels)


@dataclass(frozen=True)
class Asha:
    """The stopping rule.

    Attributes:
        factor: One in `factor` goes on.
        min_results: Results of the family that must stand at a rung before anything is cut there.
    """

    levels: tuple[int, ...]
    factor: int = 3
    min_results: int = 3

    def cuts(self, standing: Sequence[float], value: float) -> bool:
        """Return whether a trial with `value` stops, given the values that stood at the rung before it."""
        if len(standing) < self.min_results:
            return False
        return bool(value < np.percentile(standing, 100 * (1 - 1 / self.factor)))


@dataclass(frozen=True)
class NoStopping:
    """Every trial runs to its end."""

    levels: tuple[int, ...] = ()

    def cuts(self, standing: Sequence[float], value: float) -> bool:
        return False


@dataclass
class Rungs:
    """What stands at each rung. Filled from a study's rows, then kept up to date result by result.

    Attributes:
        best: Best value so far of each trial, by number.
    """

    levels: tuple[int, ...]
    values: RungValues = field(default_factory=dict)
    best: dict[int, float] = field(default_factory=dict)

    def enter(self, family: str, number: int, epoch: int, value: float) -> list[float] | None:
        """Record a result; at a rung met for the first time return the values that stood there before."""
        self.best[number] = max(value, self.best.get(number, value))
        if epoch not in self.levels:
            return None
        rung = self.values.setdefault((family, epoch), {})
        if number in rung:
            return None
        standing = list(rung.values())
        rung[number] = self.best[number]
        return standing

    def end(self, family: str, number: int, epoch: int) -> None:
        """Let a trial that ended by its own patience after `epoch` stand at the higher rungs."""
        for level in self.levels:
            if level > epoch:
                self.values.setdefault((family, level), {})[number] = self.best[number]


def rungs_of(trials: Iterable[FrozenTrial], levels: tuple[int, ...]) -> Rungs:
    """Return the rungs of a study's rows, from nothing but the study."""
    rungs = Rungs(levels)
    for trial in trials:
        family, values = str(trial.user_attrs.get("family", "")), _ordered(trial.intermediate_values)
        for epoch, value in values.items():
            rungs.enter(family, trial.number, epoch, value)
        if values and trial.user_attrs.get("ended_by") == "patience":
            rungs.end(family, trial.number, max(values))
    return rungs


def _ordered(values: Mapping[int, float]) -> dict[int, float]:
    return dict(sorted(values.items()))
