"""Which rows a sampler keeps when a study outgrows it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState


def thinned(rows: Sequence[FrozenTrial], directions: Sequence[StudyDirection]) -> list[FrozenTrial]:
    """Return three quarters of the rows: the best quarter, the newest quarter, and of those between every second.

    Thinned again and again, old rows that were not good become ever rarer, but never vanish at once.

    Args:
        rows: COMPLETE or PRUNED, by number.
    """
    quarter = len(rows) // 4
    best = {row.number for row in _ranked(rows, directions)[:quarter]}
    rest = [row for row in rows if row.number not in best]
    kept = best | {row.number for row in rest[-quarter:]} | {row.number for row in rest[:-quarter][::2]}
    return [row for row in rows if row.number in kept]


def _ranked(rows: Sequence[FrozenTrial], directions: Sequence[StudyDirection]) -> list[FrozenTrial]:
    """Return the rows best first: COMPLETE ones by how many dominate them, then PRUNED ones by how far they came."""
    complete = [row for row in rows if row.state == TrialState.COMPLETE]
    signs = np.array([1.0 if direction == StudyDirection.MAXIMIZE else -1.0 for direction in directions])
    scores = np.array([row.values for row in complete]).reshape(len(complete), len(signs)) * signs
    as_good = (scores[None] >= scores[:, None]).all(axis=2)
    better = (scores[None] > scores[:, None]).any(axis=2)
    n_better = (as_good & better).sum(axis=1)
    pruned = [row for row in rows if row.state == TrialState.PRUNED]
    furthest = sorted(pruned, key=lambda row: _came(row, signs[0]), reverse=True)
    return [complete[i] for i in np.argsort(n_better, kind="stable")] + furthest


def _came(row: FrozenTrial, sign: float) -> tuple[int, float]:
    step = max(row.intermediate_values, default=-1)
    value = sign * row.intermediate_values.get(step, 0.0)
    return step, value if value == value else -np.inf
