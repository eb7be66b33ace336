"""A parameter on the unit interval: what samplers that know only numbers in 0..1 see of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution


def to_unit(value: Any, distribution: BaseDistribution) -> float:
    """Return where a value lies, 0..1: linear, or in the logarithm for log-scaled ranges; the middle of its cell on a grid."""
    if isinstance(distribution, CategoricalDistribution):
        return (distribution.choices.index(value) + 0.5) / len(distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if distribution.log:
        low, high = _log_bounds(distribution)
        return (math.log(value) - low) / (high - low)
    if distribution.step is None:
        return (float(value) - distribution.low) / (distribution.high - distribution.low)
    cell = round((float(value) - distribution.low) / distribution.step)
    return (cell + 0.5) / _n_cells(distribution)


def from_unit(unit: float, distribution: BaseDistribution) -> Any:
    """Return the value at a place, 0..1; each choice and each cell of a grid is equally wide."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[_cell(unit, len(distribution.choices))]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if distribution.log:
        low, high = _log_bounds(distribution)
        value = math.exp(low + unit * (high - low))
        value = round(value) if isinstance(distribution, IntDistribution) else value
        return min(max(value, distribution.low), distribution.high)
    if distribution.step is None:
        return distribution.low + unit * (distribution.high - distribution.low)
    value = distribution.low + distribution.step * _cell(unit, _n_cells(distribution))
    return min(value, distribution.high)


def reflected(units: ArrayLike) -> NDArray[np.float64]:
    """Reflect what left the interval 0..1 at its ends."""
    inside = np.abs(np.asarray(units, np.float64))
    return np.asarray(np.clip(np.where(inside > 1, 2 - inside, inside), 0, 1))


def _cell(unit: float, n: int) -> int:
    return min(int(unit * n), n - 1)


def _n_cells(distribution: FloatDistribution | IntDistribution) -> int:
    return round((distribution.high - distribution.low) / (distribution.step or 1)) + 1


def _log_bounds(distribution: FloatDistribution | IntDistribution) -> tuple[float, float]:
    half = 0.5 if isinstance(distribution, IntDistribution) else 0.0  # rounding then gives the ends their full share
    return math.log(distribution.low - half), math.log(distribution.high + half)
