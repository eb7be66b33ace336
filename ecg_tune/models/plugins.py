"""Families that installed packages bring, found by the entry points of the group `ecg_tune.families`.

A package is imported when its family is first asked for, not before. One that can't be used is refused with a line that names
it; commands that use other families run on, and say that line.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from textwrap import shorten
from typing import Any, TypeVar

import torch

from ecg_tune.config import FAMILY_GROUP, ModelConfig
from ecg_tune.errors import ConfigError
from ecg_tune.models.base import EncoderClassifier
from ecg_tune.models.family import Family

NAME = re.compile(r"[a-z][a-z0-9_]*")
RESERVED = ("all", "family")
"""`--families all`, and the parameter that says which family a trial has."""
LONGEST = 300
"""Characters of a refusal's reason; what a package raises may be long."""

T = TypeVar("T")


class PluginError(ConfigError):
    """A package's family can't be used."""


class Registry(Mapping[str, T]):
    """Built-in entries by family, in their order, then those of the installed packages, by name.

    It holds packages that can be used; asking for another one raises `PluginError`, and `refusals` says why each is left out.

    Args:
        built_in: The entries of the project's own families.
        of_package: Returns the entry of a package's family; whatever it raises refuses the package.
    """

    def __init__(self, built_in: Mapping[str, T], of_package: Callable[[str], T]) -> None:
        self.built_in, self.of_package = built_in, of_package

    def __getitem__(self, family: str) -> T:
        """Look up a family's entry.

        Raises:
            KeyError: There is no such family.
            PluginError: A package has it, but can't be used.
        """
        return self.built_in[family] if family in self.built_in else guarded(family, self.of_package)

    def __iter__(self) -> Iterator[str]:
        yield from self.built_in
        yield from (family for family in sorted(installed()) if family not in self.built_in and self._refusal(family) is None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, family: object) -> bool:
        return family in self.built_in or (family in installed() and self._refusal(str(family)) is None)

    def refusals(self) -> list[str]:
        """Explain in one line each which installed packages can't be used, and why."""
        return [reason for family in sorted(installed()) if (reason := self._refusal(family)) is not None]

    def _refusal(self, family: str) -> str | None:
        if family in self.built_in:
            return f"family {family!r} of {origin_of(family)} takes the name of a built-in family: rename its entry point"
        try:
            guarded(family, self.of_package)
        except PluginError as error:
            return str(error)
        return None


@cache
def installed() -> dict[str, tuple[EntryPoint, ...]]:
    """List the entry points of all installed packages by family, without importing them."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for entry in entry_points(group=FAMILY_GROUP):
        found[entry.name] = (*found.get(entry.name, ()), entry)
    return found


def origin_of(family: str) -> str:
    """Name the package that brings a family, e.g. "ecg-tune-tiny-tcn 0.1.0"."""
    packages = [entry.dist for entry in installed().get(family, ())]
    return " and ".join(f"{package.name} {package.version}" if package else "a package without a name" for package in packages)


def guarded(family: str, of_package: Callable[[str], T]) -> T:
    """Get a family's entry from its package, or refuse the package.

    Raises:
        KeyError: No package has this family.
        PluginError: Names the package, what went wrong in it, and the remedy. Whatever foreign code may raise becomes this.
    """
    if family not in installed():
        raise KeyError(family)
    try:
        return of_package(family)
    except PluginError:
        raise
    except (Exception, SystemExit) as error:
        reason = str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
        text = shorten(reason, LONGEST, placeholder=" …")
        raise PluginError(f"family {family!r} of {origin_of(family)} can't be used: {text}; repair or uninstall that package") from error


def named(reference: str) -> Any:
    """Import an object by its reference, "module:NAME".

    Raises:
        ConfigError: The reference has another form.
    """
    if not re.fullmatch(r"[\w.]+:[\w.]+", reference):
        raise ConfigError(f'expected "module:NAME", but got {reference!r}')
    return EntryPoint(name="", value=reference, group=FAMILY_GROUP).load()


@cache
def family_of_package(family: str) -> Family:
    """Import a package's family and check it as far as that costs nothing: types, and a network without memory.

    Raises:
        ConfigError: The entry point's name, what it names, or a field of it breaks the contract of `Family`.
    """
    entries = installed()[family]
    if len(entries) > 1:
        raise ConfigError("only one package may bring a family: uninstall the others")
    if not NAME.fullmatch(family) or family in RESERVED:
        raise ConfigError(f"an entry point's name must be lower-case letters, digits and _, not {' or '.join(RESERVED)}")
    found = entries[0].load()
    if not isinstance(found, Family):
        raise ConfigError(f"{entries[0].value} must be an ecg_tune.models.Family, but is a {type(found).__name__}")
    _check(found)
    return found


def _check(family: Family) -> None:
    if family.inputs not in ("signal", "image"):
        raise ConfigError(f"inputs must be 'signal' or 'image', but got {family.inputs!r}")
    config = family.config
    if not (isinstance(config, type) and issubclass(config, ModelConfig) and dataclasses.is_dataclass(config)):
        raise ConfigError(f"config must be a subclass of ModelConfig, but is {config!r}")
    if not config.__dataclass_params__.frozen or config is ModelConfig:  # type: ignore[attr-defined]
        raise ConfigError(f"config must be a frozen dataclass of its own: put @dataclass(frozen=True) before {config.__name__}")
    if not family.space:
        raise ConfigError('space is missing: give "module:NAME" of its search_spaces.Space')
    if family.create is None:
        raise ConfigError("create is missing: give the function that makes the network")
    with torch.device("meta"):
        network = family.create(config(), n_inputs=3, n_classes=5)
    if not isinstance(network, EncoderClassifier):
        raise ConfigError(f"create must return an ecg_tune.models.EncoderClassifier, but returns a {type(network).__name__}")
    for attribute, kind in (("n_features", int), ("head", torch.nn.Module)):
        if not isinstance(getattr(network, attribute, None), kind):
            raise ConfigError(f"{type(network).__name__}.{attribute} must be a {kind.__name__}, set in its constructor")
