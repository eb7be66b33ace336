"""Made-up banks of learning curves, for what no recorded bank has: a slow family that wins late, a quick one that wins, all alike.

A curve rises from chance to its final value as a stretched exponential. The final value is the family's ceiling less a weighted
square distance to the family's own optimum; the pace is the family's, times what one parameter does to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "slow_wins": ((0.84, 0.87, 0.92), (1.5, 3.5, 10.0)),
    "quick_wins": ((0.92, 0.87, 0.84), (1.5, 3.5, 10.0)),
    "same_pace": ((0.90, 0.88, 0.86), (3.0, 3.0, 3.0)),
    "all_alike": ((0.90, 0.90, 0.90), (3.0, 3.0, 3.0)),
}
"""Kind → ceilings and paces (epochs to rise by two thirds) of the three families."""
N_CONFIGS, EPOCHS, N_NUMERIC, N_CHOICES = 300, 27, 6, 3
FAMILIES = ("one", "two", "three")
NOISE, SEED_NOISE = 0.003, 0.008
"""Of each value, and of a config's final value, as standard deviations."""


def made_up(kind: str, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Make a bank in the `.npz` form that `curve_bank.py` reads: six numeric and two categorical parameters a family."""
    ceilings, paces = KINDS[kind]
    rng = np.random.default_rng([list(KINDS).index(kind), seed])
    family = rng.integers(len(FAMILIES), size=N_CONFIGS)
    numbers, choices = rng.random((N_CONFIGS, N_NUMERIC)), rng.integers(N_CHOICES, size=(N_CONFIGS, 2))
    optimum, weight = rng.uniform(0.2, 0.8, (len(FAMILIES), N_NUMERIC)), rng.dirichlet(np.ones(N_NUMERIC), len(FAMILIES))
    right = rng.integers(N_CHOICES, size=(len(FAMILIES), 2))

    distance = (weight[family] * (numbers - optimum[family]) ** 2).sum(axis=1)
    wrong = (choices != right[family]) @ np.array([0.015, 0.007])
    final = np.array(ceilings)[family] - 0.6 * distance - wrong - np.abs(rng.normal(0, SEED_NOISE, N_CONFIGS))
    pace = np.array(paces)[family] * np.exp(1.2 * (numbers[:, 0] - 0.5) + rng.normal(0, 0.25, N_CONFIGS))
    start = rng.uniform(0.5, 0.55, N_CONFIGS)
    risen = 1 - np.exp(-((np.arange(1, EPOCHS + 1)[None] / pace[:, None]) ** 0.7))
    values = start[:, None] + (final - start)[:, None] * risen + rng.normal(0, NOISE, (N_CONFIGS, EPOCHS))
    seconds = np.repeat(rng.uniform(0.5, 1.5, (N_CONFIGS, 1)), EPOCHS, axis=1)
    coordinates = np.concatenate([numbers, choices], axis=1)
    return {"V": values, "S": seconds, "fam": family, "X": coordinates, "ncat": np.array([2] * 3), "names": np.array(FAMILIES)}
