"""The settings of a search as flags: the same for every command that takes them."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from ecg_tune.cli.options import without_none
from ecg_tune.config import SearchSettings
from ecg_tune.config.deprecations import RENAMED, rename_settings, warn_deprecated
from ecg_tune.config.reference import SettingRow, help_text, setting_rows
from ecg_tune.config.setting import flag_of, settings_of

KINDS: Mapping[str, tuple[type, str]] = {"integer": (int, "N"), "number": (float, "X")}
"""Type of a setting, as the reference names it → type and placeholder of its flag; all others are text."""
TEXT = (str, "NAME")
SWITCH = "true or false"
"""Type of a setting whose flag takes no value: `--timing` and `--no-timing`."""


def takes_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command a flag for each setting of a search; it gets those that the user gave as `flags`."""
    own = inspect.signature(command, eval_str=True)
    options = [_option(row) for row in setting_rows(SearchSettings) if row.flag] + [_old_option(name) for name in RENAMED]

    @wraps(command)
    def with_flags(**values: Any) -> None:
        flags = without_none(**{option.name: values.pop(option.name) for option in options})
        flags = rename_settings(flags, lambda old, new: warn_deprecated(_plain_flag(old), flag_of(SearchSettings, new)))
        command(**values, flags=_with_numbers(flags))

    kept = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own.parameters.values() if parameter.name != "flags"]
    with_flags.__signature__ = own.replace(parameters=[*kept, *options])  # type: ignore[attr-defined]
    with_flags.__annotations__ = {parameter.name: parameter.annotation for parameter in (*kept, *options)}
    return with_flags


def _option(row: SettingRow) -> inspect.Parameter:
    """Make the flag of one setting. Its default is None, so that what the user gave can be told from the rest."""
    kind = bool if row.type == SWITCH else KINDS.get(row.type, TEXT)[0]
    annotation: Any = Annotated[kind | None, option_of(SearchSettings, row.name)]
    return inspect.Parameter(row.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def option_of(cls: type, name: str) -> Any:
    """Describe a setting's flag to typer: its name, its help with default and range, its group.

    Args:
        cls: The settings class.
        name: One of its fields that has a flag.
    """
    row = next(row for row in setting_rows(cls) if row.name == name)
    switch = row.type == SWITCH
    return typer.Option(
        f"{row.flag}/--no-{row.flag[2:]}" if switch else row.flag,
        help=help_text(cls, name),
        metavar=None if switch else settings_of(cls)[name].metavar or KINDS.get(row.type, TEXT)[1],
        rich_help_panel=row.group or None,
        show_default=False,
    )


def _old_option(name: str) -> inspect.Parameter:
    """Make the flag of a setting's old name, which `--help` does not show."""
    option = typer.Option(_plain_flag(name), hidden=True)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, option])


def _plain_flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _with_numbers(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Read texts as numbers where a setting takes a number."""
    numbers = {row.name for row in setting_rows(SearchSettings) if row.type.startswith("number")}
    read = dict(flags)
    for name in numbers & flags.keys():
        with suppress(ValueError):
            read[name] = float(flags[name])
    return read


def command_line(name: str, folder: Path, flags: Mapping[str, Any]) -> str:
    """Write a command as the user can give it again."""
    return shlex.join(["ecg-tune", name, str(folder), *flag_words(flags)])


def flag_words(flags: Mapping[str, Any]) -> list[str]:
    """Write settings and other options as words of a command line."""
    settings = settings_of(SearchSettings)
    found: list[str] = []
    for name, value in flags.items():
        option = flag_of(SearchSettings, name) if name in settings else _plain_flag(name)
        found += [option] if value is True else [f"--no-{option[2:]}"] if value is False else [option, str(value)]
    return found
