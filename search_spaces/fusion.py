"""The space of fusion networks: any signal encoder beside any image encoder."""

from __future__ import annotations

from dataclasses import replace

from optuna.trial import BaseTrial

from ecg_tune.config import ImageConfig, TrialConfig
from ecg_tune.models.fusion import FusionConfig
from ecg_tune.search.space import TrainedEncoders
from search_spaces import alexnet, cnn1d, cnn1d_rnn, resnet, resnet1d, rnn, vgg
from search_spaces.suggestions import TRAINING_DEFAULTS, Space, SpaceContext, crop, image, prefixed, training

FAMILY = "fusion"
SIGNAL = {"rnn": rnn, "cnn1d": cnn1d, "resnet1d": resnet1d, "cnn1d_rnn": cnn1d_rnn}
IMAGE = {"alexnet": alexnet, "vgg": vgg, "resnet": resnet}


def suggest(trial: BaseTrial, context: SpaceContext) -> TrialConfig:
    """Suggest a complete config: encoders from scratch or, where trained ones exist, also from these, frozen or not.

    Learning rates end at 1e-2, above which a recurrent encoder diverges.
    """
    trained = context.encoders() if context.encoders else None
    if trained is not None and trial.suggest_categorical(f"{FAMILY}.start", ("scratch", "trained")) == "trained":
        frozen = trial.suggest_categorical(f"{FAMILY}.frozen", (True, False))
        return _config(trial, context, _started(trained, frozen=frozen), trained.image.image)
    picture = image(trial, FAMILY, context)
    half = replace(context, memory_gb=context.memory_gb / 2)  # the two encoders share the limit
    signal = trial.suggest_categorical(f"{FAMILY}.signal_family", tuple(SIGNAL))
    network = trial.suggest_categorical(f"{FAMILY}.image_family", tuple(IMAGE))
    fresh = FusionConfig(
        signal_family=signal,
        image_family=network,
        signal=SIGNAL[signal].suggest_model(trial, f"{FAMILY}.{signal}", half),
        image=IMAGE[network].suggest_model(trial, f"{FAMILY}.{network}", half, size=picture.size),
    )
    return _config(trial, context, fresh, picture)


def _started(trained: TrainedEncoders, *, frozen: bool) -> FusionConfig:
    signal, picture = trained.signal, trained.image
    return FusionConfig(
        signal_family=signal.family,
        image_family=picture.family,
        signal=signal.model,
        image=picture.model,
        signal_checkpoint=signal.path,
        image_checkpoint=picture.path,
        frozen=frozen,
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
        training=training(trial, FAMILY, context, learning_rates=(1e-4, 1e-2), crop_s=crop(trial, FAMILY, context)),
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
