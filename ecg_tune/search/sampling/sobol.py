"""Quasi-random search in a space with conditions."""

from __future__ import annotations

from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from ecg_tune.search.sampling.unit_interval import from_unit

N_DIMENSIONS = 128
"""More than any family has; a parameter beyond uses coordinates again."""


class Sobol(BaseSampler):
    """The scrambled Sobol sequence (Sobol, 1967; Owen, 1998): trial `number` is its point of that index.

    A trial uses the coordinates in the order in which it asks for its parameters. So the family takes the first one, all families
    share the next ones, and within each branch of the space the points are as evenly spread as in a space without conditions.
    It is not Optuna's `QMCSampler`, which samples at random what the first trial of the study did not have.

    Args:
        seed: Of the scrambling; the same for all trials of a study.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._point: list[float] | None = None

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution) -> Any:
        """Return the value at the next coordinate."""
        if self._point is None:
            self._point = _point(self.seed, trial.number)
        return from_unit(self._point[len(trial.params) % N_DIMENSIONS], param_distribution)


def _point(seed: int, index: int) -> list[float]:
    from scipy.stats import qmc  # a second to import, and only this sampler needs it

    engine = qmc.Sobol(N_DIMENSIONS, scramble=True, rng=seed)
    if index:
        engine.fast_forward(index)
    return [float(coordinate) for coordinate in engine.random(1)[0]]
