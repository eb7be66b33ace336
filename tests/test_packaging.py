"""What is imported is declared, what is pinned is imported, and the pins meet the ranges."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PACKAGES = ("ecg_tune", "search_spaces", "trainables", "analysis")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTIONS = {"grpc": "grpcio", "sklearn": "scikit-learn", "yaml": "pyyaml"}
"""Where a package to install is named otherwise than its module."""


def declared(requirements: Iterable[str]) -> dict[str, Requirement]:
    """Return requirements by the canonical name of what they install."""
    return {canonicalize_name(requirement.name): requirement for requirement in map(Requirement, requirements)}


def pins() -> dict[str, Requirement]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return declared(words for line in lines if (words := line.partition("#")[0].strip()))


def imported() -> set[str]:
    """Return what the four packages import from others, those imports inside functions included."""
    modules = set()
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(str(node.module).partition(".")[0])
    return {canonicalize_name(DISTRIBUTIONS.get(name, name)) for name in modules - set(PACKAGES) - sys.stdlib_module_names}


def test_what_is_imported_is_declared_and_pinned() -> None:
    wanted = declared([*PROJECT["dependencies"], *(words for extra in PROJECT["optional-dependencies"].values() for words in extra)])
    assert imported() - set(wanted) == set(), "missing in pyproject.toml"
    assert imported() - set(pins()) == set(), "missing in requirements.txt"


def test_what_is_pinned_is_imported() -> None:
    assert set(pins()) - imported() == set()


def test_a_dependency_of_everybody_is_imported() -> None:
    assert set(declared(PROJECT["dependencies"])) - imported() == set()


def test_the_pins_are_exact_and_meet_the_ranges() -> None:
    extras = [words for extra in PROJECT["optional-dependencies"].values() for words in extra]
    for name, wanted in declared([*PROJECT["dependencies"], *extras]).items():
        if name in pins():
            (pin,) = pins()[name].specifier
            assert pin.operator == "==", name
            assert wanted.specifier.contains(pin.version), f"{name}: {pin} is outside {wanted.specifier}"
            assert wanted.extras == pins()[name].extras, name


def test_the_makefile_says_what_each_target_does() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    assert phony.split() == re.findall(r"^([a-z-]+):.* ## \S", text, re.MULTILINE)
