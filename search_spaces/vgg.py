"""The space of VGGs on images."""

from __future__ import annotations

from optuna.trial import BaseTrial

from ecg_tune.config import TrialConfig
from ecg_tune.models.image_attention import ATTENTIONS
from ecg_tune.models.vgg import VGGConfig, final_side
from search_spaces.memory import affordable
from search_spaces.resnet import IMAGE_DEFAULTS, IMAGE_TRAINING_DEFAULTS
from search_spaces.suggestions import RECIPE_DEFAULTS, Space, SpaceContext, image, image_crop, prefixed, training

LARGEST_PIXELS = 224
FAMILY = "vgg"


def suggest_model(trial: BaseTrial, prefix: str, context: SpaceContext, *, size: int) -> VGGConfig:
    """Suggest the network's settings for images of `size` pixels. None has more than 47 million parameters.

    Always with batch normalisation, so that one range of learning rates fits every suggestion, and with a head of at most 1024 units:
    VGG-16 with the published 4096 and Adam's state would be a checkpoint of 1.6 GB.
    """
    shapes = ("vgg11", "vgg13") if context.small else ("vgg11", "vgg13", "vgg16", "vgg19")
    widths: tuple[float, ...] = (0.125, 0.25) if context.small else (0.5, 1.0)
    heads: tuple[int, ...] = (64, 128) if context.small else (256, 512, 1024)
    grid = final_side(context.largest_side(64 if context.small else LARGEST_PIXELS))

    def largest(width: float, head: int) -> list[VGGConfig]:
        return [
            VGGConfig(shape=shapes[-1], width=width, classifier_width=head, attention=a, batch_norm=True, grid=grid) for a in ATTENTIONS
        ]

    heads = affordable(heads, FAMILY, context, lambda head: largest(widths[0], head))
    widths = affordable(widths, FAMILY, context, lambda width: largest(width, heads[-1]))
    return VGGConfig(
        shape=trial.suggest_categorical(f"{prefix}.shape", shapes),
        width=trial.suggest_categorical(f"{prefix}.width", widths),
        classifier_width=trial.suggest_categorical(f"{prefix}.classifier_width", heads),
        attention=trial.suggest_categorical(f"{prefix}.attention", tuple(ATTENTIONS)),
        dropout=trial.suggest_float(f"{prefix}.dropout", 0.0, 0.6),
        batch_norm=True,
        grid=final_side(size),
    )


def suggest(trial: BaseTrial, context: SpaceContext) -> TrialConfig:
    """Suggest a complete config. Learning rates end at 1e-2: above, the wide head diverges even with batch normalisation."""
    picture = image(trial, FAMILY, context)
    return TrialConfig(
        family=FAMILY,
        model=suggest_model(trial, FAMILY, context, size=picture.size),
        training=training(trial, FAMILY, context, learning_rates=(1e-4, 1e-2), crop_s=image_crop(trial, FAMILY, context), recipe=True),
        image=picture,
    )


MODEL_DEFAULTS = {
    "full": {"shape": "vgg16", "width": 1.0, "classifier_width": 512, "attention": "none", "dropout": 0.3},
    "small": {"shape": "vgg11", "width": 0.25, "classifier_width": 128, "attention": "none", "dropout": 0.3},
}

SPACE = Space(
    suggest=suggest,
    suggest_model=suggest_model,
    defaults={
        profile: prefixed(FAMILY, IMAGE_DEFAULTS[profile], MODEL_DEFAULTS[profile], IMAGE_TRAINING_DEFAULTS[profile], RECIPE_DEFAULTS)
        for profile in ("full", "small")
    },
)
