"""Two evolution strategies whose state is a function of the trials: nothing is kept between trials, nothing is pickled.

Both model what every trial they see has in common and give the rest (conditional parameters; for CMA-ES also categoricals) to
an independent sampler.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIISampler
from optuna.samplers.nsgaii import BLXAlphaCrossover
from optuna.search_space import intersection_search_space
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ecg_tune.search.sampling.unit_interval import from_unit, to_unit

if TYPE_CHECKING:
    from cmaes import CMA  # type: ignore[import-untyped]

SIGMA = 1 / 6
"""Width of the first generation, in units of a parameter's range; Optuna's own choice."""
CONVERGED = 1e-3
"""A generation within this share of every parameter's range has nothing left to find there."""
POPULATION = 8
"""Of the genetic algorithm. Optuna's 50 would leave a family of a usual study in its first, random generation."""


def finished_trials(study: Study) -> list[FrozenTrial]:
    """Return the trials to learn from, by number."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


class CmaEs(BaseSampler):
    """Covariance matrix adaptation (Hansen & Ostermeier, 2001) on the numeric parameters that all trials have.

    The first trials, as many as a generation has, are sampled by the independent sampler; the best of them is where it starts. The
    optimizer is rebuilt for every trial: the later trials, in order of number, are told to it generation by generation, also those
    that it did not propose itself. A run that has converged starts again at a random place.

    Optuna's `CmaEsSampler` keeps its optimizer as a pickle in the trials' attributes, and a study's file must never be unpickled.

    Args:
        independent: Samples the first trials, categoricals and conditional parameters.
    """

    def __init__(self, seed: int, *, independent: BaseSampler) -> None:
        self.seed, self.independent = seed, independent

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        space = intersection_search_space(finished_trials(study))
        return {name: d for name, d in space.items() if not isinstance(d, CategoricalDistribution) and not d.single()}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        trials = finished_trials(study)
        if not search_space or len(trials) < _generation_size(len(search_space)):
            return {}
        sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
        told = [
            (np.array([to_unit(trial.params[name], d) for name, d in search_space.items()]), sign * float(trial.value or 0.0))
            for trial in trials
        ]
        place = _optimizer(told, self.seed).ask()
        return {name: from_unit(float(unit), d) for (name, d), unit in zip(search_space.items(), place, strict=True)}

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution) -> Any:
        return self.independent.sample_independent(study, trial, param_name, param_distribution)


def _optimizer(told: list[tuple[np.ndarray, float]], seed: int) -> CMA:
    """Return the optimizer after all complete generations of `told`: places in the unit cube with values to be minimised."""
    size = _generation_size(len(told[0][0]))
    optimizer = _started(min(told[:size], key=lambda pair: pair[1])[0], seed)
    for start in range(size, len(told) - size + 1, size):
        generation = told[start : start + size]
        optimizer.tell(list(generation))
        if np.ptp([place for place, _ in generation], axis=0).max() < CONVERGED:
            optimizer = _started(np.random.default_rng(start).random(optimizer.dim), seed)
    return optimizer


def _started(mean: np.ndarray, seed: int) -> CMA:
    from cmaes import CMA  # half a second to import, and only this sampler needs it

    bounds = np.array([[0.0, 1.0]] * len(mean))
    return CMA(mean=mean, sigma=SIGMA, bounds=bounds, seed=seed, population_size=_generation_size(len(mean)))


def _generation_size(n_parameters: int) -> int:
    """Return the usual size (Hansen, 2016, eq. 48)."""
    return 4 + int(3 * np.log(n_parameters))


class Genetic(NSGAIISampler):
    """NSGA-II (Deb et al., 2002): crossover (BLX-α; Eshelman & Schaffer, 1993) and mutation of the best trials.

    A generation is every `POPULATION` trials, in order of number; the parents are the best of all earlier generations: by
    non-dominated rank, then by crowding distance. The trials of the first generation are sampled by the independent sampler.

    Args:
        independent: Samples conditional parameters and the first generation. A mutated parameter is sampled at random.
    """

    def __init__(self, seed: int, *, independent: BaseSampler) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # of the crossover
            super().__init__(population_size=POPULATION, crossover=BLXAlphaCrossover(), seed=seed)
        self.independent = independent
        self._modelled: set[str] = set()

    def get_trial_generation(self, study: Study, trial: FrozenTrial) -> int:
        return len(finished_trials(study)) // POPULATION

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        earlier = finished_trials(study)[: generation * POPULATION]
        return self._elite_population_selection_strategy(study, earlier) if earlier else []

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        if not search_space:
            return {}
        child = super().sample_relative(study, trial, search_space)
        self._modelled = set(search_space) if child else set()
        return child

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution) -> Any:
        if param_name in self._modelled:  # left out of the child by a mutation
            return super().sample_independent(study, trial, param_name, param_distribution)
        return self.independent.sample_independent(study, trial, param_name, param_distribution)
