"""The space of fusion networks: any signal encoder beside any image encoder.

Encoders are the built-in families, and those families of the search that packages bring, where their space can suggest the network
alone. Installing a package changes no search that does not name its family.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from optuna.trial import BaseTrial

from ecg_tune.config import ImageConfig, ModelConfig, TrialConfig
from ecg_tune.errors import ConfigError
from ecg_tune.models import MODELS
from ecg_tune.models.fusion import FusionConfig
from ecg_tune.search.space import TrainedEncoders
from search_spaces import alexnet, cnn1d, cnn1d_rnn, inception1d, resnet, resnet1d, rnn, vgg
from search_spaces.suggestions import TRAINING_DEFAULTS, Space, SpaceContext, image, image_crop, prefixed, training

FAMILY = "fusion"
SIGNAL = {"rnn": rnn.SPACE, "cnn1d": cnn1d.SPACE, "resnet1d": resnet1d.SPACE, "cnn1d_rnn": cnn1d_rnn.SPACE}
SIGNAL_OF_VERSION_2 = {**SIGNAL, "inception1d": inception1d.SPACE}
IMAGE = {"alexnet": alexnet.SPACE, "vgg": vgg.SPACE, "resnet": resnet.SPACE}


def suggest(trial: BaseTrial, context: SpaceContext) -> TrialConfig:
    """Suggest a complete config: encoders from scratch or, where trained ones exist, also from these, frozen or not.

    Learning rates end at 1e-2, above which a recurrent encoder diverges.
    """
    trained = context.encoders() if context.encoders else None
    if trained is not None and trial.suggest_categorical(f"{FAMILY}.start", ("scratch", "trained")) == "trained":
        return _config(trial, context, _started(trial, trained, context), trained.image.image)
    picture = image(trial, FAMILY, context)
    half = replace(context, memory_gb=context.memory_gb / 2)  # the two encoders share the limit
    signal, suggest_signal = _encoder(trial, "signal", SIGNAL if context.version < 2 else SIGNAL_OF_VERSION_2, context)
    network, suggest_network = _encoder(trial, "image", IMAGE, context)
    fresh = FusionConfig(
        signal_family=signal,
        image_family=network,
        signal=suggest_signal(trial, f"{FAMILY}.{signal}", half),
        image=suggest_network(trial, f"{FAMILY}.{network}", half, size=picture.size),
    )
    return _config(trial, context, fresh, picture)


def _encoder(trial: BaseTrial, side: str, built_in: Mapping[str, Space], context: SpaceContext) -> tuple[str, Callable[..., ModelConfig]]:
    """Suggest the family of one encoder, built in or a package's of this search; return it with what suggests its network."""
    packages = {family: space for family, space in context.package_spaces.items() if MODELS[family].inputs == side}
    usable = {family: space.suggest_model for family, space in {**built_in, **packages}.items() if space.suggest_model is not None}
    family = trial.suggest_categorical(f"{FAMILY}.{side}_family", tuple(usable))
    if family not in usable:  # a rule of the user's
        raise ConfigError(
            f"{FAMILY}.{side}_family must be one of {', '.join(usable)}, but got {family!r}: "
            "a package's family is one when --families names it and its space has suggest_model"
        )
    return family, usable[family]


FINE_TUNING_DEFAULTS = {"freeze_epochs": 0, "encoder_learning_rate": 1.0, "signal_head": False}
"""What a fusion that started from trained encoders had before these were searched."""


def _fine_tuning(trial: BaseTrial, context: SpaceContext, *, frozen: bool) -> dict[str, Any]:
    """Suggest how trained encoders are kept from being spoiled: rest at first, learn slowly, begin with the signal model's predictions."""
    if context.version < 2:
        return FINE_TUNING_DEFAULTS
    found: dict[str, Any] = {"signal_head": trial.suggest_categorical(f"{FAMILY}.signal_head", (True, False))}
    if not frozen:
        found["freeze_epochs"] = trial.suggest_int(f"{FAMILY}.freeze_epochs", 0, 3)
        found["encoder_learning_rate"] = trial.suggest_float(f"{FAMILY}.encoder_learning_rate", 0.01, 1.0, log=True)
    return found


def _started(trial: BaseTrial, trained: TrainedEncoders, context: SpaceContext) -> FusionConfig:
    signal, picture = trained.signal, trained.image
    frozen = trial.suggest_categorical(f"{FAMILY}.frozen", (True, False))
    return FusionConfig(
        signal_family=signal.family,
        image_family=picture.family,
        signal=signal.model,
        image=picture.model,
        signal_checkpoint=signal.path,
        image_checkpoint=picture.path,
        frozen=frozen,
        **_fine_tuning(trial, context, frozen=frozen),
    )


def _config(trial: BaseTrial, context: SpaceContext, encoders: FusionConfig, picture: ImageConfig | None) -> TrialConfig:
    """Suggest the head and the training, and add the encoders."""
    return TrialConfig(
        family=FAMILY,
        model=replace(
            encoders,
            hidden_size=trial.suggest_categorical(f"{FAMILY}.hidden_size", (32, 64) if context.small else (128, 256)),
            dropout=trial.suggest_float(f"{FAMILY}.dropout", 0.0, 0.6),
        ),
        training=training(trial, FAMILY, context, learning_rates=(1e-4, 1e-2), crop_s=image_crop(trial, FAMILY, context)),
        image=picture,
    )


SPACE = Space(
    suggest=suggest,
    defaults={
        profile: prefixed(
            FAMILY,
            resnet.IMAGE_DEFAULTS[profile],
            {"signal_family": "rnn", "image_family": "resnet"},
            {f"rnn.{name}": value for name, value in rnn.MODEL_DEFAULTS[profile].items()},
            {f"resnet.{name}": value for name, value in resnet.MODEL_DEFAULTS[profile].items()},
            {"hidden_size": 32 if profile == "small" else 128, "dropout": 0.3},
            {**TRAINING_DEFAULTS[profile], "schedule": resnet.IMAGE_TRAINING_DEFAULTS[profile]["schedule"]},
        )
        for profile in ("full", "small")
    },
)
