"""The settings of training that a search can fix or search beside the families' own parameters, and `training:` of a settings file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from ecg_tune.config.parsing import nearest
from ecg_tune.config.trial import AugmentConfig, TrainingConfig
from ecg_tune.errors import ConfigError

AUGMENT = "augment"
TRAINING_SETTINGS = tuple(
    [field.name for field in fields(TrainingConfig) if field.name not in (AUGMENT, "max_epochs")]
    + [f"{AUGMENT}.{field.name}" for field in fields(AugmentConfig)]
)
"""What a rule may name after the family, e.g. "label_smoothing", "augment.noise". Epochs are the search's own setting."""
WHOLE_NUMBERS = {field.name for field in fields(TrainingConfig) if "int" in str(field.type)}
"""Those that are counted."""


def rules_of_training(training: Mapping[str, Any], families: Iterable[str]) -> dict[str, Any]:
    """Turn `training:` into rules of each family, as `space:` has them.

    Raises:
        ConfigError: An unknown setting of training.
    """
    nested = training.get(AUGMENT, {})
    if not isinstance(nested, Mapping):
        raise ConfigError(f"training: augment must be settings with values, e.g. {{noise: 0.05}}, but got {nested!r}")
    flat = {name: rule for name, rule in training.items() if name != AUGMENT}
    flat |= {f"{AUGMENT}.{name}": rule for name, rule in nested.items()}
    for name in flat:
        if name == "max_epochs":
            raise ConfigError("training: max_epochs is a setting of the search: give --max-epochs, or max_epochs beside training")
        if name not in TRAINING_SETTINGS:
            raise ConfigError(f"training: unknown setting {name!r}: {nearest(name, TRAINING_SETTINGS)}")
    return {f"{family}.{name}": rule for family in families for name, rule in flat.items()}
