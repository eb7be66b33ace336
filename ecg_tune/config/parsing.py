"""Turn settings into plain data and back, and check their values.

`from_dict` builds a frozen settings class from YAML, JSON or a checkpoint and refuses unknown keys with the nearest valid
one. It is our own and not pydantic, because checkpoints are read where only torch and numpy are installed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from ecg_tune.errors import ConfigError

T = TypeVar("T")


MOST_LISTED, N_NEAREST = 8, 3
"""Valid names that an error lists; of more it names the nearest."""


def nearest(name: object, valid: Iterable[str]) -> str:
    """Suggest the valid name that is nearest to `name`, and list all of them, or of many the nearest."""
    name, names = str(name), sorted(valid)
    close = [full for full in names if _abbreviates(name, full)][:1] or difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    if len(names) <= MOST_LISTED:
        return f"{hint}valid: {', '.join(names)}"
    return f"{hint}{len(names)} names are valid, e.g. {', '.join(difflib.get_close_matches(name, names, n=N_NEAREST, cutoff=0.0))}"


def _abbreviates(name: str, full: str) -> bool:
    """Return whether a name has the initials of another's words, e.g. "cnn1d.lr" those of "cnn1d.learning_rate"."""
    (place, _, short), (of, _, words) = name.rpartition("."), full.rpartition(".")
    return "_" in words and place == of and short.lower() == "".join(word[:1] for word in words.split("_"))


def check_choice(name: str, value: str, valid: Iterable[str]) -> None:
    """Raise `ConfigError` unless `value` is one of `valid`."""
    if value not in set(valid):
        raise ConfigError(f"unknown {name} {value!r}: {nearest(str(value), valid)}")


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise `ConfigError` unless low <= value <= high (NaN is refused)."""
    if not low <= value <= high:
        least, most = (str(limit) if isinstance(limit, int) else f"{limit:g}" for limit in (low, high))
        raise ConfigError(f"{name} must be {least}..{most}, but got {name}={value!r}")


def to_dict(config: Any) -> dict[str, Any]:
    """Turn a frozen settings object into plain data that JSON and `torch.save` can hold (tuples become lists)."""
    return typing.cast(dict[str, Any], _plain(dataclasses.asdict(config)))


def from_dict(cls: type[T], data: Mapping[str, Any], *, where: str = "") -> T:
    """Build a settings object from plain data.

    Args:
        cls: A frozen dataclass of settings; nested ones are built too.
        data: Keys are field names; missing ones take their default.
        where: What to call the source in messages, e.g. a file name.

    Raises:
        ConfigError: Unknown key (with the nearest valid one), missing key, or a value of the wrong type or range.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where or cls.__name__}: expected names with values, but got {data!r}")
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    prefix = f"{where}: " if where else ""
    for key in data:
        if key not in fields:
            raise ConfigError(f"{prefix}unknown setting {key!r}: {nearest(str(key), fields)}")
    hints = typing.get_type_hints(cls)
    try:
        return cls(**{key: _value(hints[key], value, f"{prefix}{key}") for key, value in data.items()})
    except TypeError as error:
        raise ConfigError(f"{prefix}{error}") from error


def _value(hint: Any, value: Any, where: str) -> Any:
    """Convert `value` to the annotated type, or raise `ConfigError`."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _one_of([kind for kind in args if kind is not type(None)], value, where)
    if origin is typing.Literal:
        if value not in args:
            raise ConfigError(f"{where}: expected {_shown(hint)}, but got {value!r}")
        return value
    if dataclasses.is_dataclass(hint):
        return value if isinstance(value, typing.cast(type, hint)) else from_dict(typing.cast(type, hint), value, where=where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where}: expected a list, but got {value!r}")
        return tuple(_value(args[0], item, where) for item in value)
    if origin is Mapping:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: expected names with values, but got {value!r}")
        return dict(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and (not isinstance(value, hint) or (hint is int and isinstance(value, bool))):
        raise ConfigError(f"{where}: expected {hint.__name__}, but got {value!r}")
    return value


def _one_of(kinds: list[Any], value: Any, where: str) -> Any:
    """Convert `value` to the first of several types that takes it."""
    if len(kinds) == 1:
        return _value(kinds[0], value, where)
    for kind in kinds:
        with contextlib.suppress(ConfigError):
            return _value(kind, value, where)
    raise ConfigError(f"{where}: expected {' or '.join(map(_shown, kinds))}, but got {value!r}")


def _shown(hint: Any) -> str:
    """Write a type's name as messages show it."""
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(map(repr, typing.get_args(hint)))
    return str(getattr(hint, "__name__", hint))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def split_commas(text: str) -> tuple[str, ...]:
    """Split a comma-separated list; spaces and empty parts are dropped."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
