"""`cluster.yaml` and `deploy/cluster-onprem.yaml` against Ray's own schema, and what they must and must not say."""

from __future__ import annotations

import copy
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

ROOT = Path(__file__).parents[2]
FILES = ("cluster.yaml", "deploy/cluster-onprem.yaml")


def load(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text())


@pytest.fixture(params=FILES)
def cluster(request: pytest.FixtureRequest) -> dict[str, Any]:
    return load(request.param)


def starts(cluster: dict[str, Any]) -> tuple[str, str]:
    """Return the two commands that start Ray: the head's, a worker's."""
    (head,) = (line for line in cluster["head_start_ray_commands"] if "ray start" in line)
    (worker,) = (line for line in cluster["worker_start_ray_commands"] if "ray start" in line)
    return head, worker


def prepared(cluster: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration as Ray fills it in."""
    from ray.autoscaler._private.util import prepare_config

    return prepare_config(copy.deepcopy(cluster))


def test_rays_schema_accepts_it(cluster, monkeypatch):
    from ray.autoscaler._private.util import validate_config

    monkeypatch.chdir(ROOT)  # file mounts are relative to it
    validate_config(prepared(cluster))  # raises on anything that the schema doesn't know


def test_every_ray_asks_for_the_token_that_every_node_is_given(cluster):
    assert cluster["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert "chmod 600 ~/.ray/auth_token" in cluster["setup_commands"]
    (written,) = (command for command in cluster["setup_commands"] if "> ~/.ray/cluster.env" in command)
    assert " RAY_AUTH_MODE=token " in written
    assert "grep -qs cluster.env ~/.bashrc || echo '. ~/.ray/cluster.env' >> ~/.bashrc" in cluster["setup_commands"]


def test_the_dashboard_stays_on_loopback_and_nothing_is_opened(cluster):
    head, worker = starts(cluster)
    assert "--dashboard-host=127.0.0.1" in head
    assert "dashboard" not in worker
    assert "0.0.0.0" not in yaml.safe_dump(cluster)


def test_every_node_gets_the_pins_and_all_packages_of_this_project(cluster):
    commands = " ".join(prepared(cluster)["setup_commands"])
    assert "-r ~/ecg-tune/requirements.txt" in commands
    assert "--no-deps -e ~/ecg-tune" in commands
    mounted = {Path(remote).name: local for remote, local in cluster["file_mounts"].items() if "/ecg-tune/" in remote}
    assert all(name == local and (ROOT / local).exists() for name, local in mounted.items())
    packages = {name.split(".")[0] for name in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]}
    assert set(mounted) == packages | {"pyproject.toml", "requirements.txt", "README.md", "LICENSE"}


def test_ray_adds_no_installation_of_its_own(cluster):
    """Its defaults for AWS would put boto3 into the machine's Python, which isn't the one that runs Ray."""
    filled = prepared(cluster)
    assert filled["setup_commands"] == cluster["setup_commands"]
    assert filled["worker_setup_commands"] == cluster["setup_commands"] + cluster.get("worker_setup_commands", [])
    assert filled["head_setup_commands"] == cluster["setup_commands"] + cluster.get("head_setup_commands", [])


def test_no_trial_runs_on_the_head_of_the_rented_cluster_and_workers_are_spot_gpus():
    types = load("cluster.yaml")["available_node_types"]
    head, worker = types["head"], types["gpu_worker"]
    assert head["resources"] == {"CPU": 0}
    assert "InstanceMarketOptions" not in head["node_config"], "the study lies on the head"
    assert worker["resources"]["GPU"] == 1
    assert worker["node_config"]["InstanceMarketOptions"]["MarketType"] == "spot"
    assert worker["min_workers"] < worker["max_workers"]


def test_the_walk_through_names_commands_and_options_that_we_have():
    from ecg_tune.cli.main import app

    lines = re.findall(r"^#   \d\. ecg-tune (.*?)(?:    |$)", (ROOT / "cluster.yaml").read_text(), re.MULTILINE)
    ours = typer.main.get_command(app).commands
    parsed = [ours[words[0]].make_context(words[0], words[1:]) for words in map(str.split, lines)]  # raises on what it doesn't know
    assert [context.info_name for context in parsed] == ["doctor", "submit", "pull"]
    assert {context.params["address"] for context in parsed} == {"http://127.0.0.1:8265"}
