"""What the families' spaces have in common.

A space is a pure function from a trial to a complete `TrialConfig`: the same parameters give the same config, in a search,
in `optuna.trial.FixedTrial`, and in a retraining. Parameters carry their family as a prefix, so that one study holds many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import BaseTrial

from ecg_tune.config import ImageConfig, TrainingConfig, TrialConfig
from ecg_tune.search.space import TrainedEncoders


@dataclass(frozen=True)
class SpaceContext:
    """What a space needs besides the trial.

    Attributes:
        profile: "full" or "small".
        max_epochs: Epochs a trial may run.
        rules: What the user changed, see `search_spaces.custom`.
        n_leads: Leads of the signal.
        memory_gb: What the parameters of no draw may exceed, see `search_spaces.memory`.
        encoders: Gives the trained networks that a fusion may start from, None while there are none yet.
    """

    profile: str
    max_epochs: int
    rules: Mapping[str, Any] = field(default_factory=dict)
    n_leads: int = 3
    memory_gb: float = 2.0
    encoders: Callable[[], TrainedEncoders | None] | None = None

    @property
    def small(self) -> bool:
        return self.profile == "small"


@dataclass(frozen=True)
class Space:
    """One row of `SPACES`.

    Attributes:
        suggest: Draws a complete config.
        defaults: The parameters of the classic config, for each profile; every study tries them first.
    """

    suggest: Callable[[BaseTrial, SpaceContext], TrialConfig]
    defaults: Mapping[str, Mapping[str, Any]]


TRAINING_DEFAULTS = {
    "full": {"learning_rate": 1e-3, "weight_decay": 1e-4, "batch_size": 32, "schedule": "plateau"},
    "small": {"learning_rate": 3e-3, "weight_decay": 1e-4, "batch_size": 32, "schedule": "plateau"},  # few epochs: learn faster
}

CONVOLUTIONAL_DEFAULTS = {
    "full": {**TRAINING_DEFAULTS["full"], "optimizer": "adam"},
    "small": {"learning_rate": 1e-2, "weight_decay": 1e-2, "batch_size": 64, "schedule": "one_cycle", "optimizer": "adamw"},
}
"""Of signal families with batch normalisation. `small` is the recipe published for PTB-XL (Strodthoff et al., 2021)."""


def training(
    trial: BaseTrial,
    family: str,
    context: SpaceContext,
    *,
    learning_rates: tuple[float, float],
    crop_s: float | None,
    optimizers: tuple[str, ...] = ("adam",),
) -> TrainingConfig:
    """Draw how to train.

    Args:
        learning_rates: Bounds of the log-uniform rate; they differ by family, see there.
        crop_s: Already drawn or fixed by the profile.
        optimizers: Drawn from where there is a choice: then every default names one.
    """
    return TrainingConfig(
        max_epochs=context.max_epochs,
        optimizer=trial.suggest_categorical(f"{family}.optimizer", optimizers) if len(optimizers) > 1 else optimizers[0],
        learning_rate=trial.suggest_float(f"{family}.learning_rate", *learning_rates, log=True),
        weight_decay=trial.suggest_float(f"{family}.weight_decay", 1e-6, 1e-2, log=True),
        batch_size=trial.suggest_categorical(f"{family}.batch_size", (32, 64, 128)),
        schedule=trial.suggest_categorical(f"{family}.schedule", ("plateau", "one_cycle")),
        crop_s=crop_s,
    )


def crop(trial: BaseTrial, family: str, context: SpaceContext) -> float | None:
    """Draw a crop's seconds: `small` fixes 2.5 s, `full` may take the whole record (10 s)."""
    if context.small:
        return 2.5
    seconds: float = trial.suggest_categorical(f"{family}.crop_s", (10.0, 5.0, 2.5))
    return None if seconds == 10.0 else seconds


def image(trial: BaseTrial, family: str, context: SpaceContext) -> ImageConfig:
    """Draw the image: kind, size, amplitude scale, and for transition fields the bins."""
    kind = trial.suggest_categorical(f"{family}.image_kind", ("gasf", "gadf", "mtf", "triple"))
    size = trial.suggest_categorical(f"{family}.image_size", (32, 48, 64) if context.small else (64, 112, 224))
    scale = "series" if kind == "mtf" else trial.suggest_categorical(f"{family}.image_scale", ("series", "global"))
    bins = trial.suggest_int(f"{family}.mtf_bins", 4, 16, step=4) if kind in ("mtf", "triple") else 8
    return ImageConfig(kind=kind, size=size, scale=scale, mtf_bins=bins, lead=min(1, context.n_leads - 1))


def prefixed(family: str, *groups: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters under their family's prefix."""
    return {f"{family}.{name}": value for group in groups for name, value in group.items()}
