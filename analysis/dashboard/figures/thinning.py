"""Fewer points where a figure would hold more than anybody can see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from analysis.dashboard.frames import TrialRow

MOST_POINTS = 500
BEST_KEPT = 100


class Thinned(NamedTuple):
    """What is left of some trials, by number, and the sentence that says so; "" when nothing is left out."""

    trials: tuple[TrialRow, ...]
    message: str


def thinned(trials: Sequence[TrialRow], most: int = MOST_POINTS) -> Thinned:
    """Return the trials if they are at most `most`, else the best `BEST_KEPT` and of the others every so manieth."""
    if len(trials) <= most:
        return Thinned(tuple(trials), "")
    ranked = sorted(trials, key=lambda trial: (trial.reached is None, -(trial.reached or 0.0), trial.number))
    best, others = ranked[:BEST_KEPT], sorted(ranked[BEST_KEPT:], key=lambda trial: trial.number)
    room = most - BEST_KEPT
    spread = [others[place * len(others) // room] for place in range(room)]
    kept = tuple(sorted([*best, *spread], key=lambda trial: trial.number))
    return Thinned(
        kept, f"Of {len(trials):,} trials {most} are drawn: the best {BEST_KEPT}, and of the others every {len(others) / room:.3g}th."
    )
