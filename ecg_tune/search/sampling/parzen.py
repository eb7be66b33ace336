"""A Parzen estimator with wide kernels: what pays with ten trials of ten parameters.

Optuna's multivariate TPE has kernels of width 0.2·n^(-1/(d+4)) on the unit interval, here they are 0.5·n^(-1/(d+4)); else the
method is that of Bergstra et al. (2011).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.search_space import intersection_search_space
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ecg_tune.search.sampling.unit_interval import from_unit, reflected, to_unit

Floats = NDArray[np.float64]

WIDTH, NARROWEST = 0.5, 0.08
"""Width of a kernel with one trial, and the least width, in shares of a parameter's range."""
KEEP = 0.7
"""How often a kernel keeps its trial's choice of a categorical parameter."""
N_CANDIDATES, STARTUP, GOOD_SHARE = 32, 4, 0.25


class Parzen(BaseSampler):
    """Suggests the most promising of a few candidates by two densities: of the better quarter of trials, and of the others.

    Trials that are running count as others, so that parallel trials spread. The first trials are random, as are parameters that
    not all trials have. One objective.

    Args:
        independent: Samples those.
    """

    def __init__(self, seed: int, *, independent: BaseSampler) -> None:
        self.rng, self.independent = np.random.default_rng(seed), independent

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        space = intersection_search_space(study.get_trials(deepcopy=False))
        return {name: distribution for name, distribution in space.items() if not distribution.single()}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        trials = study.get_trials(deepcopy=False)
        known = [one for one in trials if one.state == TrialState.COMPLETE]
        if len(known) < STARTUP or not search_space:
            return {}
        sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
        known.sort(key=lambda one: (sign * float(one.value or 0.0), one.number))
        n_good = min(len(known) - 1, max(2, math.ceil(GOOD_SHARE * len(known))))
        running = [one for one in trials if one.state == TrialState.RUNNING]
        axes = _Axes(search_space)
        good = _Density(axes, axes.points(known[:n_good]))
        others = _Density(axes, axes.points(known[n_good:] + running))
        candidates = good.draw(self.rng, N_CANDIDATES)
        best = candidates[int(np.argmax(good.log(candidates) - others.log(candidates)))]
        return axes.params(best)

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution) -> Any:
        return self.independent.sample_independent(study, trial, param_name, param_distribution)


class _Axes:
    """The parameters as coordinates: numbers on the unit interval first, then categorical ones by the index of their choice."""

    def __init__(self, space: dict[str, BaseDistribution]) -> None:
        self.numeric = {name: d for name, d in space.items() if not isinstance(d, CategoricalDistribution)}
        self.categorical = {name: d for name, d in space.items() if isinstance(d, CategoricalDistribution)}
        self.n_numeric, self.n = len(self.numeric), len(space)
        self.sizes = np.array([len(d.choices) for d in self.categorical.values()])

    def points(self, trials: list[FrozenTrial]) -> Floats:
        """Return the coordinates of trials, (n_trials, n_parameters)."""
        rows = [
            [to_unit(trial.params[name], d) for name, d in self.numeric.items()]
            + [d.choices.index(trial.params[name]) for name, d in self.categorical.items()]
            for trial in trials
        ]
        return np.array(rows, dtype=np.float64).reshape(len(trials), self.n)

    def params(self, point: Floats) -> dict[str, Any]:
        """Return the parameters at a point."""
        numbers = zip(self.numeric.items(), point[: self.n_numeric], strict=True)
        choices = zip(self.categorical.items(), point[self.n_numeric :], strict=True)
        return {name: from_unit(float(unit), d) for (name, d), unit in numbers} | {name: d.choices[int(at)] for (name, d), at in choices}


class _Density:
    """An equal mixture of one kernel a trial and the uniform density."""

    def __init__(self, axes: _Axes, centres: Floats) -> None:
        self.axes, self.centres = axes, centres
        self.width = max(NARROWEST, WIDTH * max(len(centres), 1) ** (-1 / (4 + axes.n)))

    def draw(self, rng: np.random.Generator, n: int) -> Floats:
        """Draw points, (n, n_parameters). A number that leaves the interval is reflected into it."""
        m, sizes = self.axes.n_numeric, self.axes.sizes
        points = np.concatenate([rng.random((n, m)), np.floor(rng.random((n, len(sizes))) * sizes)], axis=1)
        kernel = rng.integers(len(self.centres) + 1, size=n)
        near = np.flatnonzero(kernel < len(self.centres))
        centres = self.centres[kernel[near]]
        points[near, :m] = reflected(centres[:, :m] + self.width * rng.normal(size=(len(near), m)))
        points[near, m:] = np.where(rng.random((len(near), len(sizes))) < KEEP, centres[:, m:], points[near, m:])
        return points

    def log(self, points: Floats) -> Floats:
        """Return the logarithm of the density at points, (n_points,)."""
        m, sizes, width = self.axes.n_numeric, self.axes.sizes, self.width
        logs = np.full((len(points), len(self.centres) + 1), -float(np.log(sizes).sum()))
        squares = ((points[:, None, :m] - self.centres[None, :, :m]) / width) ** 2
        logs[:, 1:] = -0.5 * squares.sum(axis=2) - m * math.log(width * math.sqrt(2 * math.pi))
        for at, size in enumerate(sizes, start=m):
            same = points[:, None, at] == self.centres[None, :, at]
            logs[:, 1:] += np.where(same, math.log(KEEP + (1 - KEEP) / size), math.log((1 - KEEP) / size))
        top = logs.max(axis=1, keepdims=True)
        return np.asarray(top[:, 0] + np.log(np.exp(logs - top).mean(axis=1)))
