"""What several files of a deployment must say alike: Ray's and Python's version, and when a node counts as lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
HEALTH = re.compile(r"(RAY_(?:health_check|grpc_client_keepalive|gcs_rpc_server)_\w+)(?:=|, value: \")(\d+)")
FILES = ("cluster.yaml", "deploy/cluster-onprem.yaml", "deploy/kuberay.yaml", "deploy/slurm.sh")


def pinned(package: str) -> str:
    """Return a package's version in requirements.txt."""
    (version,) = re.findall(rf"^{package}(?:\[[\w,]+\])?==([\d.]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    return version


def python() -> str:
    """Return the Python of the image."""
    (version,) = re.findall(r"^FROM python:([\d.]+)-", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)
    return version


@pytest.mark.parametrize("name", FILES)
def test_a_lost_node_is_noticed_alike_and_in_seconds(name):
    settings = dict(HEALTH.findall((ROOT / name).read_text()))
    assert settings == dict(HEALTH.findall((ROOT / "deploy" / "cluster-onprem.yaml").read_text()))  # whose effect the cluster test measures
    period, timeout, misses = (int(settings[f"RAY_health_check_{part}"]) for part in ("period_ms", "timeout_ms", "failure_threshold"))
    assert (period + timeout) * misses <= 30_000


def test_ray_is_the_pinned_one_in_the_image_its_name_and_the_manifest():
    cluster = next(item for item in yaml.safe_load_all((ROOT / "deploy" / "kuberay.yaml").read_text()) if item["kind"] == "RayCluster")
    image = cluster["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["image"]
    assert cluster["spec"]["rayVersion"] == pinned("ray")
    assert image.endswith(f"-ray{pinned('ray')}-py{python()}")
    assert f"-t {image} ." in (ROOT / "deploy" / "Dockerfile").read_text()


def test_the_rented_machines_get_the_python_of_the_image_and_a_boto3_that_is_told_once():
    text = (ROOT / "cluster.yaml").read_text()
    assert re.findall(r"--python ([\d.]+)", text) == [python()]
    assert len(set(re.findall(r"boto3==([\d.]+)", text))) == 1
