"""The space of fusion networks: a recurrent encoder beside a residual one."""

from __future__ import annotations

from optuna.trial import BaseTrial

from ecg_tune.config import TrialConfig
from ecg_tune.models.fusion import FusionConfig
from search_spaces import resnet, rnn
from search_spaces.shared import TRAINING_DEFAULTS, Space, SpaceContext, crop, image, prefixed, training

FAMILY = "fusion"


def suggest(trial: BaseTrial, context: SpaceContext) -> TrialConfig:
    """Draw a complete config. The rate is bounded by the recurrent side."""
    picture = image(trial, FAMILY, context)
    return TrialConfig(
        family=FAMILY,
        model=FusionConfig(
            signal=rnn.draw_model(trial, f"{FAMILY}.signal", context),
            image=resnet.draw_model(trial, f"{FAMILY}.image", context, size=picture.size),
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
            {f"signal.{name}": value for name, value in rnn.MODEL_DEFAULTS[profile].items()},
            {f"image.{name}": value for name, value in resnet.MODEL_DEFAULTS[profile].items()},
            {"hidden_size": 32 if profile == "small" else 128, "dropout": 0.3},
            TRAINING_DEFAULTS[profile],
        )
        for profile in ("full", "small")
    },
)
