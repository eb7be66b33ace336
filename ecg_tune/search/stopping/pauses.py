"""The trials that wait at rungs for their forecast, and the decisions about them. Under other schedulers none waits."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from ecg_tune.search.stopping.choice import Choice, Chooser
from ecg_tune.search.stopping.decision import INTERRUPTED, Decision
from ecg_tune.search.stopping.forecast import Forecasts
from ecg_tune.study.trial import Trial

MOST_WAITING = 100
"""Trials that may wait, each with a checkpoint; the least promising one is pruned when there are more."""


class PausedTrials:
    """Who waits follows from the study: an open trial that no worker has and whose last epoch is a rung.

    Args:
        cost: "epochs" or "seconds", see `Chooser`.

    Attributes:
        waiting: Their numbers.
        pausing: Numbers of those whose worker is about to be free.
    """

    def __init__(self, forecasts: Forecasts, *, pauses: bool, cost: str = "epochs") -> None:
        self.forecasts, self.pauses, self.cost = forecasts, pauses, cost
        self.waiting, self.pausing = list[int](), set[int]()

    def takes(self, trial: Trial) -> bool:
        """Return whether a trial without a worker waits, and let it."""
        waits = self.pauses and trial.last_epoch in self.forecasts.levels and self.forecasts.known(trial.number)
        self.pausing.discard(trial.number)
        if waits:
            self.waiting.append(trial.number)
        return waits

    def choose(self, running: Collection[int], may_add: Sequence[str], *, also: int | None = None) -> Choice | None:
        """Choose what a free worker does; None when nothing is worth its epochs any more.

        Args:
            running: Trials that a worker has.
            may_add: Families of which a trial may be added.
            also: A trial that has just reached a rung, as if it waited already.
        """
        waiting = self.waiting if also is None else [*self.waiting, also]
        chooser = Chooser(self.forecasts, waiting, [number for number in running if number != also], cost=self.cost)
        return chooser.choose(may_add) if may_add else chooser.choose_last()

    def reached(self, number: int, epoch: int, running: Collection[int], may_add: Sequence[str]) -> Decision | None:
        """Return why a trial waits at the epoch that it reached; None when it goes on at once."""
        if not self.pauses or epoch not in self.forecasts.levels:
            return None
        choice = self.choose(running, may_add, also=number)
        if choice is not None and choice.number == number:
            return None
        self.pausing.add(number)
        decision = self._decision(number, epoch, reason="" if choice is None else choice.reason)
        if choice is None or choice.number is None:
            return dataclasses.replace(decision, other_family="" if choice is None else choice.family)
        mean, sd = self.forecasts.of_trial(choice.number)
        return dataclasses.replace(decision, other=choice.number, other_family=choice.family, other_mean=mean, other_sd=sd)

    def resume(self, trial: Trial, reason: str) -> Decision:
        """Let a waiting trial resume, and say why."""
        self.waiting.remove(trial.number)
        return dataclasses.replace(self._decision(trial.number, trial.last_epoch, reason=reason), resumes=True)

    def interruption(self, trial: Trial) -> Decision:
        """Say that a trial waits since its worker was lost."""
        return self._decision(trial.number, trial.last_epoch, reason=INTERRUPTED)

    def surplus(self) -> int | None:
        """Return the least promising trial when more wait than may."""
        if len(self.waiting) <= MOST_WAITING:
            return None
        return Chooser(self.forecasts, self.waiting, (), cost=self.cost).least_promising()

    def _decision(self, number: int, epoch: int, *, reason: str) -> Decision:
        mean, sd = self.forecasts.of_trial(number)
        return Decision(epoch, False, self.forecasts.best_of(number), mean, sd, self.forecasts.best, reason)
