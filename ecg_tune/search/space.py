"""What the engine knows of a search space: nothing but how to draw from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optuna.trial import BaseTrial


@dataclass(frozen=True)
class Proposal:
    """One drawn trial: the family whose rungs it stands at, and its complete config as plain data."""

    family: str
    config: dict[str, Any]


@dataclass(frozen=True)
class SearchSpace:
    """A study's space.

    Attributes:
        suggest: A pure function of the trial's parameters.
        defaults: Parameters of the configs that every study tries first, one a family.
    """

    suggest: Callable[[BaseTrial], Proposal]
    defaults: tuple[dict[str, Any], ...] = ()
