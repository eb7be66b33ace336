"""Priors: values that somebody believes in. A share of trials is drawn around them, less and less as trials come in.

The simplest form of PriorBand's draws (Mallik et al., 2023): a kernel around the stated value, as wide as the confidence is low. The
sampler learns from these trials as from all others, so a wrong prior costs the share of trials that it had, no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution

from ecg_tune.search.sampling.unit_interval import from_unit, reflected, to_unit

CONFIDENCES: Mapping[str, tuple[float, float]] = {"low": (0.5, 0.4), "medium": (0.25, 0.7), "high": (0.125, 0.9)}
"""Confidence → standard deviation of a number as a share of its range, and how often a choice is kept."""
FIRST_SHARE, HALVED_AFTER = 0.5, 10
"""Share of a family's first trials that are drawn around priors, and the number of its trials after which that has halved."""


@dataclass(frozen=True)
class Prior:
    """A parameter's believed value.

    Attributes:
        confidence: A key of `CONFIDENCES`.
    """

    value: Any
    confidence: str = "medium"

    def draw(self, distribution: BaseDistribution, rng: np.random.Generator) -> Any:
        """Draw a value around the believed one, within the range; what leaves it is reflected."""
        width, keep = CONFIDENCES[self.confidence]
        if isinstance(distribution, CategoricalDistribution):
            return self.value if rng.random() < keep else distribution.choices[rng.integers(len(distribution.choices))]
        return from_unit(float(reflected(to_unit(self.value, distribution) + width * rng.normal())), distribution)


def share_of_draws(n_trials: int) -> float:
    """Return the share of a family's trials that is drawn around priors, when it has `n_trials`."""
    return FIRST_SHARE / (1 + n_trials / HALVED_AFTER)
