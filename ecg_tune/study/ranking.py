"""Which trials of a study are the best: by the metric, or by several objectives at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

from ecg_tune.study.trial import Trial

AnyTrial = TypeVar("AnyTrial", bound=Trial)


def best_of(trials: Iterable[AnyTrial]) -> list[AnyTrial]:
    """Return the COMPLETE trials, highest value of the metric first, ties by number."""
    complete = [trial for trial in trials if trial.state == "COMPLETE"]
    return sorted(complete, key=lambda trial: (-trial.values[0], trial.number))


def pareto_front(trials: Iterable[AnyTrial], directions: Sequence[str]) -> list[AnyTrial]:
    """Return the COMPLETE trials that no other one dominates, highest value of the metric first.

    Args:
        directions: "maximize" or "minimize", one an objective.
    """
    complete = best_of(trials)
    signs = np.array([1.0 if direction == "maximize" else -1.0 for direction in directions])
    scores = np.array([trial.values for trial in complete]).reshape(len(complete), len(signs)) * signs
    dominated = [bool(((scores >= own).all(axis=1) & (scores > own).any(axis=1)).any()) for own in scores]
    return [trial for trial, worse in zip(complete, dominated, strict=True) if not worse]
