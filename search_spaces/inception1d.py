"""The space of inception networks on signals."""

from __future__ import annotations

from optuna.trial import BaseTrial

from ecg_tune.config import TrialConfig
from ecg_tune.models.inception1d import Inception1DConfig
from search_spaces.memory import affordable
from search_spaces.suggestions import CONVOLUTIONAL_DEFAULTS, RECIPE_DEFAULTS, Space, SpaceContext, crop, prefixed, training

FAMILY = "inception1d"


def suggest_model(trial: BaseTrial, prefix: str, context: SpaceContext) -> Inception1DConfig:
    """Suggest the network's settings. At 100 Hz its longest kernels see 0.2 to 0.6 s, up to a whole P-QRS-T."""
    filters: tuple[int, ...] = (8, 16, 24) if context.small else (16, 32, 48, 64)
    deepest = 6 if context.small else 9
    filters = affordable(
        filters, FAMILY, context, lambda n: [Inception1DConfig(filters=n, depth=deepest, kernel_size=59, squeeze_excitation=True)]
    )
    return Inception1DConfig(
        filters=trial.suggest_categorical(f"{prefix}.filters", filters),
        depth=trial.suggest_int(f"{prefix}.depth", 3, deepest, step=3),
        kernel_size=trial.suggest_categorical(f"{prefix}.kernel_size", (19, 39, 59)),
        pool=trial.suggest_categorical(f"{prefix}.pool", (False, True)),
        dropout=trial.suggest_float(f"{prefix}.dropout", 0.0, 0.6),
        squeeze_excitation=trial.suggest_categorical(f"{prefix}.squeeze_excitation", (False, True)),
    )


def suggest(trial: BaseTrial, context: SpaceContext) -> TrialConfig:
    """Suggest a complete config, with the learning rates of the other convolutional families."""
    return TrialConfig(
        family=FAMILY,
        model=suggest_model(trial, FAMILY, context),
        training=training(
            trial,
            FAMILY,
            context,
            learning_rates=(1e-3 if context.small else 3e-4, 3e-2),
            crop_s=crop(trial, FAMILY, context),
            optimizers=("adam", "adamw"),
            recipe=True,
        ),
    )


MODEL_DEFAULTS = {
    "full": {"filters": 32, "depth": 6, "kernel_size": 39, "pool": False, "dropout": 0.3, "squeeze_excitation": False},
    "small": {"filters": 16, "depth": 6, "kernel_size": 39, "pool": True, "dropout": 0.3, "squeeze_excitation": False},
}

SPACE = Space(
    suggest=suggest,
    suggest_model=suggest_model,
    defaults={
        "full": prefixed(FAMILY, MODEL_DEFAULTS["full"], CONVOLUTIONAL_DEFAULTS["full"], RECIPE_DEFAULTS, {"crop_s": 10.0}),
        "small": prefixed(FAMILY, MODEL_DEFAULTS["small"], CONVOLUTIONAL_DEFAULTS["small"], RECIPE_DEFAULTS),
    },
)
