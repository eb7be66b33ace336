"""Which trials a sampler keeps when a study outgrows it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState


def thinned(trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]) -> list[FrozenTrial]:
    """Return three quarters of the trials: the best quarter, the newest quarter, and of those between every second.

    Thinned again and again, old trials that were not good become ever rarer, but never vanish at once.

    Args:
        trials: COMPLETE or PRUNED, by number.
    """
    quarter = len(trials) // 4
    best = {trial.number for trial in _ranked(trials, directions)[:quarter]}
    rest = [trial for trial in trials if trial.number not in best]
    kept = best | {trial.number for trial in rest[-quarter:]} | {trial.number for trial in rest[:-quarter][::2]}
    return [trial for trial in trials if trial.number in kept]


def _ranked(trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]) -> list[FrozenTrial]:
    """Return the trials best first: COMPLETE ones by how many dominate them, then PRUNED ones by how far they came."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    signs = np.array([1.0 if direction == StudyDirection.MAXIMIZE else -1.0 for direction in directions])
    scores = np.array([trial.values for trial in complete]).reshape(len(complete), len(signs)) * signs
    as_good = (scores[None] >= scores[:, None]).all(axis=2)
    better = (scores[None] > scores[:, None]).any(axis=2)
    n_better = (as_good & better).sum(axis=1)
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    furthest = sorted(pruned, key=lambda trial: _came(trial, signs[0]), reverse=True)
    return [complete[i] for i in np.argsort(n_better, kind="stable")] + furthest


def _came(trial: FrozenTrial, sign: float) -> tuple[int, float]:
    step = max(trial.intermediate_values, default=-1)
    value = sign * trial.intermediate_values.get(step, 0.0)
    return step, value if value == value else -np.inf
