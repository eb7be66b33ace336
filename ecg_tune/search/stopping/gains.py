"""What trials gain from one rung to the next, and so from any epoch to the last one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DECAY = 0.6
"""Gain of a step that no trial has made yet, as a share of the gain of the step before."""
FEW = 4
"""Values below which no quartiles are taken."""
SLOWEST, FASTEST = 0.3, 3.0
"""Limits of a family's pace, against the mean of all."""


@dataclass(frozen=True)
class Gains:
    """What trials gain from an epoch to the last one.

    Attributes:
        mean, variance: (n_families, last epoch + 1), by the epoch from which on; 0 at the last one.
        spread: Of the values at the first rung.
        floor: Smaller values count as this one.
    """

    mean: Floats
    variance: Floats
    spread: float
    floor: float


def learn_gains(value_at: Floats, family: NDArray[np.int64], n_families: int, levels: Sequence[int], epochs: int) -> Gains:
    """Learn from all trials what is gained between rungs, and add it up to the end.

    A family's mean is drawn to the mean of all, at the family's pace so far; so a family of which little is known is expected
    to gain as others do, and a slow one is given its time.

    Args:
        value_at: (n_trials, rungs + 1) best value by each rung and by the last epoch; NaN where a trial did not get there.
        family: (n_trials,) index of each trial's family.
        levels: The rungs' epochs.
        epochs: The last epoch.
    """
    first = value_at[:, 0]
    spread, floor = robust_spread(first[~np.isnan(first)])
    gained = np.diff(np.maximum(value_at, floor), axis=1)
    means, variances = np.zeros((n_families, len(levels) + 1)), np.zeros((n_families, len(levels) + 1))
    expected, variance, pace = spread, spread**2, np.ones(n_families)
    for step in range(len(levels)):
        known = ~np.isnan(gained[:, step])
        gains, of = gained[known, step], family[known]
        mean = expected
        if len(gains):
            mean = float(gains.mean())
            variance = (float(((gains - mean) ** 2).sum()) + 0.5 * expected**2) / (len(gains) + 0.5)
        n, total = np.bincount(of, minlength=n_families), np.bincount(of, gains, n_families)
        own = (total + mean * pace) / (n + 1)
        inner = gains - (total / np.maximum(n, 1))[of]
        within = max(float((inner**2).sum()) / (len(inner) - 1) if len(inner) > 2 else variance, 1e-10)
        means[:, step], variances[:, step] = own, within + max(variance, within) / (n + 1)
        pace = np.clip(own / mean, SLOWEST, FASTEST) if mean > 1e-9 else np.ones(n_families)
        expected, variance = DECAY * mean, DECAY * variance
    return Gains(_from_each_epoch(means, levels, epochs), _from_each_epoch(variances, levels, epochs), spread, floor)


def robust_spread(values: Floats) -> tuple[float, float]:
    """Return the spread of values, and the value below which they count as that one.

    A cross-entropy may explode in the first epoch. So the spread is the interquartile range over 1.35 (a normal sample's standard
    deviation), and the floor is three interquartile ranges below the first quartile (Tukey, 1977). Of few values, and where half of them
    are equal, it is the standard deviation.
    """
    if len(values) < 2:
        return 0.0, -np.inf
    low, high = np.percentile(values, [25, 75])
    if high - low <= 0 or len(values) < FEW:
        return float(values.std(ddof=1)), -np.inf
    return float(high - low) / 1.35, float(low - 3 * (high - low))


def _from_each_epoch(steps: Floats, levels: Sequence[int], epochs: int) -> Floats:
    """Add up the steps that are left after each epoch, interpolated between rungs in the logarithm of the epoch."""
    if not levels:
        return np.zeros((len(steps), epochs + 1))
    left = np.cumsum(steps[:, ::-1], axis=1)[:, ::-1]  # (n_families, rungs + 1); 0 at the last epoch
    at, each = np.log([*levels, epochs]), np.log(np.maximum(np.arange(epochs + 1), 1))
    return np.stack([np.interp(each, at, own) for own in left])
