"""Settings: declared in `trial` and `search`, read by `parsing`, listed by `schema` and `reference`; classic names in `classic`."""

from ecg_tune.config.classic import Config, as_instance
from ecg_tune.config.deprecations import stored_settings
from ecg_tune.config.parsing import check_choice, check_range, from_dict, nearest, to_dict
from ecg_tune.config.search import SearchSettings
from ecg_tune.config.trial import (
    CLASS_NAMES,
    DROPOUT,
    ENCODERS,
    FAMILY_GROUP,
    HIDDEN_SIZE,
    LABEL_LEVELS,
    LARGEST_SEED,
    LEAD_NAMES,
    MOST_TRIALS,
    NUM_LAYERS,
    PROFILES,
    STORED,
    AugmentConfig,
    DataConfig,
    ImageConfig,
    ModelConfig,
    TrainingConfig,
    TrialConfig,
    inputs_text,
)

__all__ = [
    "CLASS_NAMES",
    "DROPOUT",
    "ENCODERS",
    "FAMILY_GROUP",
    "HIDDEN_SIZE",
    "LABEL_LEVELS",
    "LARGEST_SEED",
    "LEAD_NAMES",
    "MOST_TRIALS",
    "NUM_LAYERS",
    "PROFILES",
    "STORED",
    "AugmentConfig",
    "Config",
    "DataConfig",
    "ImageConfig",
    "ModelConfig",
    "SearchSettings",
    "TrainingConfig",
    "TrialConfig",
    "as_instance",
    "check_choice",
    "check_range",
    "from_dict",
    "inputs_text",
    "nearest",
    "stored_settings",
    "to_dict",
]
