"""What the engine knows of a search space: nothing but how to sample from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import BaseTrial

from ecg_tune.config import ImageConfig, ModelConfig
from ecg_tune.search.sampling.priors import Prior


@dataclass(frozen=True)
class Proposal:
    """One sampled trial: the family with which it is compared at rungs, and its complete config as plain data."""

    family: str
    config: dict[str, Any]


@dataclass(frozen=True)
class TrainedEncoder:
    """A trained network that a fusion can start from.

    Attributes:
        image: How its images were made; None for a network on signals.
        path: Its model file.
    """

    family: str
    model: ModelConfig
    image: ImageConfig | None
    path: str


@dataclass(frozen=True)
class TrainedEncoders:
    """The two sides of a fusion."""

    signal: TrainedEncoder
    image: TrainedEncoder


@dataclass(frozen=True)
class SearchSpace:
    """A study's space.

    Attributes:
        suggest: A pure function of the trial's parameters.
        defaults: Parameters of the configs that every study tries first, one a family.
        queued: Parameters of the configs that the user wants tried next.
        older: What parameters stand for that older editions of the space did not have.
        stated: Maps a trial's config to what it says of the settings that only a rule of the user's makes parameters.
        priors: Believed values of parameters.
        extended: Maps a trial's config and a later last epoch to its config with that, and whether the shorter training is the
            beginning of the longer one; it is not where the schedule depends on the last epoch.
    """

    suggest: Callable[[BaseTrial], Proposal]
    defaults: tuple[dict[str, Any], ...] = ()
    queued: tuple[dict[str, Any], ...] = ()
    older: Mapping[str, Any] = field(default_factory=dict)
    stated: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda config: {}
    priors: Mapping[str, Prior] = field(default_factory=dict)
    extended: Callable[[Mapping[str, Any], int], tuple[dict[str, Any], bool]] = lambda config, epochs: (dict(config), True)
