"""The space of plain convolutional networks on signals."""

from __future__ import annotations

from optuna.trial import BaseTrial

from ecg_tune.config import TrialConfig
from ecg_tune.models.cnn1d import CNN1DConfig
from search_spaces.memory import affordable
from search_spaces.suggestions import (
    CONVOLUTIONAL_DEFAULTS,
    NO_SQUEEZE_OR_DILATION,
    RECIPE_DEFAULTS,
    Space,
    SpaceContext,
    crop,
    prefixed,
    squeeze_and_dilation,
    training,
)

FAMILY = "cnn1d"


def suggest_model(trial: BaseTrial, prefix: str, context: SpaceContext) -> CNN1DConfig:
    """Suggest the network's settings. Six halvings of 10 s leave 16 steps; kernels of 3 to 15 samples see 30 to 150 ms, a QRS complex.

    In `small` two layers are too few: 9 of 17 recorded configs stayed below 0.80, and none was among the best quarter.
    """
    depth = 5 if context.small else 6
    filters: tuple[int, ...] = (8, 16, 32) if context.small else (16, 32, 64)
    gates = context.version >= 2
    filters = affordable(
        filters, FAMILY, context, lambda n: [CNN1DConfig(filters=n, depth=depth, kernel_size=15, squeeze_excitation=gates)]
    )
    return CNN1DConfig(
        filters=trial.suggest_categorical(f"{prefix}.filters", filters),
        depth=trial.suggest_int(f"{prefix}.depth", 3 if context.small and context.version >= 2 else 2, depth),
        kernel_size=trial.suggest_categorical(f"{prefix}.kernel_size", (3, 5, 7, 11, 15)),
        dropout=trial.suggest_float(f"{prefix}.dropout", 0.0, 0.6),
        **squeeze_and_dilation(trial, prefix, context),
    )


def suggest(trial: BaseTrial, context: SpaceContext) -> TrialConfig:
    """Suggest a complete config. With batch normalisation learning rates up to 3e-2 train; published one-cycle recipes peak at 1e-2.

    In `small` they begin at 1e-3: of 82 recorded random configs 13 stayed below 0.80, 11 of them below this rate or 3 layers deep or less.
    """
    lowest = 1e-3 if context.small and context.version >= 2 else 3e-4
    return TrialConfig(
        family=FAMILY,
        model=suggest_model(trial, FAMILY, context),
        training=training(
            trial,
            FAMILY,
            context,
            learning_rates=(lowest, 3e-2),
            crop_s=crop(trial, FAMILY, context),
            optimizers=("adam", "adamw"),
            recipe=True,
        ),
    )


MODEL_DEFAULTS = {
    "full": {"filters": 32, "depth": 4, "kernel_size": 7, "dropout": 0.3, **NO_SQUEEZE_OR_DILATION},
    "small": {"filters": 32, "depth": 4, "kernel_size": 7, "dropout": 0.3, **NO_SQUEEZE_OR_DILATION},
}

STRONG_AUGMENTATION = {"augmentation": "strong"}
"""Measured for `small` over ten seeds, five of them after the choice: docs/results/recipe.md. `resnet1d` gained nothing by it."""

SPACE = Space(
    suggest=suggest,
    suggest_model=suggest_model,
    defaults={
        "full": prefixed(FAMILY, MODEL_DEFAULTS["full"], CONVOLUTIONAL_DEFAULTS["full"], RECIPE_DEFAULTS, {"crop_s": 10.0}),
        "small": prefixed(FAMILY, MODEL_DEFAULTS["small"], CONVOLUTIONAL_DEFAULTS["small"], RECIPE_DEFAULTS, STRONG_AUGMENTATION),
    },
)
