"""Pages and reports are made of templates: no markup is written in Python, nothing is escaped by hand, and every template is used."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import analysis

ROOM = Path(analysis.__file__).parent
PLOTLY_TEXT = "dashboard/figures/plotly_text.py"
"""Writes plotly's own markup, which never becomes an element of the page."""
TEMPLATES = sorted(ROOM.rglob("templates/*"))
TAG = re.compile(r"</?[a-z][a-z0-9]*[ >]")


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOM.rglob("*.py")):
        file = path.relative_to(ROOM).as_posix()
        if file != PLOTLY_TEXT:
            yield file, ast.parse(path.read_text(encoding="utf-8"))


def texts(tree: ast.Module) -> Iterator[str]:
    """Yield the texts in the code, docstrings left out."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def test_no_markup_is_written_in_python() -> None:
    found = [(file, text) for file, tree in sources() for text in texts(tree) if TAG.search(text)]
    assert found == []


def test_nothing_is_escaped_by_hand() -> None:
    for file, tree in sources():
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert "html" not in imported, file


def test_every_template_is_used() -> None:
    templates = {path.name for path in TEMPLATES}
    code = "".join(path.read_text(encoding="utf-8") for folder, kind in ((ROOM, "*.py"), (ROOM, "*.html")) for path in folder.rglob(kind))
    assert {name for name in templates if f'"{name}"' not in code} == set()


def test_no_template_turns_escaping_off() -> None:
    for path in TEMPLATES:
        assert not re.search(r"\|\s*safe|autoescape", path.read_text(encoding="utf-8")), path.name
