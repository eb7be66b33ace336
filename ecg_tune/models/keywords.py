"""Make networks from a config or, as scripts do it, from keywords: `create_bigru(hidden_size=64, num_classes=5)`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ecg_tune.config import Config, ModelConfig, check_range, from_dict, nearest
from ecg_tune.errors import ConfigError
from ecg_tune.models.base import EncoderClassifier

N = TypeVar("N", bound=EncoderClassifier)
C = TypeVar("C", bound=ModelConfig)
Classic = Config | type[Config]
"""Settings under their classic names: a subclass of `Config` or an instance."""


def create_network(
    network: Callable[..., N],
    kind: type[ModelConfig],
    config: ModelConfig | Classic | None,
    keywords: Mapping[str, Any],
    *,
    n_inputs: int,
    n_classes: int | None,
) -> N:
    """Make a network from its config, or from keywords.

    Args:
        network: Makes it: `network(config, n_inputs=…, n_classes=…)`.
        kind: Class of the config.
        config: An object of this class; or a subclass or an instance of `Config`, whose values are the defaults of the keywords.
        keywords: Fields of the config, and `num_classes`, the classic name of `n_classes`. None stands for the default.
        n_classes: None for `Config.NUM_CLASSES`.

    Raises:
        ConfigError: A config and keywords, an unknown keyword (with the nearest one), or a value out of range.
    """
    own, values, n_classes = read_keywords(kind, config, keywords, n_classes=n_classes)
    _check_count("n_inputs", n_inputs)
    settings = own or from_dict(kind, values)
    made = network(settings, n_inputs=n_inputs, n_classes=n_classes)
    made.config = settings
    return made


def read_keywords(
    kind: type[C], config: ModelConfig | Classic | None, keywords: Mapping[str, Any], *, n_classes: int | None
) -> tuple[C | None, dict[str, Any], int]:
    """Check a factory's arguments, see `create_network`.

    Returns:
        The config that was given, the fields for another one, with those of `Config` filled in, and the number of classes.
    """
    defaults: Classic = Config
    if isinstance(config, Config) or (isinstance(config, type) and issubclass(config, Config)):
        defaults, config = config, None
    fields = [field.name for field in dataclasses.fields(kind)]
    values = {name: value for name, value in keywords.items() if value is not None}
    n_classes = values.pop("num_classes", n_classes)
    n_classes = defaults.NUM_CLASSES if n_classes is None else n_classes
    _check_count("num_classes", n_classes)
    if config is not None and not isinstance(config, kind):
        raise ConfigError(f"config must be a {kind.__name__}, but got {config!r}: name the value, e.g. dropout=0.3")
    if config is not None and values:
        raise ConfigError(f"give a config or keywords, not both: got a {kind.__name__} and {', '.join(values)}")
    for name in values:
        if name not in fields:
            raise ConfigError(f"unknown keyword {name!r}: {nearest(name, [*fields, 'num_classes'])}")
    recurrent = {"hidden_size": defaults.HIDDEN_SIZE, "num_layers": defaults.NUM_LAYERS} if "num_layers" in fields else {}
    return config, {"dropout": defaults.DROPOUT, **recurrent, **values}, n_classes


def fixed(keywords: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    """Add to keywords the values that a factory's name stands for, e.g. attention="cbam".

    Raises:
        ConfigError: One of them was given.
    """
    for name, value in values.items():
        if name in keywords:
            raise ConfigError(f"this factory stands for {name}={value!r}: leave {name} out, or take another factory")
    return {**keywords, **values}


def _check_count(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConfigError(f"{name} must be a whole number, but got {name}={value!r}")
    check_range(name, value, 1, 10_000)
