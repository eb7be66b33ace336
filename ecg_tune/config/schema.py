"""A settings class as a JSON schema (draft 2020-12), for editors and programs that write settings files."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from ecg_tune.config.deprecations import RENAMED
from ecg_tune.config.parsing import to_dict
from ecg_tune.config.search import SearchSettings
from ecg_tune.config.setting import Setting, settings_of

DRAFT = "https://json-schema.org/draft/2020-12/schema"
SIMPLE: Mapping[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}


def search_schema(*, families: Iterable[str] = ()) -> dict[str, Any]:
    """Describe the file that `ecg-tune search --config` reads.

    Args:
        families: The families that are installed; empty allows any name.
    """
    schema = class_schema(SearchSettings, choices={"families": (*families, "all")} if families else {})
    properties = schema["properties"]
    for name in ("families", "minimise"):  # a file may also give one text with commas
        properties[name] = _either({"type": "string"}, properties[name])
    properties["enqueue"] = _either({"type": "string"}, {"type": "object"}, properties["enqueue"])
    properties |= {old: {**properties[new], "deprecated": True, "description": f"Now {new}."} for old, new in RENAMED.items()}
    return {"$schema": DRAFT, "title": "ecg-tune search: settings", **schema}


def class_schema(cls: type, *, choices: Mapping[str, tuple[str, ...]] | None = None) -> dict[str, Any]:
    """Describe a settings class as a JSON object.

    Args:
        cls: A frozen dataclass of settings.
        choices: Field → names allowed, where only the caller knows them.
    """
    specs, hints = settings_of(cls), typing.get_type_hints(cls)
    properties: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        spec = specs.get(field.name, Setting(""))
        if choices and field.name in choices:
            spec = dataclasses.replace(spec, choices=choices[field.name])
        described = _type_schema(hints[field.name], spec)
        properties[field.name] = {"description": spec.help, **described} if spec.help else described
        if (default := _default(field)) is not dataclasses.MISSING:
            properties[field.name]["default"] = default
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _default(field: dataclasses.Field[Any]) -> Any:
    value = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_dict(value)
    return list(value) if isinstance(value, tuple) else value


def _type_schema(hint: Any, spec: Setting) -> dict[str, Any]:
    """Describe one annotated type, with the limits and choices of its field."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _either(*(_type_schema(kind, spec) for kind in args))
    if hint is type(None):
        return {"type": "null"}
    if origin is typing.Literal:
        return {"enum": list(args)}
    if origin is tuple:
        return {"type": "array", "items": _type_schema(args[0], spec)}
    if origin is Mapping:
        return {"type": "object"}
    if dataclasses.is_dataclass(hint):
        return class_schema(typing.cast(type, hint))
    described: dict[str, Any] = {"type": SIMPLE[hint]}
    if spec.limits and hint in (int, float):
        described |= {"minimum": spec.limits[0], "maximum": spec.limits[1]}
    elif spec.choices:
        described["enum"] = list(spec.choices)
    return described


def _either(*schemas: dict[str, Any]) -> dict[str, Any]:
    """Allow any of several schemas; what describes the whole setting stays outside."""
    outside: dict[str, Any] = {}
    inside = []
    for schema in schemas:
        outside |= {name: schema[name] for name in ("description", "default") if name in schema}
        inside.append({name: value for name, value in schema.items() if name not in ("description", "default")})
    return {**outside, "anyOf": inside}
