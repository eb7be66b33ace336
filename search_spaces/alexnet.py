"""The space of AlexNets on images."""

from __future__ import annotations

from itertools import product

from optuna.trial import BaseTrial

from ecg_tune.config import TrialConfig
from ecg_tune.models.alexnet import AlexNetConfig, final_side
from ecg_tune.models.image_attention import ATTENTIONS
from search_spaces.memory import affordable
from search_spaces.resnet import IMAGE_DEFAULTS, IMAGE_TRAINING_DEFAULTS, SMALL_STEM_PIXELS
from search_spaces.suggestions import RECIPE_DEFAULTS, Space, SpaceContext, image, image_crop, prefixed, training

LARGEST_PIXELS = 224
FAMILY = "alexnet"


def suggest_model(trial: BaseTrial, prefix: str, context: SpaceContext, *, size: int) -> AlexNetConfig:
    """Suggest the network's settings for images of `size` pixels.

    Always with batch normalisation, so that one range of learning rates fits every suggestion, and with a head of at most 1024 units:
    with the published 4096 and Adam's state a checkpoint would be 0.7 GB.
    """
    stem = "small" if size <= SMALL_STEM_PIXELS else "standard"
    widths: tuple[float, ...] = (0.125, 0.25) if context.small else (0.5, 1.0)
    heads: tuple[int, ...] = (64, 128) if context.small else (256, 512, 1024)
    largest_images = ((SMALL_STEM_PIXELS, "small"), (LARGEST_PIXELS, "standard")) if context.images is None else ((size, stem),)
    sides = [(final_side(side, kind), kind) for side, kind in largest_images]

    def largest(width: float, head: int) -> list[AlexNetConfig]:
        kinds = product(ATTENTIONS, sides)
        return [AlexNetConfig(width=width, classifier_width=head, attention=a, batch_norm=True, stem=k, grid=g) for a, (g, k) in kinds]

    heads = affordable(heads, FAMILY, context, lambda head: largest(widths[0], head))
    widths = affordable(widths, FAMILY, context, lambda width: largest(width, heads[-1]))
    return AlexNetConfig(
        width=trial.suggest_categorical(f"{prefix}.width", widths),
        classifier_width=trial.suggest_categorical(f"{prefix}.classifier_width", heads),
        attention=trial.suggest_categorical(f"{prefix}.attention", tuple(ATTENTIONS)),
        dropout=trial.suggest_float(f"{prefix}.dropout", 0.0, 0.6),
        batch_norm=True,
        stem=stem,
        grid=final_side(size, stem),
    )


def suggest(trial: BaseTrial, context: SpaceContext) -> TrialConfig:
    """Suggest a complete config. Learning rates end at 1e-2: nothing normalises the hidden layers of the head."""
    picture = image(trial, FAMILY, context)
    return TrialConfig(
        family=FAMILY,
        model=suggest_model(trial, FAMILY, context, size=picture.size),
        training=training(trial, FAMILY, context, learning_rates=(1e-4, 1e-2), crop_s=image_crop(trial, FAMILY, context), recipe=True),
        image=picture,
    )


MODEL_DEFAULTS = {
    "full": {"width": 1.0, "classifier_width": 1024, "attention": "none", "dropout": 0.3},
    "small": {"width": 0.25, "classifier_width": 128, "attention": "none", "dropout": 0.3},
}

SPACE = Space(
    suggest=suggest,
    suggest_model=suggest_model,
    defaults={
        profile: prefixed(FAMILY, IMAGE_DEFAULTS[profile], MODEL_DEFAULTS[profile], IMAGE_TRAINING_DEFAULTS[profile], RECIPE_DEFAULTS)
        for profile in ("full", "small")
    },
)
