"""A race of the best trials over seeds, so that the choice survives its own noise.

One training's value is its config's quality plus the luck of a seed, and the best of many values is lucky for sure. So every racer gets one
training, the better half two more, the better quarter four more, and they are ranked by the mean over all their seeds: successive halving
(Jamieson & Talwalkar, 2016) whose resource is seeds. The search's own value, which chose the racers, is not counted. Validation only.

Or the resource is folds of the training split (`analysis.retraining.folds`): then search and race judge by different records.
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
        values: Validation macro AUC of each seed, or macro AUC on each fold.
        seeds: Trainings that it was given; more than there are values when some failed.
        folds: Of the training split; 0 for a race over seeds.
    """

    trial: int
    search_value: float | None
    values: tuple[float, ...]
    seeds: int
    family: str = ""
    folds: int = 0

    @property
    def mean(self) -> float:
        """Mean over the seeds; NaN when every training failed."""
        return statistics.fmean(self.values) if self.values else math.nan

    @property
    def interval(self) -> tuple[float, float] | None:
        """The mean's 95 % interval over seeds or folds (Student's t); None with fewer than two.

        Folds share most of the records they train on: their variance is corrected for that (Nadeau & Bengio, 2003).
        """
        n = len(self.values)
        if n < 2:
            return None
        share = 1 / n + (1 / (self.folds - 1) if self.folds else 0.0)  # records that validate, of those that train
        half = float(student.ppf((1 + CONFIDENCE) / 2, n - 1)) * statistics.stdev(self.values) * math.sqrt(share)
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
            "folds": self.folds,
        }


def plan_race(n_racers: int, folds: int = 0) -> list[tuple[int, int]]:
    """Return the rounds as (racers, seeds or folds of each at the end), e.g. of 8: (8, 1), (4, 3), (2, 7).

    Rounds of the same racers are one.

    Args:
        folds: That the finalists get; 0 for a race over seeds.
    """
    rounds = [(share, min(seeds, folds)) for share, seeds in ROUNDS[:-1]] + [(ROUNDS[-1][0], folds)] if folds else ROUNDS
    return list({-(-n_racers // share): seeds for share, seeds in rounds}.items())


def n_trainings(n_racers: int, folds: int = 0) -> int:
    """Count the trainings of a race."""
    plan = plan_race(n_racers, folds)
    before = [0, *(seeds for _, seeds in plan)]
    return sum(racers * (seeds - earlier) for (racers, seeds), earlier in zip(plan, before, strict=False))


def race(
    trials: Sequence[Trial],
    train: Callable[[Mapping[int, int]], Mapping[int, Sequence[float]]],
    *,
    metric: str = "macro_auc",
    folds: int = 0,
) -> list[Racer]:
    """Run a race.

    Args:
        trials: The racers.
        metric: Of the search; its values are shown beside the race's only where they are macro AUCs too.
        train: Is given trial → seeds or folds, trains what is missing, and returns trial → values; a failed training has none.
        folds: That the finalists get; 0 for a race over seeds.

    Returns:
        The racers: those of the last round first, by their means, then those that dropped out, the last ones first.
    """
    racing = [Racer(trial.number, trial.value if metric == "macro_auc" else None, (), 0, trial.family, folds) for trial in trials]
    out: list[Racer] = []
    for n_racers, seeds in plan_race(len(trials), folds):
        racing, dropped = racing[:n_racers], racing[n_racers:]
        out = [*dropped, *out]
        values = train({racer.trial: seeds for racer in racing})
        racing = [dataclasses.replace(one, values=tuple(values.get(one.trial, ())), seeds=seeds) for one in racing]
        racing.sort(key=lambda racer: -racer.mean if racer.values else math.inf)
    return [*racing, *out]
