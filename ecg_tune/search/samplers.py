"""Samplers: one row each.

A new sampler is made for every trial, seeded by the study's seed and the trial's number: with one slot a continued search
then draws what an uninterrupted one would have drawn, and no sampler state has to be kept.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, RandomSampler, TPESampler


def tpe(seed: int) -> BaseSampler:
    """Return the tree-structured Parzen estimator (Bergstra et al., 2011), multivariate, grouped by condition.

    It learns from COMPLETE rows by value and from PRUNED ones by how far they came; FAIL rows don't count. Rows that are
    running count as bad ones, so that parallel trials spread.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)


def random(seed: int) -> BaseSampler:
    """Return independent draws (Bergstra & Bengio, 2012)."""
    return RandomSampler(seed=seed)


SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {"tpe": tpe, "random": random}


def make_sampler(name: str, *, seed: int, number: int) -> BaseSampler:
    """Return the sampler that draws trial `number`."""
    return SAMPLERS[name](trial_seed(seed, number))


def trial_seed(seed: int, number: int) -> int:
    """Return a trial's own seed, 0..2³¹-1, from the study's."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0]) >> 1
