"""Learning curves for a search in virtual time: resampled from an earlier study's trials, or assumed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ecg_tune.search.assignment import Assignment
from ecg_tune.search.preview.virtual_time import Curve
from ecg_tune.study.trial import Trial

Curves = Callable[[Assignment], Curve]

ASSUMED = (
    "final values spread by 0.05 around 0.80, approached at 0.3 to 1.5 an epoch, noise 0.01;\n"
    "the sampler finds nothing to learn in them, no trial ends by its own patience, none fails"
)
"""What `assumed_curves` does, in words. Spread, rates and noise are about those of 168 recorded trainings on real records."""


def assumed_curves(costs: Mapping[str, float], *, epochs: int, seed: int) -> Curves:
    """Return made-up curves.

    Args:
        costs: Family → seconds an epoch.
        epochs: That a trial may run.
    """
    rng = np.random.default_rng(seed)

    def curve(task: Assignment) -> Curve:
        final, rate = rng.normal(0.8, 0.05), math.exp(rng.uniform(math.log(0.3), math.log(1.5)))
        values = final - 0.2 * np.exp(-rate * np.arange(1, epochs + 1)) + rng.normal(0, 0.01, epochs)
        return [(float(value), costs[task.family]) for value in values]

    return curve


@dataclass(frozen=True)
class Course:
    """One trial of an earlier study.

    Attributes:
        whole: It ended by its own patience or failed: nothing would have come after.
        epoch_s: Mean seconds of its epochs.
    """

    values: tuple[float, ...]
    whole: bool
    epoch_s: float


def courses_of(trials: Iterable[Trial]) -> dict[str, list[Course]]:
    """Return the courses of a study's ended trials by family; a failed one ends with a value that is not finite."""
    courses: dict[str, list[Course]] = {}
    for trial in trials:
        if not trial.finished or not trial.intermediate or not trial.seconds:
            continue
        failed = [math.nan] if trial.ended_by == "failed" else []
        course = Course((*trial.intermediate.values(), *failed), trial.ended_by in ("patience", "failed"), trial.seconds / trial.epochs)
        courses.setdefault(trial.family, []).append(course)
    return courses


def resampled_curves(courses: Mapping[str, Sequence[Course]], *, epochs: int, seed: int) -> Curves:
    """Return curves that are resampled, with replacement, from an earlier study's trials of the same family.

    One that was stopped goes on with the steps of another that ran longer; where none did, it stays where it was.

    Args:
        courses: At least one for every family that may be sampled.
        epochs: That a trial may run.
    """
    rng = np.random.default_rng(seed)

    def curve(task: Assignment) -> Curve:
        family = courses[task.family]
        suggested = family[int(rng.integers(len(family)))]
        values, whole = list(suggested.values), suggested.whole
        while len(values) < epochs and not whole:
            longer = [course for course in family if len(course.values) > len(values)]
            if not longer:
                values += values[-1:] * (epochs - len(values))
                break
            other = longer[int(rng.integers(len(longer)))]
            lift = values[-1] - other.values[len(values) - 1]
            values, whole = values + [value + lift for value in other.values[len(values) :]], other.whole
        return [(value, suggested.epoch_s) for value in values[:epochs]]

    return curve
