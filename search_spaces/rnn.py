"""The space of recurrent networks."""

from __future__ import annotations

from optuna.trial import BaseTrial

from ecg_tune.config import TrialConfig
from ecg_tune.models.rnn import RNNConfig
from search_spaces.memory import affordable
from search_spaces.suggestions import RECIPE_DEFAULTS, TRAINING_DEFAULTS, Space, SpaceContext, crop, prefixed, training

FAMILY = "rnn"


def suggest_model(trial: BaseTrial, prefix: str, context: SpaceContext) -> RNNConfig:
    """Suggest the network's settings. `full` goes to 2 x 256 units, the widest that published PTB-XL baselines use."""
    sizes: tuple[int, ...] = (16, 32, 64) if context.small else (64, 128, 192, 256)
    layers = 2 if context.small else 3
    sizes = affordable(sizes, FAMILY, context, lambda size: [RNNConfig(cell="lstm", attention=True, hidden_size=size, num_layers=layers)])
    return RNNConfig(
        cell=trial.suggest_categorical(f"{prefix}.cell", ("gru", "lstm")),
        bidirectional=trial.suggest_categorical(f"{prefix}.bidirectional", (True, False)),
        attention=trial.suggest_categorical(f"{prefix}.attention", (False, True)),
        hidden_size=trial.suggest_categorical(f"{prefix}.hidden_size", sizes),
        num_layers=trial.suggest_int(f"{prefix}.num_layers", 1, layers),
        dropout=trial.suggest_float(f"{prefix}.dropout", 0.0, 0.6),
    )


def suggest(trial: BaseTrial, context: SpaceContext) -> TrialConfig:
    """Suggest a complete config. Above a rate of 1e-2 recurrent networks diverge with Adam, below 1e-4 no budget here is enough."""
    return TrialConfig(
        family=FAMILY,
        model=suggest_model(trial, FAMILY, context),
        training=training(trial, FAMILY, context, learning_rates=(1e-4, 1e-2), crop_s=crop(trial, FAMILY, context), recipe=True),
    )


MODEL_DEFAULTS = {
    "full": {"cell": "gru", "bidirectional": True, "attention": False, "hidden_size": 128, "num_layers": 2, "dropout": 0.3},
    "small": {"cell": "gru", "bidirectional": True, "attention": False, "hidden_size": 32, "num_layers": 2, "dropout": 0.3},
}

SPACE = Space(
    suggest=suggest,
    suggest_model=suggest_model,
    defaults={
        "full": prefixed(FAMILY, MODEL_DEFAULTS["full"], TRAINING_DEFAULTS["full"], RECIPE_DEFAULTS, {"crop_s": 10.0}),
        "small": prefixed(FAMILY, MODEL_DEFAULTS["small"], TRAINING_DEFAULTS["small"], RECIPE_DEFAULTS),
    },
)
