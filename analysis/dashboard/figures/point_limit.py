"""Draw fewer points where a figure would hold more than a reader can see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from analysis.dashboard.trials import RankedTrial

MOST_POINTS = 500
BEST_KEPT = 100


class DrawnTrials(NamedTuple):
    """The trials that a figure draws, by number.

    Attributes:
        message: How many of how many they are, and which; "" when all are drawn.
    """

    trials: tuple[RankedTrial, ...]
    message: str


def limit_trials(trials: Sequence[RankedTrial], most: int = MOST_POINTS) -> DrawnTrials:
    """Keep the best `BEST_KEPT` trials and as many of the others as fit, taken at equal distances by number.

    Args:
        most: All trials are kept when they are no more than this.
    """
    if len(trials) <= most:
        return DrawnTrials(tuple(trials), "")
    ranked = sorted(trials, key=lambda trial: (trial.best_value is None, -(trial.best_value or 0.0), trial.number))
    best, others = ranked[:BEST_KEPT], sorted(ranked[BEST_KEPT:], key=lambda trial: trial.number)
    room = most - BEST_KEPT
    sample = [others[index * len(others) // room] for index in range(room)]
    kept = tuple(sorted([*best, *sample], key=lambda trial: trial.number))
    share = f"every {len(others) / room:.3g}th of the others"
    return DrawnTrials(kept, f"Of {len(trials):,} trials {most} are drawn: the best {BEST_KEPT} and {share}.")
