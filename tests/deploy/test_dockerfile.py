"""`deploy/Dockerfile` offline: its text, hadolint's opinion, and the project built from nothing but what it copies."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """Return (instruction, arguments) in their order, without comments."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0].upper(), " ".join(line.split()[1:])) for line in text.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def copied(instructions) -> list[str]:
    """Return the names in the project's folder that are copied into the image."""
    return [source for name, words in instructions if name == "COPY" for source in words.split()[:-1]]


def test_hadolint_has_no_remark():
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent) or shutil.which("hadolint")
    assert hadolint, "hadolint comes with requirements-dev.txt"
    outcome = subprocess.run([hadolint, "--no-color", DOCKERFILE], capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stdout


def test_the_base_is_one_python_down_to_the_patch_level_and_nothing_is_fetched_by_address(instructions):
    bases = [words for name, words in instructions if name == "FROM"]
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", bases[0])
    assert "ADD" not in {name for name, _ in instructions}
    assert not any("http" in words for _, words in instructions)


def test_it_runs_as_a_user_whom_kubernetes_can_tell_from_root(instructions):
    user = [words for name, words in instructions if name == "USER"][-1]
    assert int(user.split(":")[0]) > 0
    assert [name for name, _ in instructions].index("USER") > max(i for i, (name, _) in enumerate(instructions) if name == "RUN")


def test_it_installs_the_pins_and_then_this_project(instructions):
    installs = [words for name, words in instructions if name == "RUN" and "pip install" in words]
    assert installs == ["pip install --no-cache-dir -r requirements.txt", 'pip install --no-cache-dir ".[postgresql]"']
    assert ("ENV", "RAY_AUTH_MODE=token PYTHONUNBUFFERED=1 RAY_USAGE_STATS_ENABLED=0") in instructions


def test_what_is_copied_exists_and_docker_is_shown_nothing_else(copied):
    assert all((ROOT / name).exists() for name in copied)
    first, *rest = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert first == "*"
    assert sorted(line[1:] for line in rest if line.startswith("!")) == sorted(copied)
    assert [line for line in rest if not line.startswith("!")] == ["**/__pycache__"]


@pytest.mark.slow
def test_the_four_packages_are_built_from_what_is_copied(copied, tmp_path):
    """The image's last `pip install`, from a folder with only the copied files; building needs setuptools and no network."""
    project, wheels = tmp_path / "project", tmp_path / "wheels"
    project.mkdir()
    for name in copied:
        source, target = ROOT / name, project / name
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__")) if source.is_dir() else shutil.copy(source, target)
    flags = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", wheels)
    outcome = subprocess.run([sys.executable, "-m", "pip", "wheel", *flags, project], capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr
    (wheel,) = wheels.glob("ecg_tune-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    packages = {str(Path(name).parent).replace("/", ".") for name in names if name.endswith(".py")}
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    assert packages == listed - {"ecg_tune.templates"}, "that one holds the files of `ecg-tune templates`, and no module"
    sources = {f"{path.relative_to(ROOT)}" for name in copied if (ROOT / name).is_dir() for path in (ROOT / name).rglob("*.py")}
    assert sources == {name for name in names if name.endswith(".py")}, "a module lies in a package that pyproject.toml doesn't list"
    assert {f"{package}/py.typed" for package in ("ecg_tune", "search_spaces", "trainables", "analysis")} <= set(names)
    templates = {f"{path.relative_to(ROOT)}" for path in (ROOT / "analysis").rglob("templates/*")}
    assert templates
    assert templates <= set(names), "a folder of templates is missing in pyproject.toml's package-data"
