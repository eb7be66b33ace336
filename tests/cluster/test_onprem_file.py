"""`deploy/cluster-onprem.yaml` against Ray's own schema, and what it must and must not say; needs no hosts."""

from __future__ import annotations

import copy
import tomllib
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from .hosts import ROOT
from .onprem import FILE


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return loaded


def test_rays_schema_accepts_it(config: dict[str, Any]) -> None:
    prepared = prepare_config(copy.deepcopy(config))
    validate_config(prepared)  # raises on anything that the schema doesn't know
    assert prepared["max_workers"] == len(config["provider"]["worker_ips"])


def test_its_walk_through_is_short() -> None:
    lines = FILE.read_text().splitlines()
    assert next(number for number, line in enumerate(lines) if not line.startswith("#")) <= 12


def test_every_machine_installs_the_pins_and_this_project(config: dict[str, Any]) -> None:
    commands = " ".join(config["setup_commands"])
    assert "-r ~/ecg-tune/requirements.txt" in commands
    assert "--no-deps -e ~/ecg-tune" in commands
    assert "worker_setup_commands" not in config


def test_it_carries_everything_that_the_install_reads(config: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = {package.partition(".")[0] for package in project["tool"]["setuptools"]["packages"]}
    needed |= {"pyproject.toml", "requirements.txt", project["project"]["readme"], *project["project"]["license-files"]}
    carried = {local for local in config["file_mounts"].values() if not local.startswith("~")}
    assert carried == needed
    assert all((ROOT / local).exists() for local in carried)


def test_only_a_token_lets_in_and_the_dashboard_stays_on_loopback(config: dict[str, Any]) -> None:
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert any("RAY_AUTH_MODE=token" in command for command in config["setup_commands"])
    starts = [command for kind in ("head", "worker") for command in config[f"{kind}_start_ray_commands"] if "ray start" in command]
    assert len(starts) == 2
    assert "--dashboard-host=127.0.0.1" in starts[0]
    assert "0.0.0.0" not in FILE.read_text()
