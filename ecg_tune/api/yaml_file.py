"""Read a YAML file that anybody may have written: the core schema of YAML 1.2, bounded in size, plain names and finite numbers only."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, ClassVar

import yaml

from ecg_tune.errors import ConfigError

LARGEST_BYTES, MOST_VALUES, DEEPEST = 1_000_000, 20_000, 30
"""Of a file: its size, its values once every alias is written out, and how deep they are nested."""
LARGEST_INTEGER, LONGEST_NUMBER = 2**63 - 1, 100
"""An integer's largest value; a number's most characters."""
_TAG = "tag:yaml.org,2002:"
_PLAIN = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}
"""Type → what an unquoted scalar of it looks like (YAML 1.2.2, 10.3.2); anything else is text, so `no` and `1:30` are."""


def read_yaml(path: Path, *, expected: tuple[type, ...] = (dict,)) -> Any:
    """Read a YAML file.

    Args:
        path: The file.
        expected: Types that its content may have.

    Raises:
        ConfigError: Missing, not YAML, too large, not of an expected type; or a name that is no text or comes twice, a number that is not
            finite or beyond 64 bits. Says the line.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ConfigError(f"{path} is a pipe or a device: write the settings into a file")
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
        if len(raw) > LARGEST_BYTES:
            raise ConfigError(f"{path} is larger than {LARGEST_BYTES // 1000} kB: give settings, not data")
        content = yaml.load(raw.decode("utf-8"), _Loader)
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError) as error:  # bytes that are no text, digits that are no number
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise ConfigError(f"{path} is nested more than {DEEPEST} deep: give settings, not data") from error
    if not isinstance(content, expected):
        raise ConfigError(f"{path}: expected names with values, but got {content!r}")
    return content


class _Loader(yaml.SafeLoader):
    """Loads the core schema, and refuses what no setting can be."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # as the base class has it
    yaml_constructors: ClassVar[dict[str | None, Any]] = {None: yaml.SafeLoader.yaml_constructors[None]}

    def get_single_node(self) -> yaml.Node | None:
        """Compose the document, and refuse it before anything is built when it is too large with its aliases written out."""
        node: yaml.Node | None = super().get_single_node()
        if node is not None:
            _count(node, {}, depth=1)
        return node

    def construct_text(self, node: yaml.ScalarNode) -> str:
        """Build a text; no path, name or address holds a NUL."""
        text = str(self.construct_scalar(node))
        if "\0" in text:
            raise _refused(node, "holds a NUL character")
        return text

    def construct_truth(self, node: yaml.ScalarNode) -> bool:
        """Build true or false."""
        text = str(self.construct_scalar(node)).lower()
        if text not in ("true", "false"):
            raise _refused(node, "is neither true nor false")
        return text == "true"

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """Build a finite number of at most 64 bits."""
        kind, text = node.tag.removeprefix(_TAG), str(self.construct_scalar(node))
        if re.fullmatch(_PLAIN[kind], text) and len(text) <= LONGEST_NUMBER and text.lstrip("+-.")[:1].isdigit():
            value = int(text) if kind == "int" else float(text)
            if abs(value) <= (LARGEST_INTEGER if kind == "int" else sys.float_info.max):
                return value
        raise _refused(node, "is no number that a setting can have")

    def construct_names(self, node: yaml.MappingNode) -> dict[str, Any]:
        """Build a mapping; each name is a text and comes once."""
        found: dict[str, Any] = {}
        if not isinstance(node, yaml.MappingNode):
            raise _refused(node, "is no mapping")
        for key, value in node.value:
            name = self.construct_object(key, deep=True) if isinstance(key, yaml.ScalarNode) else None
            if not isinstance(name, str):
                raise _refused(key, "is no name: write it in quotes if it is meant to be one")
            if name in found:
                raise _refused(key, "comes twice: keep one")
            found[name] = self.construct_object(value, deep=True)
        return found

    def construct_items(self, node: yaml.SequenceNode) -> list[Any]:
        """Build a list."""
        if not isinstance(node, yaml.SequenceNode):
            raise _refused(node, "is no list")
        return [self.construct_object(item, deep=True) for item in node.value]


def _count(node: yaml.Node, counted: dict[int, int], *, depth: int) -> int:
    """Count a node's values, those behind aliases each time they are used; a node that holds itself is endless."""
    if depth > DEEPEST:
        raise yaml.YAMLError(f"it is nested more than {DEEPEST} deep: give settings, not data")
    if id(node) not in counted:
        children = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        inner = children if isinstance(node, yaml.CollectionNode) else []
        counted[id(node)] = 1 + sum(_count(child, counted, depth=depth + 1) for child in inner)
    if counted[id(node)] > MOST_VALUES:
        raise yaml.YAMLError(f"it holds more than {MOST_VALUES} values: give settings, not data")
    return counted[id(node)]


def _refused(node: yaml.Node, why: str) -> yaml.YAMLError:
    text = node.value if isinstance(node.value, str) else "a list or mapping"
    return yaml.YAMLError(f"line {node.start_mark.line + 1}: {text[:60]!r} {why}")


for _kind, _pattern in _PLAIN.items():
    _Loader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(rf"(?:{_pattern})\Z"), [*"~nN-+.0123456789tTfF", ""])
_Loader.add_constructor(f"{_TAG}null", lambda loader, node: None)
_Loader.add_constructor(f"{_TAG}bool", _Loader.construct_truth)
_Loader.add_constructor(f"{_TAG}int", _Loader.construct_number)
_Loader.add_constructor(f"{_TAG}float", _Loader.construct_number)
_Loader.add_constructor(f"{_TAG}str", _Loader.construct_text)
_Loader.add_constructor(f"{_TAG}map", _Loader.construct_names)
_Loader.add_constructor(f"{_TAG}seq", _Loader.construct_items)
