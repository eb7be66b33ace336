"""Real hosts, where they can be made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import make_toy_data

from .hosts import Hosts, why_not
from .onprem import OnPremCluster


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    """Return a client and three hosts that are on; skip saying why where there can be none."""
    if reason := why_not():
        pytest.skip(reason)
    with Hosts(3) as three:
        yield three


@pytest.fixture(scope="session")
def cluster() -> Iterator[OnPremCluster]:
    """Return a cluster on which three hosts have joined, with data in the shared folder; skip saying why where there can be none."""
    if reason := why_not():
        pytest.skip(reason)
    with Hosts(3) as hosts:
        make_toy_data(hosts.shared / "data", n_records=(320, 80, 40))
        hosts.client.run("umask 077; ray get-auth-token --generate")
        cluster = OnPremCluster(hosts)
        cluster.up()
        cluster.wait_for(hosts)
        yield cluster


@pytest.fixture(scope="session")
def tunnel(cluster: OnPremCluster) -> Iterator[str]:
    """Keep the way into the cluster open and return its address on the client."""
    with cluster.dashboard() as address:
        yield address
