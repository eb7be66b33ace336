"""What a model file's fields may be. A file may come from elsewhere: what is read is checked before anything is built of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from ecg_tune.config import DataConfig

LARGEST = 2**63
LONGEST_S = 3600
"""Of a record that a model file may ask for."""


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _number(value: Any) -> bool:
    """Tell whether a value is a number; NaN stands for what is not known."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) < LARGEST or (isinstance(value, float) and math.isnan(value))


def _text(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and "/" not in value


def _tensors(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(name, str) and isinstance(own, Tensor) for name, own in value.items())


def _sequence(value: Any, length: int) -> bool:
    return isinstance(value, list | tuple) and len(value) == length


def _numbers(value: Any, length: int) -> bool:
    return _sequence(value, length) and all(map(_number, value))


def _rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, Mapping) for row in value)


FIELDS: Mapping[str, Callable[[Any], bool]] = {
    "name": _text,
    "state": _tensors,
    "trial": lambda value: value is None or _count(value),
    "seed": _count,
    "validation_macro_auc": _number,
    "best_epoch": _count,
    "epochs": _count,
    "seconds": _number,
    "n_parameters": _count,
    "history": _rows,
    "trained_on": _text,
    "thresholds": lambda value: isinstance(value, Mapping) and all(map(_text, value)),
    "sensitivity_target": lambda value: _number(value) and 0 < value <= 1,
    "chosen_from": lambda value: isinstance(value, Mapping) and all(_text(name) and _text(own) for name, own in value.items()),
}
"""Field of `SavedModel`, or of an ensemble's file → whether a value is of its type."""

OF_ENSEMBLES = {"sensitivity_target", "chosen_from"}


def check_fields(fields: Mapping[str, Any]) -> None:
    """Make sure that a model file's fields are of their types, and fit together.

    Args:
        fields: Of `SavedModel`.

    Raises:
        ValueError: Says what does not fit.
        KeyError: A fact is missing.
    """
    check_types(fields, [name for name in FIELDS if name not in OF_ENSEMBLES])
    data, n_classes = fields["data"], check_classes(fields["data"])
    if data["leads"] or not fields["config"].stored_images:
        _check_signal_facts(data)
    check_fitted(fields["thresholds"], fields["platt"], n_classes)


def check_types(fields: Mapping[str, Any], names: Iterable[str]) -> None:
    """Make sure that some of the fields in `FIELDS` are of their types.

    Raises:
        ValueError: Says which is not.
        KeyError: One is missing.
    """
    for name in names:
        if not FIELDS[name](fields[name]):
            raise ValueError(f"its {name} is {repr(fields[name])[:60]}")


def check_classes(data: Mapping[str, Any]) -> int:
    """Count the classes of a file's data.

    Raises:
        ValueError: It has none, or one whose name can't be printed.
        KeyError: It does not say.
    """
    names = data["class_names"]
    if not names or not all(isinstance(name, str) and name.isprintable() for name in names):
        raise ValueError("its classes have no proper names")
    return len(names)


def check_fitted(thresholds: Mapping[str, Any], platt: Any, n_classes: int) -> None:
    """Make sure that what was fitted on validation is usable.

    Raises:
        ValueError: Says what is not.
    """
    for rule, values in thresholds.items():
        if not _numbers(values, n_classes) or not all(0 <= value <= 1 for value in values):
            raise ValueError(f"its thresholds {rule!r} are not one number of 0..1 a class")
    if not _sequence(platt, 0) and not (_sequence(platt, n_classes) and all(_numbers(own, 2) and np.isfinite(own).all() for own in platt)):
        raise ValueError("its Platt scaling is not two numbers a class")


def _check_signal_facts(data: Mapping[str, Any]) -> None:
    DataConfig(leads=tuple(data["leads"]), sampling_rate_hz=data["sampling_rate_hz"])
    if type(data["n_samples"]) is not int or not 0 < data["n_samples"] <= LONGEST_S * data["sampling_rate_hz"]:
        raise ValueError(f"its records have {data['n_samples']!r} samples")
    normalisation = data["normalisation"]
    if normalisation["kind"] != "record" and not (normalisation["kind"] == "global" and 0 < normalisation["scale_mv"] < math.inf):
        raise ValueError(f"its signals can't be standardised by {normalisation}")


def check_state(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Compare weights with those of the network that a config asks for.

    Args:
        wanted: Of that network, on the `meta` device.

    Raises:
        ValueError: Names the first that differs.
    """
    for name in [*wanted, *(name for name in state if name not in wanted)]:
        found = [tuple(own[name].shape) if name in own else None for own in (state, wanted)]
        if found[0] != found[1]:
            raise ValueError(f"its weights {name[:80]} have the shape {found[0]}, and the network {found[1]}")
