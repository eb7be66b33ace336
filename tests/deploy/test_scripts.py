"""Every shell script of the project: bash parses it, ShellCheck has no remark."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (".ci", "benchmarks", "deploy", "docs", "examples", "tests")


def scripts() -> list[str]:
    """Return the scripts by their ending or their first line."""
    files = [*ROOT.glob("[!.]*"), *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*"))]
    return sorted(str(file.relative_to(ROOT)) for file in files if file.is_file() and (file.suffix == ".sh" or _starts_bash(file)))


def _starts_bash(file: Path) -> bool:
    with file.open("rb") as content:
        return content.readline().strip() in (b"#!/usr/bin/env bash", b"#!/bin/bash", b"#!/bin/sh")


@pytest.fixture(scope="module")
def shellcheck() -> str:
    found = shutil.which("shellcheck", path=Path(sys.executable).parent) or shutil.which("shellcheck")
    assert found, "shellcheck comes with requirements-dev.txt"
    return found


def test_the_scripts_are_found():
    assert {".ci/run", "deploy/slurm.sh"} <= set(scripts())


@pytest.mark.parametrize("name", scripts())
def test_bash_parses_it_and_shellcheck_has_no_remark(name, shellcheck):
    assert subprocess.run(["bash", "-n", ROOT / name]).returncode == 0
    outcome = subprocess.run([shellcheck, "--color=never", ROOT / name], capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stdout
