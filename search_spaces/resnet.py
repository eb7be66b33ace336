"""The space of residual networks on images."""

from __future__ import annotations

from optuna.trial import BaseTrial

from ecg_tune.config import TrialConfig
from ecg_tune.models.image_attention import ATTENTIONS
from ecg_tune.models.resnet import ResNetConfig
from search_spaces.memory import affordable
from search_spaces.suggestions import RECIPE_DEFAULTS, TRAINING_DEFAULTS, Space, SpaceContext, image, image_crop, prefixed, training

FAMILY = "resnet"
SHAPES = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet10": (1, 1, 1, 1), "three_stages": (1, 1, 1)}
SMALL_STEM_PIXELS = 64
"""Images up to this size keep their resolution in the stem: the standard one would leave 2 x 2 pixels of 64."""


def suggest_model(trial: BaseTrial, prefix: str, context: SpaceContext, *, size: int) -> ResNetConfig:
    """Suggest the network's settings for images of `size` pixels. The largest is ResNet-34 with gates (22 million parameters)."""
    shapes = ("three_stages", "resnet10") if context.small else ("resnet18", "resnet34")
    widths: tuple[int, ...] = (8, 16) if context.small else (32, 64)
    widths = affordable(
        widths, FAMILY, context, lambda width: [ResNetConfig(layers=SHAPES[shapes[-1]], width=width, attention=a) for a in ATTENTIONS]
    )
    return ResNetConfig(
        layers=SHAPES[trial.suggest_categorical(f"{prefix}.shape", shapes)],
        width=trial.suggest_categorical(f"{prefix}.width", widths),
        attention=trial.suggest_categorical(f"{prefix}.attention", tuple(ATTENTIONS)),
        dropout=trial.suggest_float(f"{prefix}.dropout", 0.0, 0.6),
        stem="small" if size <= SMALL_STEM_PIXELS else "standard",
    )


def suggest(trial: BaseTrial, context: SpaceContext) -> TrialConfig:
    """Suggest a complete config. With batch normalisation learning rates up to 2e-2 train."""
    picture = image(trial, FAMILY, context)
    return TrialConfig(
        family=FAMILY,
        model=suggest_model(trial, FAMILY, context, size=picture.size),
        training=training(trial, FAMILY, context, learning_rates=(1e-4, 2e-2), crop_s=image_crop(trial, FAMILY, context), recipe=True),
        image=picture,
    )


MODEL_DEFAULTS = {
    "full": {"shape": "resnet18", "width": 64, "attention": "none", "dropout": 0.3},
    "small": {"shape": "three_stages", "width": 16, "attention": "none", "dropout": 0.3},
}
IMAGE_DEFAULTS = {
    "full": {"image_kind": "gasf", "image_size": 224, "image_scale": "series", "crop_s": 10.0},
    "small": {"image_kind": "gadf", "image_size": 48, "image_scale": "global"},
}
"""Classic in `full`. `small` takes what validates best: a difference field on the global scale, x_j - x_i for small amplitudes,
keeps voltages and polarity; the summation field there is (x_i + x_j)² / 2 - 1, in which both signs look alike."""

IMAGE_TRAINING_DEFAULTS = {
    "full": TRAINING_DEFAULTS["full"],
    "small": {**TRAINING_DEFAULTS["small"], "learning_rate": 1e-2, "batch_size": 64, "schedule": "one_cycle"},
}
"""Few epochs at a high rate leave validation jumping; one cycle ends them at a low one."""

SPACE = Space(
    suggest=suggest,
    suggest_model=suggest_model,
    defaults={
        profile: prefixed(FAMILY, IMAGE_DEFAULTS[profile], MODEL_DEFAULTS[profile], IMAGE_TRAINING_DEFAULTS[profile], RECIPE_DEFAULTS)
        for profile in ("full", "small")
    },
)
