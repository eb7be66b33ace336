"""A setting is one field of a settings class: default, allowed values and help stand in one place.

The check of values, the flags of the commands, the JSON schema and the table in the docs are all derived from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecg_tune.config.parsing import check_choice, check_range
from ecg_tune.errors import ConfigError

ABOVE_ZERO = 1e-6
"""Lower limit of a value that must be more than 0."""
UNBOUNDED = 1e5
"""From here on an upper limit is a guard against slips of the pen; help texts leave it out."""


@dataclass(frozen=True)
class Setting:
    """What a settings class knows of a field, beside its name, type and default.

    Attributes:
        help: What it does, for somebody who has never seen it.
        limits: Lowest and highest value, both allowed; of a list, of each item. None: not a number.
        choices: The values allowed; of a list, for each item. With `limits` too, a number or one of these. Empty: any.
        unset: What is used when the value is None, shown as the default.
        unit: Unit of `choices` that are numbers, for messages.
        label: What messages call it; "" takes the field's name.
        group: Heading in `--help` and in the docs.
        metavar: Placeholder of the value in `--help`; "" takes the type.
        flag: The flag's name without dashes; "" takes the field's name. None: there is no flag, only files hold it.
    """

    help: str
    limits: tuple[float, float] | None = None
    choices: tuple[str | int, ...] = ()
    unset: str = ""
    unit: str = ""
    label: str = ""
    group: str = ""
    metavar: str = ""
    flag: str | None = None

    @property
    def allowed(self) -> str:
        """Describe the allowed values in a few words, e.g. "2..100" or "tpe, gp"; "" when any will do."""
        parts = [limits_text(*self.limits)] if self.limits else []
        return " or ".join([*parts, ", ".join(map(str, self.choices))] if self.choices else parts)


def setting(default: Any, help: str, *, factory: Callable[[], Any] | None = None, **more: Any) -> Any:
    """Declare a field of a settings class.

    Args:
        default: Its default, when there is no `factory`.
        help: See `Setting`.
        factory: Makes the default anew for each instance.
        more: Further attributes of `Setting`.
    """
    metadata = {"setting": Setting(help, **more)}
    if factory is not None:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def settings_of(cls: type) -> Mapping[str, Setting]:
    """Map the fields of a settings class to what is known of them, in the order of the class."""
    return {field.name: field.metadata["setting"] for field in dataclasses.fields(cls) if "setting" in field.metadata}


def default_of(cls: type, name: str) -> Any:
    """Look up the default of a field."""
    field = next(field for field in dataclasses.fields(cls) if field.name == name)
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def flag_of(cls: type, name: str) -> str:
    """Spell a setting as a flag, e.g. `--max-epochs`; "" when it has none."""
    flag = settings_of(cls)[name].flag
    return "" if flag is None else "--" + (flag or name).replace("_", "-")


def check_settings(config: Any) -> None:
    """Check each value of a settings object against its field's limits and choices; None is always allowed.

    Raises:
        ConfigError: A value that is not allowed, named with what is.
    """
    for name, spec in settings_of(type(config)).items():
        value = getattr(config, name)
        for item in value if isinstance(value, tuple) else (value,):
            if item is not None:
                _check(spec.label or name, item, spec)


def check_different(name: str, values: Sequence[str], *, may_be_empty: bool = False) -> None:
    """Raise `ConfigError` when a name is given twice, or none where one must be."""
    if len(set(values)) != len(values) or not (values or may_be_empty):
        how_many = "" if may_be_empty else "one or more "
        raise ConfigError(f"{name} must be {how_many}different names, but got {','.join(values)!r}")


def limits_text(low: float, high: float) -> str:
    """Say a range in words that fit into a help text."""
    lower = "more than 0" if low == ABOVE_ZERO else f"{low:g}"
    if high >= UNBOUNDED:
        return lower if low == ABOVE_ZERO else f"{lower} or more"
    return f"{lower}, at most {high:g}" if low == ABOVE_ZERO else f"{lower}..{high:g}"


def _check(label: str, value: Any, spec: Setting) -> None:
    if spec.choices and spec.limits and isinstance(value, str):
        if value not in spec.choices:
            raise ConfigError(f"{label} must be {spec.allowed}, but got {value!r}")
    elif spec.limits:
        check_range(label, value, *spec.limits)
    elif spec.choices and isinstance(spec.choices[0], int):
        if value not in spec.choices:
            allowed = " or ".join(map(str, spec.choices))
            raise ConfigError(f"{label} must be {allowed}{' ' if spec.unit else ''}{spec.unit}, but got {value}")
    elif spec.choices:
        check_choice(label, value, [str(choice) for choice in spec.choices])
