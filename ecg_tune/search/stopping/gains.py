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
TRUST = 0.6
"""Share of the regression of gains on values that is believed: values are noisy, and weak trials are not trained on, so it is too steep."""
SLOWEST, FASTEST = 0.3, 3.0
"""Limits of a family's pace, against the mean of all."""


@dataclass(frozen=True)
class Gains:
    """What trials gain from an epoch to the last one: a value v becomes `kept` · v + `mean`.

    Attributes:
        mean, variance: (n_families, last epoch + 1), by the epoch from which on; 0 at the last one.
        kept: (last epoch + 1,) how much of a difference between two values is left at the end; 1 at the last one.
        spread: Of the values at the first rung.
        floor: Smaller values count as this one.
    """

    mean: Floats
    variance: Floats
    kept: Floats
    spread: float
    floor: float


def learn_gains(value_at: Floats, family: NDArray[np.int64], n_families: int, levels: Sequence[int], epochs: int) -> Gains:
    """Learn from all trials what is gained between rungs, and add it up to the end.

    A family's mean is drawn to the mean of all, at the family's pace so far; so a family of which little is known is expected
    to gain as others do, and a slow one is given its time. A trial whose value is above its family's mean gains less than others, one below
    it gains more: by a slope that all families share, drawn to 0 while few trials are known.

    Args:
        value_at: (n_trials, rungs + 1) best value by each rung and by the last epoch; NaN where a trial did not get there.
        family: (n_trials,) index of each trial's family.
        levels: The rungs' epochs.
        epochs: The last epoch.
    """
    first = value_at[:, 0]
    spread, floor = robust_spread(first[~np.isnan(first)])
    gained = np.diff(np.maximum(value_at, floor), axis=1)
    shape = (n_families, len(levels) + 1)
    means, variances, slopes = np.zeros(shape), np.zeros(shape), np.zeros(shape[1])
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
        values = np.maximum(value_at[known, step], floor)
        centre = (np.bincount(of, values, n_families) + (values.mean() if len(values) else 0.0)) / (n + 1)
        centred = values - centre[of]
        slopes[step] = _slope(centred, inner)
        inner = inner - slopes[step] * centred
        within = max(float((inner**2).sum()) / (len(inner) - 1) if len(inner) > 2 else variance, 1e-10)
        means[:, step], variances[:, step] = own - slopes[step] * centre, within + max(variance, within) / (n + 1)
        pace = np.clip(own / mean, SLOWEST, FASTEST) if mean > 1e-9 else np.ones(n_families)
        expected, variance = DECAY * mean, DECAY * variance
    keeps = np.append(np.cumprod((1 + slopes[:-1])[::-1])[::-1], 1.0)  # from each rung to the end
    left = np.append(keeps[1:], 1.0)  # of what the step after a rung adds
    kept = _at_each_epoch(keeps[None], levels, epochs)[0]
    return Gains(_from_each_epoch(means * left, levels, epochs), _from_each_epoch(variances * left**2, levels, epochs), kept, spread, floor)


def _slope(values: Floats, gains: Floats) -> float:
    """Regress gains on values, both about their families' means, and believe a share of it: 0 of no trials, `TRUST` of many."""
    square = float((values**2).sum())
    if square <= 0:
        return 0.0
    slope = min(0.0, max(-1.0, float((values * gains).sum()) / square))  # never a lead that grows, or changes its sign
    return TRUST * slope * len(values) / (len(values) + FEW)


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
    return _at_each_epoch(np.cumsum(steps[:, ::-1], axis=1)[:, ::-1], levels, epochs)


def _at_each_epoch(at_rungs: Floats, levels: Sequence[int], epochs: int) -> Floats:
    """Interpolate (…, rungs + 1) between rungs in the logarithm of the epoch, to (…, last epoch + 1)."""
    at, each = np.log([*levels, epochs]), np.log(np.maximum(np.arange(epochs + 1), 1))
    return np.stack([np.interp(each, at, own) for own in at_rungs])
