"""Parts that the families' spaces share.

A space is a pure function from a trial to a complete `TrialConfig`: the same parameters give the same config, in a search,
in `optuna.trial.FixedTrial`, and in a retraining. Parameters carry their family as a prefix, so that one study holds many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.trial import BaseTrial

from ecg_tune.config import STORED, AugmentConfig, ImageConfig, ModelConfig, TrainingConfig, TrialConfig
from ecg_tune.config.search import SPACE_VERSION
from ecg_tune.errors import ConfigError
from ecg_tune.models import MODELS
from ecg_tune.search.space import TrainedEncoders


@dataclass(frozen=True)
class SpaceContext:
    """The settings of a search that shape its space.

    Attributes:
        profile: "full" or "small".
        max_epochs: Epochs a trial may run.
        rules: The user's changes of the space, by parameter, see `search_spaces.custom`.
        n_leads: Leads of the signal.
        memory_gb: Gigabytes that training the parameters of a network may take, see `search_spaces.memory`.
        encoders: Returns the trained networks that a fusion may start from; it returns None, or is None, while there are none.
        package_spaces: Spaces of the search's families that come from installed packages: a fusion suggests these as encoders
            too, where they have `Space.suggest_model`.
        images: Channels and pixels a side of the data's stored images, which are then taken as they are; None computes images.
        version: Edition of the built-in spaces, see `SPACE_VERSION`.
    """

    profile: str
    max_epochs: int
    rules: Mapping[str, Any] = field(default_factory=dict)
    n_leads: int = 3
    memory_gb: float = 2.0
    encoders: Callable[[], TrainedEncoders | None] | None = None
    package_spaces: Mapping[str, Space] = field(default_factory=dict)
    images: tuple[int, int] | None = None
    version: int = SPACE_VERSION

    @property
    def small(self) -> bool:
        return self.profile == "small"

    def largest_side(self, computed: int) -> int:
        """Pixels a side of the largest image: that of stored ones, else `computed`."""
        return self.images[1] if self.images else computed


@dataclass(frozen=True)
class Space:
    """A family's search space.

    Attributes:
        suggest: Maps a trial to a complete config, whose family is the space's. It is a pure function: the same parameters and
            context give the same config. All parameters begin with the family's name and a dot, and the choices of one may
            depend on the context, but not on other parameters' values: Optuna keeps one distribution a name.
        defaults: For the profiles "full" and "small", the parameters of the classic config, exactly those that `suggest` asks
            for; every study tries them first.
        suggest_model: Suggests the settings of the network alone, for fusions with this family as an encoder:
            `suggest_model(trial, prefix, context)`, on images with `size=` pixels too. Its parameters begin with the prefix and a
            dot; below the family's own name they are those of `suggest`, and give the same network. None: no fusion suggests it.
    """

    suggest: Callable[[BaseTrial, SpaceContext], TrialConfig]
    defaults: Mapping[str, Mapping[str, Any]]
    suggest_model: Callable[..., ModelConfig] | None = None


AUGMENTATIONS = {
    "off": AugmentConfig(),
    "mild": AugmentConfig(amplitude=0.1, noise=0.02, shift_s=0.1, mask_s=0.25),
    "strong": AugmentConfig(amplitude=0.2, noise=0.05, shift_s=0.2, mask_s=0.5),
}
"""How strongly training signals are varied: each changes amplitude, noise, place and a stretch at once, so that one choice suffices."""

RECIPE_DEFAULTS = {"augmentation": "off", "label_smoothing": 0.0, "averaging": "none"}
"""What a network's training was before these were searched."""

NO_SQUEEZE_OR_DILATION = {"squeeze_excitation": False, "dilation": 1}
"""What convolutional networks on signals were before these were searched."""

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
    recipe: bool = False,
) -> TrainingConfig:
    """Suggest the settings of training.

    Args:
        family: The first part of every parameter's name.
        learning_rates: Lowest and highest learning rate, suggested on a log scale.
        crop_s: Seconds of a training crop, see `crop`.
        optimizers: Names of `TrainingConfig.optimizer`. With more than one, it becomes a parameter, and every default must name it.
        recipe: Suggest the strength of augmentation, label smoothing, averaging and a third schedule too; every default must then hold
            `RECIPE_DEFAULTS`.
    """
    recipe = recipe and context.version >= 2
    plain = TrainingConfig(
        max_epochs=context.max_epochs,
        optimizer=trial.suggest_categorical(f"{family}.optimizer", optimizers) if len(optimizers) > 1 else optimizers[0],
        learning_rate=trial.suggest_float(f"{family}.learning_rate", *learning_rates, log=True),
        weight_decay=trial.suggest_float(f"{family}.weight_decay", 1e-6, 1e-2, log=True),
        batch_size=trial.suggest_categorical(f"{family}.batch_size", (32, 64, 128)),
        schedule=trial.suggest_categorical(f"{family}.schedule", ("plateau", "one_cycle", *(("cosine",) if recipe else ()))),
        crop_s=crop_s,
    )
    return _with_recipe(plain, trial, family, context) if recipe else plain


def _with_recipe(plain: TrainingConfig, trial: BaseTrial, family: str, context: SpaceContext) -> TrainingConfig:
    """Suggest what makes training more robust; stored images can't be augmented."""
    stored = context.images is not None and MODELS[family].inputs != "signal"
    augmentation = "off" if stored else trial.suggest_categorical(f"{family}.augmentation", tuple(AUGMENTATIONS))
    if augmentation not in AUGMENTATIONS:  # a rule of the user's
        raise ConfigError(f"{family}.augmentation must be one of {', '.join(AUGMENTATIONS)}, but got {augmentation!r}")
    return replace(
        plain,
        augment=AUGMENTATIONS[augmentation],
        label_smoothing=trial.suggest_categorical(f"{family}.label_smoothing", (0.0, 0.05, 0.1)),
        averaging=trial.suggest_categorical(f"{family}.averaging", ("none", "ema")),
    )


def squeeze_and_dilation(trial: BaseTrial, prefix: str, context: SpaceContext) -> dict[str, Any]:
    """Suggest squeeze-and-excitation, and a dilation, with which a convolutional network sees up to four times as far."""
    if context.version < 2:
        return NO_SQUEEZE_OR_DILATION
    return {
        "squeeze_excitation": trial.suggest_categorical(f"{prefix}.squeeze_excitation", (False, True)),
        "dilation": trial.suggest_categorical(f"{prefix}.dilation", (1, 2, 4)),
    }


def crop(trial: BaseTrial, family: str, context: SpaceContext) -> float | None:
    """Suggest the seconds of a training crop: 2.5 s in `small`; 10 (the whole record, returned as None), 5 or 2.5 s in `full`."""
    if context.small:
        return 2.5
    seconds: float = trial.suggest_categorical(f"{family}.crop_s", (10.0, 5.0, 2.5))
    return None if seconds == 10.0 else seconds


def image_crop(trial: BaseTrial, family: str, context: SpaceContext) -> float | None:
    """Suggest a training crop as `crop` does, for a network on images; stored images show whole records, so there it is None."""
    return None if context.images else crop(trial, family, context)


def image(trial: BaseTrial, family: str, context: SpaceContext) -> ImageConfig:
    """Suggest how a signal becomes an image: kind, size in pixels, amplitude scale, and the bins of transition fields.

    Stored images leave nothing to choose.
    """
    if context.images:
        n_channels, side = context.images
        return ImageConfig(kind=STORED, size=side, channels=n_channels)
    kind = trial.suggest_categorical(f"{family}.image_kind", ("gasf", "gadf", "mtf", "triple"))
    size = trial.suggest_categorical(f"{family}.image_size", (32, 48, 64) if context.small else (64, 112, 224))
    scale = "series" if kind == "mtf" else trial.suggest_categorical(f"{family}.image_scale", ("series", "global"))
    bins = trial.suggest_int(f"{family}.mtf_bins", 4, 16, step=4) if kind in ("mtf", "triple") else 8
    return ImageConfig(kind=kind, size=size, scale=scale, mtf_bins=bins, lead=min(1, context.n_leads - 1))


def prefixed(family: str, *groups: Mapping[str, Any]) -> dict[str, Any]:
    """Merge groups of parameters and put `family.` before each name."""
    return {f"{family}.{name}": value for group in groups for name, value in group.items()}
