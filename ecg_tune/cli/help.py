"""How a command's `--help` looks: plain text, its options in groups."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand

from ecg_tune.config.search import GROUPS


class GroupedCommand(TyperCommand):
    """A command whose help lists options under the heading that `rich_help_panel` names; those without one come last."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options group by group."""
        sections: dict[str, list[tuple[str, str]]] = {name: [] for name in ("Arguments", *GROUPS, "Options")}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                is_argument = parameter.param_type_name == "argument"
                group = "Arguments" if is_argument else getattr(parameter, "rich_help_panel", None) or "Options"
                sections[group].append((record[0], plain_notes(record[1])))
        for name, records in sections.items():
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)


def plain_notes(text: str) -> str:
    """Write typer's notes on an option as ours: "[default: 3]  [x>=1]" becomes "[default: 3; range: 1 or more]"."""
    text = re.sub(r"([-\d.]+)<=x<=([-\d.]+)", r"range: \1..\2", text)
    text = re.sub(r"\bx>=([-\d.]+)", r"range: \1 or more", text)
    return re.sub(r"\]\s+\[", "; ", text)
