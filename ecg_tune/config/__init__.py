"""Settings: declared in `trial` and `search`, read by `parsing`, listed by `schema` and `reference`; classic names in `classic`."""

from ecg_tune.config.classic import Config
from ecg_tune.config.parsing import check_choice, check_range, from_dict, nearest, to_dict
from ecg_tune.config.search import SearchSettings, stored_settings
from ecg_tune.config.trial import (
    CLASS_NAMES,
    ENCODERS,
    FAMILY_GROUP,
    LABEL_LEVELS,
    LEAD_NAMES,
    PROFILES,
    AugmentConfig,
    DataConfig,
    ImageConfig,
    ModelConfig,
    TrainingConfig,
    TrialConfig,
)

__all__ = [
    "CLASS_NAMES",
    "ENCODERS",
    "FAMILY_GROUP",
    "LABEL_LEVELS",
    "LEAD_NAMES",
    "PROFILES",
    "AugmentConfig",
    "Config",
    "DataConfig",
    "ImageConfig",
    "ModelConfig",
    "SearchSettings",
    "TrainingConfig",
    "TrialConfig",
    "check_choice",
    "check_range",
    "from_dict",
    "nearest",
    "stored_settings",
    "to_dict",
]
