"""Samplers: one entry each.

A new sampler is made for every trial, seeded by the study's seed and the trial's number: with one slot a continued search
then samples what an uninterrupted one would have sampled, and no sampler state has to be kept. What a sampler sees of the study
is decided in `ecg_tune.search.sampling.history`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from ecg_tune.errors import ConfigError
from ecg_tune.search.sampling.evolution import CmaEs, Genetic
from ecg_tune.search.sampling.parzen import Parzen
from ecg_tune.search.sampling.priors import Prior
from ecg_tune.search.sampling.sobol import Sobol


def trial_seed(seed: int, number: int) -> int:
    """Return a trial's own seed, 0..2³¹-1, from the study's."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0]) >> 1


def tpe(seed: int, number: int) -> BaseSampler:
    """Return the tree-structured Parzen estimator (Bergstra et al., 2011), multivariate, grouped by condition.

    It learns from COMPLETE trials by value and, below all of them, from PRUNED ones by how far they came. Trials that are
    running count as bad ones, so that parallel trials spread. The first 10 are sampled at random.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of `group`
        return TPESampler(seed=trial_seed(seed, number), multivariate=True, group=True, constant_liar=True)


def gp(seed: int, number: int) -> BaseSampler:
    """Return Bayesian optimisation by a Gaussian process (Matérn 5/2) with log expected improvement (Ament et al., 2023).

    It models what every trial of the family has, categoricals too. Conditional parameters are sampled by TPE, one at a time. Trials
    that are running count as samples of the process, so that parallel trials spread. Several objectives: expected hypervolume.
    """
    independent = tpe(seed, number)
    return GPSampler(seed=trial_seed(seed, number), independent_sampler=independent, warn_independent_sampling=False)


def parzen(seed: int, number: int) -> BaseSampler:
    """Return a Parzen estimator with wide kernels, see `Parzen`; it follows one objective."""
    return Parzen(trial_seed(seed, number), independent=random(seed, number))


def cmaes(seed: int, number: int) -> BaseSampler:
    """Return the covariance matrix adaptation (Hansen & Ostermeier, 2001), see `CmaEs`; it follows one objective."""
    return CmaEs(trial_seed(seed, number), independent=tpe(seed, number))


def nsgaii(seed: int, number: int) -> BaseSampler:
    """Return the genetic algorithm of Deb et al. (2002), see `Genetic`."""
    return Genetic(trial_seed(seed, number), independent=tpe(seed, number))


def qmc(seed: int, number: int) -> BaseSampler:
    """Return a scrambled Sobol sequence, one for the whole study, of which the trial's number is the index."""
    return Sobol(seed)


def random(seed: int, number: int) -> BaseSampler:
    """Return independent random sampling (Bergstra & Bengio, 2012)."""
    return RandomSampler(seed=trial_seed(seed, number))


@dataclass(frozen=True)
class SamplerSpec:
    """An entry of `SAMPLERS`.

    Attributes:
        make: Returns the sampler of one trial, from the study's seed and the trial's number.
        bound: Finished trials that it sees at most; 0 when it learns nothing.
        joint: It can model a space in which the family is a choice. If not, families take turns, and it sees one family's trials.
        knows_pruned: It has its own use for PRUNED trials. If not, they are shown as COMPLETE with their best value.
        several_objectives: It can follow more than one objective.
    """

    make: Callable[[int, int], BaseSampler]
    bound: int
    joint: bool = False
    knows_pruned: bool = False
    several_objectives: bool = True


SAMPLERS: dict[str, SamplerSpec] = {
    "tpe": SamplerSpec(tpe, bound=500, joint=True, knows_pruned=True),
    "parzen": SamplerSpec(parzen, bound=500, several_objectives=False),
    "gp": SamplerSpec(gp, bound=150),
    "cmaes": SamplerSpec(cmaes, bound=500, several_objectives=False),
    "nsgaii": SamplerSpec(nsgaii, bound=500),
    "qmc": SamplerSpec(qmc, bound=0, joint=True),
    "random": SamplerSpec(random, bound=0, joint=True),
}


class FixedSampler(BaseSampler):
    """Gives parameters their known values, draws those with a prior around it, and asks another sampler for the rest.

    Args:
        params: The known values, and the priors.
        rest: Samples what is not known. Without it everything must be.
        names: All that a trial may ask for, so that `rest` need not sample the parameters of other families.
        seed: Of the draws around priors.
    """

    def __init__(self, params: Mapping[str, Any], rest: BaseSampler | None = None, *, names: Container[str] = (), seed: int = 0) -> None:
        self.params, self.rest, self.names = params, rest, names
        self.rng = np.random.default_rng(seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        space = self.rest.infer_relative_search_space(study, trial) if self.rest else {}
        return {name: distribution for name, distribution in space.items() if name in self.names and name not in self.params}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        return self.rest.sample_relative(study, trial, search_space) if self.rest else {}

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution) -> Any:
        """Return the parameter's value.

        Raises:
            ConfigError: It is not known and nothing samples it, or the space does not hold it.
        """
        if param_name in self.params:
            value = self.params[param_name]
            return (
                value.draw(param_distribution, self.rng) if isinstance(value, Prior) else check_value(param_name, value, param_distribution)
            )
        if self.rest is None:
            raise ConfigError(f"trial {trial.number} has no value for {param_name}: give it one, or leave the whole trial out")
        return self.rest.sample_independent(study, trial, param_name, param_distribution)


def check_value(name: str, value: Any, distribution: BaseDistribution) -> Any:
    """Return a parameter's value.

    Raises:
        ConfigError: The space does not hold it.
    """
    if isinstance(distribution, CategoricalDistribution):
        if value not in distribution.choices:
            raise ConfigError(f"{name} must be one of {', '.join(map(str, distribution.choices))}, but got {value!r}")
        return value
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    step = distribution.step
    if isinstance(value, bool) or not isinstance(value, int | float) or not distribution.low <= value <= distribution.high:
        raise ConfigError(f"{name} must be {distribution.low}..{distribution.high}, but got {value!r}")
    if step and not math.isclose(steps := (value - distribution.low) / step, round(steps), abs_tol=1e-8):
        raise ConfigError(f"{name} must be {distribution.low}..{distribution.high} in steps of {step}, but got {value!r}")
    return value
