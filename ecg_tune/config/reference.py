"""Settings as rows of a table, for `--help` and the docs."""

from __future__ import annotations

import types
import typing
from typing import Any, NamedTuple

from ecg_tune.config.setting import default_of, flag_of, settings_of


class SettingRow(NamedTuple):
    """One setting, every cell a text.

    Attributes:
        name: The field's name, as in a settings file.
        flag: The flag of the command line; "" when there is none.
        type: E.g. "integer", "number or auto", "names".
        default: The default, in words where the value is None.
        range: The allowed values; "" when any will do.
        help: What it does.
        group: Heading under which it stands; "" when its class has none.
    """

    name: str
    flag: str
    type: str
    default: str
    range: str
    help: str
    group: str


def setting_rows(cls: type) -> list[SettingRow]:
    """List the settings of a class: one row for each field that is declared with `setting`.

    Args:
        cls: `SearchSettings`, `DataConfig`, `ImageConfig`, `AugmentConfig` or `TrainingConfig`.
    """
    hints = typing.get_type_hints(cls)
    return [
        SettingRow(
            name=name,
            flag=flag_of(cls, name),
            type=_type_text(hints[name]),
            default=default_text(cls, name),
            range=spec.allowed,
            help=spec.help,
            group=spec.group,
        )
        for name, spec in settings_of(cls).items()
    ]


def default_text(cls: type, name: str) -> str:
    """Say a setting's default as it is written on the command line, or in words where there is no value."""
    value, spec = default_of(cls, name), settings_of(cls)[name]
    if spec.unset:
        return spec.unset
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def help_text(cls: type, name: str, *, purpose: str = "") -> str:
    """Say what a setting does, with its default and its range, as the help of a flag.

    Args:
        cls: The settings class.
        name: One of its fields.
        purpose: What it does in a command that uses it otherwise; "" takes the setting's own text.
    """
    spec = settings_of(cls)[name]
    notes = [f"default: {default_text(cls, name)}"]
    if spec.allowed:
        notes.append(f"{'range' if spec.limits else 'choices'}: {spec.allowed}")
    return f"{purpose or spec.help}  [{'; '.join(notes)}]"


def _type_text(hint: Any) -> str:
    """Name a type in plain words."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type_text(kind) for kind in args if kind is not type(None))
    if origin is typing.Literal:
        return " or ".join(map(str, args))
    if origin is tuple:
        return "names" if args[0] is str else "list"
    return {bool: "true or false", int: "integer", float: "number", str: "text"}.get(hint, "mapping")
