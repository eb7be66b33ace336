"""A race of the best trials over seeds, so that the choice survives its own noise.

One training's value is its config's quality plus the luck of a seed, and the best of many values is lucky for sure. So every racer gets one
training, the better half two more, the better quarter four more, and they are ranked by the mean over all their seeds: successive halving
(Jamieson & Talwalkar, 2016) whose resource is seeds. The search's own value, which chose the racers, is not counted. Validation only.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import t as student

from ecg_tune.study.trial import Trial

ROUNDS = ((1, 1), (2, 3), (4, 7))
"""Each round: the best 1/N of the racers go on, and seeds that each of them has at its end."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Racer:
    """A trial in the race.

    Attributes:
        values: Validation macro AUC of each seed.
        seeds: Trainings that it was given; more than there are values when some failed.
    """

    trial: int
    search_value: float | None
    values: tuple[float, ...]
    seeds: int
    family: str = ""

    @property
    def mean(self) -> float:
        """Mean over the seeds; NaN when every training failed."""
        return statistics.fmean(self.values) if self.values else math.nan

    @property
    def interval(self) -> tuple[float, float] | None:
        """The mean's 95 % interval over seeds (Student's t); None with fewer than two."""
        n = len(self.values)
        if n < 2:
            return None
        half = float(student.ppf((1 + CONFIDENCE) / 2, n - 1)) * statistics.stdev(self.values) / math.sqrt(n)
        return self.mean - half, self.mean + half

    def as_row(self) -> dict[str, Any]:
        """Flatten for the file that keeps it, see `ecg_tune.study.race_result`."""
        return {
            "trial": self.trial,
            "search_value": self.search_value,
            "seeds": len(self.values),
            "validation_macro_auc_mean": self.mean if self.values else None,
            "interval": self.interval,
            "family": self.family,
            "values": self.values,
        }


def plan_race(n_racers: int) -> list[tuple[int, int]]:
    """Return the rounds as (racers, seeds of each at the end), e.g. of 8: (8, 1), (4, 3), (2, 7). Rounds of the same racers are one."""
    return list({-(-n_racers // share): seeds for share, seeds in ROUNDS}.items())


def n_trainings(n_racers: int) -> int:
    """Count the trainings of a race."""
    plan = plan_race(n_racers)
    before = [0, *(seeds for _, seeds in plan)]
    return sum(racers * (seeds - earlier) for (racers, seeds), earlier in zip(plan, before, strict=False))


def race(
    trials: Sequence[Trial], train: Callable[[Mapping[int, int]], Mapping[int, Sequence[float]]], *, metric: str = "macro_auc"
) -> list[Racer]:
    """Run a race.

    Args:
        trials: The racers.
        metric: Of the search; its values are shown beside the race's only where they are macro AUCs too.
        train: Is given trial → seeds, trains what is missing, and returns trial → validation values; a failed training has none.

    Returns:
        The racers: those of the last round first, by their means, then those that dropped out, the last ones first.
    """
    racing = [Racer(trial.number, trial.value if metric == "macro_auc" else None, (), 0, trial.family) for trial in trials]
    out: list[Racer] = []
    for n_racers, seeds in plan_race(len(trials)):
        racing, dropped = racing[:n_racers], racing[n_racers:]
        out = [*dropped, *out]
        values = train({racer.trial: seeds for racer in racing})
        racing = [dataclasses.replace(one, values=tuple(values.get(one.trial, ())), seeds=seeds) for one in racing]
        racing.sort(key=lambda racer: -racer.mean if racer.values else math.inf)
    return [*racing, *out]
