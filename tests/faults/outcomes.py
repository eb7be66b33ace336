"""What a case came to, and the table of all cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """One case.

    Attributes:
        hit: Trials that were running on what was killed.
        repeated: For each of them, epochs trained again; one that was cut off in the middle counts as one.
        lost: Trials missing, and rows that had ended and changed.
    """

    kind: str
    hit: int
    repeated: tuple[int, ...]
    lost: int


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the lines of a table, one row a kind of fault."""
    lines = [f"{'kind of fault':<14} | times | trials hit | epochs repeated (most in a trial) | lost"]
    for kind in dict.fromkeys(outcome.kind for outcome in outcomes):
        cases = [outcome for outcome in outcomes if outcome.kind == kind]
        repeated = [n for case in cases for n in case.repeated]
        shown = f"{sum(repeated)} ({max(repeated, default=0)})"
        lines.append(f"{kind:<14} | {len(cases):5} | {sum(c.hit for c in cases):10} | {shown:>33} | {sum(c.lost for c in cases):4}")
    return lines
