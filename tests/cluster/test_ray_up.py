"""`ray up` with the file that a user edits, on three real hosts, in the order of its own walk-through."""

from __future__ import annotations

import pytest

from .onprem import TOKEN, OnPremCluster

pytestmark = [pytest.mark.hosts, pytest.mark.ray]

# Ray's main port without its Python library, so that a refusal is the cluster's, not the client's own
ASK_GCS = """
import sys
import grpc
from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

with grpc.insecure_channel(sys.argv[1]) as channel:
    try:
        gcs_service_pb2_grpc.NodeInfoGcsServiceStub(channel).CheckAlive(gcs_service_pb2.CheckAliveRequest(), timeout=20)
    except grpc.RpcError as error:
        print(error.code().name)
"""


def test_jobs_refuse_a_client_without_the_token(cluster: OnPremCluster, tunnel: str) -> None:
    for token in ("", "export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=0123456789abcdef0123456789abcdef;"):
        refused = cluster.client.run(f"{token} HOME=/tmp ray job list --address {tunnel}", check=False)
        assert refused.returncode != 0
        assert "AuthenticationError" in refused.stderr
    assert cluster.client.run(f"ray job list --address {tunnel}", env=TOKEN).returncode == 0


def test_rays_main_port_refuses_a_client_without_the_token(cluster: OnPremCluster) -> None:
    (cluster.hosts.shared / "ask.py").write_text(ASK_GCS)
    assert cluster.client.run(f"python {cluster.hosts.shared}/ask.py {cluster.head.address}:6379").stdout == "UNAUTHENTICATED\n"


def test_the_dashboard_listens_on_loopback_only(cluster: OnPremCluster) -> None:
    listening = {host.name: host.run("ss -Hltn | awk '{print $4}'").stdout.split() for host in cluster.hosts}
    dashboards = {name: [address for address in addresses if address.endswith(":8265")] for name, addresses in listening.items()}
    assert dashboards == {"host1": ["127.0.0.1:8265"], "host2": [], "host3": []}


def test_the_agents_of_all_machines_refuse_a_client_without_the_token(cluster: OnPremCluster) -> None:
    ask = "import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=20)"
    for host in cluster.hosts:
        refused = cluster.client.run(f"python -c '{ask}' http://{host.address}:52365/api/job_agent/jobs/", check=False)
        assert "HTTP Error 401" in refused.stderr


def test_the_token_is_readable_by_its_owner_only(cluster: OnPremCluster) -> None:
    assert {host.run("stat -c %a ~/.ray/auth_token").stdout for host in cluster.hosts} == {"600\n"}
    token = (cluster.client.home / ".ray/auth_token").read_text()
    for host in cluster.hosts:
        assert host.run(f"grep -rlF {token} /tmp/ray", check=False).stdout == ""
        assert not [line for line in host.processes() if token in line]
