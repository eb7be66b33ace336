"""The space of plain convolutional networks on signals."""

from __future__ import annotations

from optuna.trial import BaseTrial

from ecg_tune.config import TrialConfig
from ecg_tune.models.cnn1d import CNN1DConfig
from search_spaces.memory import affordable
from search_spaces.suggestions import CONVOLUTIONAL_DEFAULTS, Space, SpaceContext, crop, prefixed, training

FAMILY = "cnn1d"


def suggest_model(trial: BaseTrial, prefix: str, context: SpaceContext) -> CNN1DConfig:
    """Suggest the network's settings. Six halvings of 10 s leave 16 steps; kernels of 3 to 15 samples see 30 to 150 ms, a QRS complex."""
    depth = 5 if context.small else 6
    filters: tuple[int, ...] = (8, 16, 32) if context.small else (16, 32, 64)
    filters = affordable(filters, FAMILY, context, lambda n: [CNN1DConfig(filters=n, depth=depth, kernel_size=15)])
    return CNN1DConfig(
        filters=trial.suggest_categorical(f"{prefix}.filters", filters),
        depth=trial.suggest_int(f"{prefix}.depth", 2, depth),
        kernel_size=trial.suggest_categorical(f"{prefix}.kernel_size", (3, 5, 7, 11, 15)),
        dropout=trial.suggest_float(f"{prefix}.dropout", 0.0, 0.6),
    )


def suggest(trial: BaseTrial, context: SpaceContext) -> TrialConfig:
    """Suggest a complete config. With batch normalisation learning rates up to 3e-2 train; published one-cycle recipes peak at 1e-2."""
    return TrialConfig(
        family=FAMILY,
        model=suggest_model(trial, FAMILY, context),
        training=training(
            trial, FAMILY, context, learning_rates=(3e-4, 3e-2), crop_s=crop(trial, FAMILY, context), optimizers=("adam", "adamw")
        ),
    )


MODEL_DEFAULTS = {
    "full": {"filters": 32, "depth": 4, "kernel_size": 7, "dropout": 0.3},
    "small": {"filters": 32, "depth": 4, "kernel_size": 7, "dropout": 0.3},
}

SPACE = Space(
    suggest=suggest,
    suggest_model=suggest_model,
    defaults={
        "full": prefixed(FAMILY, MODEL_DEFAULTS["full"], CONVOLUTIONAL_DEFAULTS["full"], {"crop_s": 10.0}),
        "small": prefixed(FAMILY, MODEL_DEFAULTS["small"], CONVOLUTIONAL_DEFAULTS["small"]),
    },
)
