"""`deploy/kuberay.yaml` against the schemas that are to be had offline, and what Ray and this project make of it.

No package of PyPI, npm or Debian was found that ships KubeRay's own custom-resource definitions: `kuberay.schema.yaml`, written from
KubeRay's sources, says what is checked of them. What is Kubernetes' own (pods, volume, policy) is checked against its published schema.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import typer
import yaml

ROOT = Path(__file__).parents[2]
KUBERNETES = "1.34"


@pytest.fixture(scope="module")
def objects() -> dict[str, dict[str, Any]]:
    """Return the manifest's objects: kind → object."""
    loaded = list(yaml.safe_load_all((ROOT / "deploy" / "kuberay.yaml").read_text()))
    assert len({item["kind"] for item in loaded}) == len(loaded)
    return {item["kind"]: item for item in loaded}


@pytest.fixture(scope="module")
def pods(objects) -> dict[str, dict[str, Any]]:
    """Return the pods' specs: head, worker."""
    spec = objects["RayCluster"]["spec"]
    (worker,) = spec["workerGroupSpecs"]
    return {"head": spec["headGroupSpec"]["template"]["spec"], "worker": worker["template"]["spec"]}


@pytest.mark.parametrize("kind", ["RayCluster", "RayJob"])
def test_kuberay_knows_every_field(objects, kind):
    schema = yaml.safe_load(Path(__file__).with_name("kuberay.schema.yaml").read_text())
    jsonschema.Draft202012Validator({"definitions": schema["definitions"], **schema[kind]}).validate(objects[kind])


def test_kubernetes_knows_every_field(objects, pods):
    for kind in ("PersistentVolumeClaim", "NetworkPolicy"):
        kubernetes_validate.validate(objects[kind], KUBERNETES, strict=True)
    for name, spec in pods.items():
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        kubernetes_validate.validate(json.loads(json.dumps(pod)), KUBERNETES, strict=True)


def test_rays_autoscaler_reads_the_cluster_as_meant(objects):
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

    cluster = json.loads(json.dumps(objects["RayCluster"]))
    cluster["metadata"]["namespace"] = "default"
    config = _derive_autoscaling_config_from_ray_cr(cluster)  # also validates
    head, worker = config["available_node_types"]["headgroup"], config["available_node_types"]["gpu"]
    assert head["resources"]["CPU"] == 0
    assert "GPU" not in head["resources"]
    assert (worker["resources"]["CPU"], worker["resources"]["GPU"]) == (8, 1)
    assert (worker["min_workers"], worker["max_workers"]) == (1, 4)


def test_every_container_of_ray_is_the_same_image_asks_for_a_token_and_is_not_roots(objects, pods):
    assert objects["RayCluster"]["spec"]["authOptions"] == {"mode": "token"}
    assert objects["RayCluster"]["spec"]["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert len({container["image"] for pod in pods.values() for container in pod["containers"]}) == 1
    for pod in pods.values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert all(container["securityContext"]["capabilities"] == {"drop": ["ALL"]} for container in pod["containers"])
    text = (ROOT / "deploy" / "kuberay.yaml").read_text()
    assert "0.0.0.0" not in text
    assert "RAY_AUTH_TOKEN" not in text, "KubeRay gives it from its secret"


def test_all_pods_have_the_shared_folder_at_one_path_and_memory_for_the_object_store(objects, pods):
    assert objects["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteMany"]
    for pod in pods.values():
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for container in pod["containers"]:
            at = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
            assert at["/shared"]["persistentVolumeClaim"]["claimName"] == objects["PersistentVolumeClaim"]["metadata"]["name"]
            assert at["/dev/shm"]["emptyDir"]["medium"] == "Memory"


def test_only_the_cluster_reaches_its_ports_and_kuberay_its_jobs(objects):
    name = objects["RayCluster"]["metadata"]["name"]
    policy = objects["NetworkPolicy"]["spec"]
    assert policy["podSelector"] == {"matchLabels": {"ray.io/cluster": name}}
    assert policy["policyTypes"] == ["Ingress"]
    own, others = policy["ingress"]
    assert own == {"from": [{"podSelector": {"matchLabels": {"ray.io/cluster": name}}}]}
    assert others["ports"] == [{"protocol": "TCP", "port": 8265}]


def test_the_search_joins_this_cluster_works_on_the_shared_folder_and_is_a_command_that_we_have(objects):
    from ecg_tune.cli.main import app

    job = objects["RayJob"]["spec"]
    assert job["clusterSelector"] == {"ray.io/cluster": objects["RayCluster"]["metadata"]["name"]}
    program, command, *words = shlex.split(job["entrypoint"])
    parsed = typer.main.get_command(app).commands[command].make_context(command, words)  # raises on what it doesn't know
    assert (program, parsed.params["address"]) == ("ecg-tune", "auto")
    assert str(parsed.params["study"]).startswith("/shared/")
    assert str(parsed.params["data"]).startswith("/shared/")
