"""What is searched, and the defaults that every search tries first."""

from __future__ import annotations

from optuna.trial import BaseTrial

from ecg_tune.config import TrialConfig
from ecg_tune_tiny_tcn.model import TinyTCNConfig
from search_spaces.memory import affordable
from search_spaces.suggestions import TRAINING_DEFAULTS, Space, SpaceContext, crop, prefixed, training

FAMILY = "tiny_tcn"
DEEPEST = {"full": 7, "small": 5}
"""Seven blocks with kernels of 7 samples see 15 s at 100 Hz, a whole record; five see 3.7 s, more than a crop of `small`."""


def suggest_model(trial: BaseTrial, prefix: str, context: SpaceContext) -> TinyTCNConfig:
    """Suggest the network's settings, also for a fusion. The widest of `full` has 0.8 million parameters."""
    widths: tuple[int, ...] = (8, 16, 32) if context.small else (32, 64, 96)
    depth = DEEPEST[context.profile]
    widths = affordable(widths, FAMILY, context, lambda n: [TinyTCNConfig(channels=n, depth=depth, kernel_size=7)])
    return TinyTCNConfig(
        channels=trial.suggest_categorical(f"{prefix}.channels", widths),
        depth=trial.suggest_int(f"{prefix}.depth", 3, depth),
        kernel_size=trial.suggest_categorical(f"{prefix}.kernel_size", (3, 5, 7)),
        dropout=trial.suggest_float(f"{prefix}.dropout", 0.0, 0.5),
    )


def suggest(trial: BaseTrial, context: SpaceContext) -> TrialConfig:
    """Suggest a complete config. With batch normalisation learning rates up to 2e-2 train."""
    return TrialConfig(
        family=FAMILY,
        model=suggest_model(trial, FAMILY, context),
        training=training(trial, FAMILY, context, learning_rates=(3e-4, 2e-2), crop_s=crop(trial, FAMILY, context)),
    )


MODEL_DEFAULTS = {
    "full": {"channels": 64, "depth": 5, "kernel_size": 5, "dropout": 0.1},
    "small": {"channels": 16, "depth": 5, "kernel_size": 5, "dropout": 0.1},
}
SPACE = Space(
    suggest=suggest,
    suggest_model=suggest_model,  # fusions of a search over both families take it as an encoder
    defaults={
        "full": prefixed(FAMILY, MODEL_DEFAULTS["full"], TRAINING_DEFAULTS["full"], {"crop_s": 10.0}),
        "small": prefixed(FAMILY, MODEL_DEFAULTS["small"], TRAINING_DEFAULTS["small"]),
    },
)
