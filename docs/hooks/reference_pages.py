"""The reference of commands and settings as Markdown, from the commands themselves and from the fields of the settings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

import typer
from typer.main import get_command

from ecg_tune.cli.help import plain_notes
from ecg_tune.cli.main import app
from ecg_tune.config import AugmentConfig, DataConfig, ImageConfig, SearchSettings, TrainingConfig
from ecg_tune.config.reference import SettingRow, setting_rows
from ecg_tune.config.search import GROUPS

COMMANDS_HEAD = """# Commands

Written from the commands themselves: the same texts as `ecg-tune COMMAND --help`.

Exit codes: **0** done · **1** the work failed · **2** wrong usage or input (one line on standard error: what is wrong, where, and the
remedy) · **130** interrupted.
"""

SETTINGS_HEAD = """# Settings

Written from the fields of the settings in `ecg_tune/config/`. A search reads them from flags, or from a YAML file given with
`--config` (names as in the first column); a flag wins over the file. A value that is not allowed is refused before anything starts.

`ecg-tune search --schema` prints the JSON schema of that file, for editors that check YAML as you type.
"""

SECTIONS = {
    "Of a search": (SearchSettings, "`ecg-tune search STUDY --config search.yaml`; `preview` and `submit` take the same."),
    "Of a training": (
        TrainingConfig,
        "`training:` in the file for `ecg-tune train FAMILY --config FILE`. In a search the space chooses them.",
    ),
    "Of augmentation": (AugmentConfig, "`training: {augment: …}` in the same file. Everything is off by default."),
    "Of images": (ImageConfig, "`image:` in the same file, for families that see images."),
    "Of data": (DataConfig, "The flags of `ecg-tune data prepare`; they are part of a data set's fingerprint."),
}
"""Heading → (settings, where they are given)."""


def cell(text: Any) -> str:
    """Format a text so that it fits into one cell of a table; leave `code` as it is."""
    parts = re.split(r"(`[^`]*`)", " ".join(str(text).split()))
    return "".join(part if part.startswith("`") else part.replace("|", "\\|").replace("<", "&lt;") for part in parts)


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Write a Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def walk(command: Any, context: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every command that does something, with its context, in the order of the help."""
    if not hasattr(command, "list_commands"):
        yield command, context
        return
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        if not inner.hidden:
            yield from walk(inner, typer.Context(inner, info_name=name, parent=context))


def commands_page() -> str:
    """Write the page of all commands."""
    root = get_command(app)
    own = [parameter for options in grouped_options(root).values() for parameter in options]
    head = [COMMANDS_HEAD, table(["option of `ecg-tune` itself", "what it does"], map(option_row, own))]
    return "\n".join([*head, *(command_section(*pair) for pair in walk(root, typer.Context(root, info_name="ecg-tune")))])


def command_section(command: Any, context: Any) -> str:
    """Write one command: what it does, its usage, its arguments and its options in groups."""
    name = context.command_path.removeprefix("ecg-tune ")
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    parts = [
        f"## {name} {{#{name.replace(' ', '-')}}}\n",
        inspect.cleandoc(command.help or "") + "\n",
        f"```\necg-tune {name} {' '.join(command.collect_usage_pieces(context))}\n```\n",
    ]
    if arguments:
        parts.append(table(["argument", "what it is"], ((code(a.metavar or a.name.upper()), a.help or "") for a in arguments)))
    groups = grouped_options(command)
    for title, options in groups.items():
        parts += [*([f"**{title}**\n"] if len(groups) > 1 else []), table(["option", "what it does"], map(option_row, options))]
    if command.epilog:
        parts.append(f"{cell(command.epilog).replace('Example: ', '**Example:** `', 1)}`\n")
    return "\n".join(parts)


def grouped_options(command: Any) -> dict[str, list[Any]]:
    """Group the options by heading, in the order of `--help`; hidden options are left out."""
    groups: dict[str, list[Any]] = {name: [] for name in GROUPS}
    for parameter in command.params:
        if parameter.param_type_name == "option" and not parameter.hidden:
            groups.setdefault(getattr(parameter, "rich_help_panel", None) or "Options", []).append(parameter)
    return {name: options for name, options in groups.items() if options}


def option_row(option: Any) -> tuple[str, str]:
    """Write one row of the table: the option's flags with its value's name, and its help with default and range."""
    context = typer.Context(typer.main.get_command(app))
    left, right = option.get_help_record(context) or ("", "")
    return code(left), plain_notes(right).replace("[", "\\[")  # else a link to Markdown


def settings_page() -> str:
    """Write the page of all settings."""
    return "\n".join([SETTINGS_HEAD, *(settings_section(title, *section) for title, section in SECTIONS.items())])


def settings_section(title: str, settings: type, where: str) -> str:
    """Write the settings of one class: a table, or one for each group where the class has groups."""
    rows = setting_rows(settings)
    groups = [group for group in (*GROUPS, "") if any(row.group == group for row in rows)]
    parts = [f"## {title}\n", f"{where}\n"]
    for group in groups:
        parts += [f"### {group}\n"] if group else []
        parts.append(settings_table([row for row in rows if row.group == group]))
    return "\n".join(parts)


def settings_table(rows: list[SettingRow]) -> str:
    """Write one table of settings; the column of flags only where there are flags."""
    flags = any(row.flag for row in rows)
    head = ["setting", *(["flag"] if flags else []), "type", "default", "allowed", "what it does"]
    return table(head, ([code(row.name), *([code(row.flag)] if flags else []), row.type, row.default, row.range, row.help] for row in rows))


def code(text: str) -> str:
    """Mark a text as code that stays on one line; nothing stays nothing."""
    return f"`{text}`{{.one-line}}" if text else ""
