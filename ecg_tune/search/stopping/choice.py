"""What a free worker does: resume the waiting trial that promises most for what it still costs, or start a new one.

The rules are explained with an example in `docs/how-it-works/stopping.md`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg_tune.search.stopping.forecast import Forecasts
from ecg_tune.search.stopping.gains import Floats

Rows = NDArray[np.int64]

SHARE = 4
"""A family keeps at least 1/(SHARE · families) of the new trials, and of the epochs beyond the first rung."""
RECENT = 10
"""Newest trials of a family that say what its next one is worth."""
NEW_COST = 0.7
"""Epochs that a new trial is expected to cost, as a share of the last epoch: most are never trained to the end."""
AT_LEAST = 4
"""New trials before the first one resumes."""
QUOTA_FROM = 4
"""From this many full trainings on, `QUOTA` of a rung's trials resume before new ones are added."""
QUOTA = 1 / 2
"""Two thirds would spend as many epochs at each rung, but find the target later on most banks."""
WHOLE = 3
"""Whole trials that each family has in the end, so that retraining and the dashboard have some to compare."""
WORTHLESS = 0.02
"""A search that adds no more trials ends when no improvement above this share of the first rung's spread is expected."""


@dataclass(frozen=True)
class Choice:
    """What a free worker does next.

    Attributes:
        number: The trial that resumes; None for a new one.
        family: Of that trial; "" leaves the choice to the sampler.
        reason: "queue" (a config that was given), "default" (its family's default config), "first" (too few trials to forecast), "worth"
            (largest expected improvement for its cost), "share" (its family had less than its share), "quota" (too few of its rung have
            resumed), "best" (it has the best value) or "whole" (its family has few whole trials).
    """

    number: int | None
    family: str
    reason: str


class Chooser:
    """One decision, from the forecasts and from who waits and who runs.

    Args:
        waiting: Trials that pause at a rung.
        running: Trials that a worker has.
        cost: "epochs" or "seconds": what an expected improvement is paid with, and what families share.
    """

    def __init__(self, forecasts: Forecasts, waiting: Collection[int], running: Collection[int], *, cost: str = "epochs") -> None:
        self.forecasts, self.n_families = forecasts, len(forecasts.families)
        self.epoch_cost = forecasts.seconds_of_epoch() if cost == "seconds" else np.ones(len(forecasts.numbers))
        self.waiting, self.running = forecasts.rows(waiting), forecasts.rows(running)

    def choose(self, families: Sequence[str]) -> Choice:
        """Choose while trials may be added.

        Args:
            families: Those that may still be sampled.
        """
        forecasts = self.forecasts
        if (row := self._default()) is not None:
            return self._resume(row, "default")
        family, new_worth = self._newcomer([forecasts.families.index(name) for name in families])
        if not len(self.waiting) or len(forecasts.numbers) < AT_LEAST:
            return Choice(None, forecasts.families[family], "first")
        worths = self._worth(self.waiting)
        if new_worth >= worths.max():
            if forecasts.epoch.sum() >= QUOTA_FROM * forecasts.epochs and (row := self._owed()) is not None:
                return self._resume(row, "quota")
            return Choice(None, forecasts.families[family], "worth")
        if (row := self._of_short_family()) is not None:
            return self._resume(row, "share")
        return self._resume(self.waiting[worths.argmax()], "worth")

    def choose_last(self) -> Choice | None:
        """Choose where no trial may be added; None when nothing is worth its epochs any more."""
        forecasts, waiting = self.forecasts, self.waiting
        if not len(waiting):
            return None
        if (row := self._default()) is not None:
            return self._resume(row, "default")
        if (row := self._owed()) is not None:
            return self._resume(row, "quota")
        improvement = forecasts.improvement(*forecasts.forecast_rows(waiting))
        if improvement.max() > WORTHLESS * forecasts.spread:
            return self._resume(waiting[(improvement / self._cost_left(waiting)).argmax()], "worth")
        if len(leader := waiting[forecasts.best_value[waiting] >= forecasts.best]):
            return self._resume(leader[0], "best")
        for family in range(self.n_families):
            own = waiting[forecasts.family[waiting] == family]
            n_whole = (forecasts.whole & (forecasts.family == family)).sum() + (forecasts.family[self.running] == family).sum()
            if len(own) and n_whole < WHOLE:
                return self._resume(self._most_promising(own), "whole")
        return None

    def expected_gain(self, families: Sequence[str]) -> float:
        """Return the largest expected improvement of the best value, by a trial that waits or a new one; infinite while little is known.

        Args:
            families: Those that may still be sampled.
        """
        forecasts = self.forecasts
        if forecasts.counts.sum() < RECENT:
            return math.inf
        gains = [self._gain_of_new(forecasts.families.index(name)) for name in families]
        if len(self.waiting):
            gains.append(float(forecasts.improvement(*forecasts.forecast_rows(self.waiting)).max()))
        return max(gains, default=0.0)

    def least_promising(self) -> int:
        """Return the waiting trial of which the least is expected."""
        return self.forecasts.numbers[int(self.waiting[self._worth(self.waiting).argmin()])]

    def _newcomer(self, allowed: Sequence[int]) -> tuple[int, float]:
        """Return the family of the next new trial, and what that trial is worth for its cost."""
        forecasts = self.forecasts
        counts = np.bincount(forecasts.family, minlength=self.n_families)
        fewest = min(allowed, key=lambda family: counts[family])
        worths = {family: self._worth_of_new(family) for family in allowed}
        best = max(allowed, key=lambda family: worths[family])
        worth = worths[best]
        starved = counts[fewest] < len(forecasts.numbers) // (SHARE * self.n_families)
        return (fewest if worths[best] <= 0 or starved else best), worth

    def _worth_of_new(self, family: int) -> float:
        """Return what a family's next trial is expected to improve for its cost; infinite while none of the family is known."""
        own = self._newest(family)
        if not len(own):
            return 0.0 if (self.forecasts.family[self.running] == family).any() else math.inf
        return self._gain_of_new(family) / (NEW_COST * self.forecasts.epochs * float(self.epoch_cost[own].mean()))

    def _gain_of_new(self, family: int) -> float:
        """Return the mean expected improvement of trials like a family's newest ones; infinite without any."""
        own = self._newest(family)
        return float(self.forecasts.improvement(*self.forecasts.forecast_like(own)).mean()) if len(own) else math.inf

    def _newest(self, family: int) -> Rows:
        forecasts = self.forecasts
        return np.flatnonzero((forecasts.family == family) & forecasts.counts & ~np.isnan(forecasts.value_at[:, 0]))[-RECENT:]

    def _of_short_family(self) -> int | None:
        """Return the most promising waiting trial of a family that had less than its share of the cost beyond the first rung."""
        forecasts = self.forecasts
        paid = np.maximum(forecasts.epoch - forecasts.levels[0], 0) * self.epoch_cost
        beyond = np.bincount(forecasts.family, paid, self.n_families)
        for family in np.argsort(beyond, kind="stable"):
            if beyond[family] >= beyond.sum() / (SHARE * self.n_families):
                return None
            own = self.waiting[forecasts.family[self.waiting] == family]
            busy = self.running[forecasts.family[self.running] == family]
            if len(own) and not (forecasts.epoch[busy] > 0).any():
                return self._most_promising(own)
        return None

    def _default(self) -> int | None:
        """Return a family's default config that waits: it is what all others are compared with, and shows how its family's curves go on."""
        own = self.waiting[self.forecasts.default[self.waiting]]
        return int(own[0]) if len(own) else None

    def _owed(self) -> int | None:
        """Return the most promising trial of the lowest rung from which fewer than `QUOTA` of the trials resumed."""
        forecasts = self.forecasts
        runs = np.zeros(len(forecasts.numbers), np.bool_)
        runs[self.running] = True
        for level in forecasts.levels:
            reached = forecasts.counts & (forecasts.epoch >= level)
            resumed = reached & ((forecasts.epoch > level) | runs | forecasts.whole)
            here = self.waiting[forecasts.epoch[self.waiting] == level]
            if len(here) and resumed.sum() < int(QUOTA * reached.sum()):
                return self._most_promising(here)
        return None

    def _most_promising(self, rows: Rows) -> int:
        return int(rows[self.forecasts.forecast_rows(rows)[0].argmax()])

    def _worth(self, rows: Rows) -> Floats:
        """Return the expected improvement of waiting trials for each epoch, or second, that they still cost."""
        return self.forecasts.improvement(*self.forecasts.forecast_rows(rows)) / self._cost_left(rows)

    def _cost_left(self, rows: Rows) -> Floats:
        return np.asarray((self.forecasts.epochs - self.forecasts.epoch[rows]) * self.epoch_cost[rows])

    def _resume(self, row: int, reason: str) -> Choice:
        return Choice(self.forecasts.numbers[int(row)], self.forecasts.families[self.forecasts.family[row]], reason)
