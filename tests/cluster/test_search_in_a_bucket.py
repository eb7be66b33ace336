"""On hosts that share no folder: the study in PostgreSQL, data and checkpoints in S3, and one host loses its power."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers import postgresql_binaries
from tests.stored import newest_trials, open_study

from ..faults.checks import wrong_decisions, wrong_rows
from ..faults.processes import wait_for
from .onprem import TOKEN, OnPremCluster
from .submitted import LOST, Submitted

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.ray,
    pytest.mark.skipif(os.environ.get("CLUSTER") != "full", reason="long form only: CLUSTER=full"),
]

TRIALS = 16
FLAGS = "--families cnn1d,cnn1d_rnn --profile small --max-epochs 6 --retries 20 --scheduler asha"
KEYS = "[default]\naws_access_key_id = test\naws_secret_access_key = test\n"
FILL = """
import sys
from pyarrow import fs

address, folder = sys.argv[1:]
bucket = fs.S3FileSystem(endpoint_override=address, scheme="http", allow_bucket_creation=True)
bucket.create_dir("bucket")
fs.copy_files(folder, "bucket/data", destination_filesystem=bucket)
"""


def test_a_search_needs_no_shared_folder(cluster: OnPremCluster, tunnel: str) -> None:
    database, uri = serve(cluster)
    places = f"--data '{uri('data')}' --checkpoints '{uri('checkpoints')}' --storage {database}"
    search = Submitted(cluster, Path("served"), f"ecg-tune submit served {places} {FLAGS} --address {tunnel}")
    *_, killed = cluster.hosts
    search.send(TRIALS)
    search.wait("it trains on all", lambda: all(search.running_on(host) for host in cluster.hosts))
    killed.kill()
    assert search.ended_with() == 0, search.message()
    assert search.count(LOST), search.message()
    cluster.hosts.boot(killed)

    home = cluster.client.home / "served"
    cluster.client.run(f"ecg-tune pull served --checkpoints --out {home} --address {tunnel}", env=TOKEN)
    rows = newest_trials(open_study(home))
    wrong = [*wrong_rows(rows, TRIALS), *wrong_decisions(rows, search.arrivals())]
    assert not wrong, "\n".join([*wrong, search.message()])
    assert not (cluster.head.home / "served/study.db").exists()
    assert any((home / "checkpoints").rglob("*.pt"))
    cluster.wait_for(cluster.hosts)  # Ray was started again on the one that was switched on again


def serve(cluster: OnPremCluster) -> tuple[str, Callable[[str], str]]:
    """Start PostgreSQL and S3 on the client, the data in a bucket; return the database's URL and what gives the URI of a prefix."""
    binaries, client = postgresql_binaries(), cluster.client
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed (apt-get install postgresql)")
    for host in (client, *cluster.hosts):
        (host.home / ".aws").mkdir(exist_ok=True)
        (host.home / ".aws/credentials").write_text(KEYS)
    as_user = "setpriv --reuid=postgres --regid=postgres --clear-groups"
    client.run(f"install -d -o postgres /tmp/pg; cd /tmp/pg; {as_user} {binaries}/initdb -D data -U postgres --auth=trust --no-sync")
    client.run("echo 'host all all 10.77.0.0/24 trust' >> /tmp/pg/data/pg_hba.conf")
    settings = f"-c listen_addresses={client.address} -c unix_socket_directories= -c fsync=off"
    client.start(f"cd /tmp/pg && exec {as_user} {binaries}/postgres -D data {settings} > log 2>&1")
    client.start(f"exec python -m moto.server -H {client.address} -p 5000 > /tmp/moto.log 2>&1")
    ask = f"{binaries}/psql -q -h {client.address} -U postgres -c 'CREATE DATABASE studies'"
    assert wait_for(lambda: client.run(ask, check=False).returncode == 0, at_most_s=60), client.run("cat /tmp/pg/log").stdout
    (cluster.hosts.shared / "fill.py").write_text(FILL)
    fill = f"python {cluster.hosts.shared}/fill.py {client.address}:5000 {cluster.hosts.shared}/data"
    assert wait_for(lambda: client.run(fill, check=False).returncode == 0, at_most_s=60), client.run("cat /tmp/moto.log").stdout
    at = f"?endpoint_override={client.address}:5000&scheme=http"
    return f"postgresql://postgres@{client.address}:5432/studies", lambda prefix: f"s3://bucket/{prefix}{at}"
