"""What Ray's AWS provider makes of `cluster.yaml`: its real code, on an AWS that moto keeps in this process."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto import mock_aws

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hold an empty AWS, and a home for the ssh key that Ray makes in it."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.chdir(ROOT)
        yield


@pytest.fixture(scope="module")
def config(aws: None) -> dict[str, Any]:
    """Return the configuration as `ray up` makes it."""
    from ray.autoscaler._private.aws.config import bootstrap_aws
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
    from ray.autoscaler._private.util import prepare_config, validate_config

    filled = prepare_config(copy.deepcopy(yaml.safe_load((ROOT / "cluster.yaml").read_text())))
    filled = AWSNodeProvider.fillout_available_node_types_resources(filled)
    validate_config(filled)
    return bootstrap_aws(filled)


def test_from_outside_nothing_but_ssh_is_open_and_among_themselves_the_nodes_reach_all(config):
    import boto3

    groups = {group for node in config["available_node_types"].values() for group in node["node_config"]["SecurityGroupIds"]}
    (group,) = groups
    inside, ssh = boto3.resource("ec2", config["provider"]["region"]).SecurityGroup(group).ip_permissions
    assert inside["IpProtocol"] == "-1"
    assert [pair["GroupId"] for pair in inside["UserIdGroupPairs"]] == [group]
    assert not inside["IpRanges"] + inside["Ipv6Ranges"]
    assert (ssh["IpProtocol"], ssh["FromPort"], ssh["ToPort"]) == ("tcp", 22, 22)


def test_ray_uses_our_profiles_and_image_and_makes_an_ssh_key_that_only_we_read(config):
    types = config["available_node_types"]
    assert config["head_node"] == {}, "Ray would make a role of its own, which may start anything and pass nothing on"
    assert {name: node["node_config"]["IamInstanceProfile"]["Name"] for name, node in types.items()} == {
        "head": "ecg-tune-head",
        "gpu_worker": "ecg-tune-worker",
    }
    assert len({node["node_config"]["ImageId"] for node in types.values()}) == 1
    assert Path(config["auth"]["ssh_private_key"]).stat().st_mode & 0o077 == 0


def test_ray_counts_no_cpu_on_the_head_and_one_gpu_on_a_worker(config):
    types = config["available_node_types"]
    assert types["head"]["resources"]["CPU"] == 0
    assert (types["gpu_worker"]["resources"]["CPU"], types["gpu_worker"]["resources"]["GPU"]) == (4, 1)


@pytest.mark.parametrize("name", ["head", "gpu_worker"])
def test_aws_takes_the_request_for_a_node(config, name):
    """boto3 checks every name and type of the request, moto most of the rest."""
    import boto3
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

    region, node = config["provider"]["region"], config["available_node_types"][name]["node_config"]
    boto3.client("iam", region).create_instance_profile(InstanceProfileName=node["IamInstanceProfile"]["Name"])
    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    created = provider.create_node(copy.deepcopy(node), {}, 1)
    (instance,) = (boto3.resource("ec2", region).Instance(number) for number in created)
    assert instance.instance_type == node["InstanceType"]
    assert (instance.instance_lifecycle == "spot") == (name == "gpu_worker")
