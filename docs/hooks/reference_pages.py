"""The reference of commands and settings as Markdown, from the commands themselves and from the fields of the settings."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

import typer
from typer.main import get_command

from ecg_tune.cli.main import app
from ecg_tune.config import AugmentConfig, DataConfig, ImageConfig, SearchSettings, TrainingConfig

COMMANDS_HEAD = """# Commands

Written from the commands themselves: the same texts as `ecg-tune COMMAND --help`.

Exit codes: **0** done · **1** the work failed · **2** wrong usage or input (one line on standard error: what is wrong, where, and the
remedy) · **130** interrupted.
"""

SETTINGS_HEAD = """# Settings

Written from the fields of the settings in `ecg_tune/config/`. A search reads them from flags, or from a YAML file given with
`--config` (the same names, with `_` instead of `-`); a flag wins over the file. A value out of range is refused before anything starts.
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
    """Return a text that stands in one cell of a table."""
    words = " ".join(str(text).split()).replace("|", "\\|")
    return re.sub(r"<(?=[^`]*(?:`[^`]*`[^`]*)*$)", "&lt;", words)  # not inside `code`


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a Markdown table."""
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
    head = [COMMANDS_HEAD, table(["option of `ecg-tune` itself", "what it does"], map(option_row, root.params))]
    return "\n".join([*head, *(command_section(*pair) for pair in walk(root, typer.Context(root, info_name="ecg-tune")))])


def command_section(command: Any, context: Any) -> str:
    """Write one command: what it does, its usage, its arguments and its options in groups."""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    groups: dict[str, list[Any]] = {}
    for option in command.params:
        if option.param_type_name == "option" and not option.hidden:
            groups.setdefault(getattr(option, "rich_help_panel", None) or "Options", []).append(option)
    path = context.command_path
    usage = f"```\n{path} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    parts = [
        f"## {path.removeprefix('ecg-tune ')} {{#{path.removeprefix('ecg-tune ').replace(' ', '-')}}}\n",
        inspect.cleandoc(command.help or "") + "\n",
        usage,
    ]
    if arguments:
        parts.append(table(["argument", "what it is"], ((f"`{a.metavar or a.name.upper()}`", a.help or "") for a in arguments)))
    for name, options in groups.items():
        title = name if len(groups) > 1 else ""
        parts += [*([f"**{title}**\n"] if title else []), table(["option", "what it does"], map(option_row, options))]
    if command.epilog:
        parts.append(f"{cell(command.epilog).replace('Example: ', '**Example:** `', 1)}`\n")
    return "\n".join(parts)


def option_row(option: Any) -> tuple[str, str]:
    """Return an option's flags with its value's name, and its help with default and range."""
    context = typer.Context(typer.main.get_command(app))
    left, right = option.get_help_record(context) or ("", "")
    return f"`{left}`", right.replace("[", "\\[")  # else a link to Markdown


def settings_page() -> str:
    """Write the page of all settings."""
    return "\n".join([SETTINGS_HEAD, *(settings_section(title, *what) for title, what in SECTIONS.items())])


def settings_section(title: str, settings: Any, where: str) -> str:
    """Write the table of one settings class."""
    helps = attribute_texts(settings.__doc__ or "")
    rows = (
        (f"`{field.name}`", default_text(field), field.metadata.get("help") or helps.get(field.name, ""))
        for field in dataclasses.fields(settings)
    )
    return f"## {title}\n\n{where}\n\n{table(['setting', 'default', 'what it does'], rows)}"


def attribute_texts(docstring: str) -> dict[str, str]:
    """Return name → text of a Google docstring's `Attributes:`."""
    _, _, attributes = inspect.cleandoc(docstring).partition("Attributes:\n")
    return dict(re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", attributes, flags=re.MULTILINE))


def default_text(field: dataclasses.Field[Any]) -> str:
    """Return a field's default as a user would write it; nothing where there is none."""
    value = field.default if field.default is not dataclasses.MISSING else None
    if value is None or value == () or isinstance(value, dict):
        return ""
    if isinstance(value, tuple):
        return f"`{','.join(map(str, value))}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
