"""`cluster.yaml` against Ray's own schema, and what it must and must not say."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cluster() -> dict:
    return yaml.safe_load((ROOT / "cluster.yaml").read_text())


def test_rays_schema_accepts_it(cluster):
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared = prepare_config(copy.deepcopy(cluster))
    validate_config(prepared)  # raises on anything that the schema doesn't know
    assert prepared["head_node_type"] == "head"


def test_every_start_asks_for_a_token_and_keeps_the_dashboard_on_loopback(cluster):
    starts = [line for part in ("head", "worker") for line in cluster[f"{part}_start_ray_commands"] if "ray start" in line]
    assert len(starts) == 2
    assert all("RAY_AUTH_MODE=token" in line for line in starts)
    assert "--dashboard-host=127.0.0.1" in starts[0]
    assert "0.0.0.0" not in (ROOT / "cluster.yaml").read_text()


def test_every_node_installs_the_pins_and_this_project(cluster):
    text = " ".join(cluster["setup_commands"])
    assert "requirements.txt" in text
    assert "--no-deps -e ~/ecg-tune" in text
