"""A search on three real hosts, one of which is cut off, another one loses its power, and a fourth joins; nothing is lost."""

from __future__ import annotations

import os
import re
import sys
import time

import pytest

from tests.conftest import make_toy_data
from tests.stored import newest_trials, open_study

from ..faults.checks import changed_rows, wrong_decisions, wrong_rows
from ..faults.processes import wait_for
from .onprem import ENV, TOKEN, OnPremCluster
from .submitted import LOST, PATIENCE_S, Submitted

pytestmark = [pytest.mark.hosts, pytest.mark.ray]

FLAGS = "--families cnn1d,cnn1d_rnn --profile small --max-epochs 6 --scheduler asha"
MANY = 1000
"""More trials than are ever run: the search is stopped when all has happened to it, however fast this machine is."""
LONG = os.environ.get("CLUSTER") == "full"
"""The long form: the cut lasts long enough for both sides to give each other up."""
CUT_S = 150.0 if LONG else 60.0
DRIVER = r"#!/bin/sh\necho Some GPU, 550.1, 80 GB\n"
OPEN = {"RAY_AUTH_MODE": "disabled"}


def test_with_the_token_every_machine_is_found_fit_and_without_it_nobody_is_let_in(cluster: OnPremCluster, tunnel: str) -> None:
    shared, client = cluster.hosts.shared, cluster.client
    fit = client.start(f"ecg-tune doctor {shared} --data {shared}/data --address {tunnel}", env=TOKEN)
    commands = (f"submit {shared}/stolen --data x --address {tunnel}", f"doctor --address {cluster.head.address}:6379")
    for process in [client.start(f"HOME=/tmp ecg-tune {command}", env={"RAY_AUTH_MODE": "disabled"}) for command in commands]:
        message = process.communicate(timeout=PATIENCE_S)[0]
        assert process.returncode == 2, message
        assert "refuses our token" in message
    assert not (shared / "stolen").exists()
    message = fit.communicate(timeout=PATIENCE_S)[0]
    assert "3 machines, nothing found wrong" in message
    assert {"host1", "host2", "host3"} <= set(re.findall(r"host\d", message))


def test_the_doctor_names_all_that_is_wrong_and_its_remedy(cluster: OnPremCluster, tunnel: str) -> None:
    head, one, other = cluster.hosts
    make_toy_data(cluster.hosts.shared / "other data", seed=1)
    for host, data in ((head, "data"), (one, "other data")):
        host.run(f"cp -r '{cluster.hosts.shared}/{data}' /tmp/data")
    one.run("mount -o remount,size=64M /dev/shm")
    other.run(f"rm ~/venv; mkdir -p ~/venv/bin; printf '{DRIVER}' > ~/venv/bin/nvidia-smi; chmod +x ~/venv/bin/nvidia-smi")
    other.run("nohup python3 -m http.server 8265 > /dev/null 2>&1 & echo $! > /tmp/server")
    message = cluster.client.run(f"ecg-tune doctor /tmp/mine --data /tmp/data --address {tunnel}", env=TOKEN, check=False)
    one.run("mount -o remount,size=512M /dev/shm; rm -r /tmp/data")
    other.run(f"rm -r ~/venv; ln -sfn {sys.prefix} ~/venv; kill $(cat /tmp/server)")
    assert message.returncode == 1
    for what, remedy in (
        (f"{one.address} can't write /tmp/mine", "put the study on a folder that every machine mounts at the same path"),
        (f"/dev/shm of {one.address} has 0.1 GB for an object store of 0.2 GB", "enlarge it"),
        (f"{other.address} has 1 GPUs by nvidia-smi, Ray counts 0", "start Ray after the driver is loaded"),
        (f"the data folder on {one.address} holds", "copy the driver's data there, or remove that folder"),
        (f"{other.address} offers port 8265 to the network", "start the head with --dashboard-host=127.0.0.1"),
    ):
        assert re.search(f"{re.escape(what)}.*\n.*{re.escape(remedy)}", message.stdout), message.stdout + message.stderr


@pytest.mark.skipif(not LONG, reason="in the long form only: CLUSTER=full")
def test_a_cluster_without_a_token_is_named_and_not_joined(cluster: OnPremCluster) -> None:
    client, data = cluster.client, cluster.hosts.shared / "data"
    client.run(f"ray start --head --node-ip-address={client.address} --num-cpus=1 --object-store-memory=100000000", env=OPEN)
    try:
        message = client.run(f"ecg-tune doctor --address {client.address}:6379", env=OPEN, check=False)
        assert f"the cluster at {client.address}:6379 asks for no token" in message.stdout
        refused = client.run(f"ecg-tune search ~/open --data {data} --address {client.address}:6379", env=OPEN, check=False)
        assert refused.returncode == 2
        assert "anyone who reaches it can run code on it: start it with a token" in refused.stderr
    finally:
        client.run("ray stop --force", check=False)  # this machine's own Ray: nobody else's processes are seen from here


@pytest.fixture(scope="module")
def search(cluster: OnPremCluster, tunnel: str) -> Submitted:
    """Return the search to which all happens, not yet sent."""
    study = cluster.hosts.shared / "study"
    return Submitted(cluster, study, f"ecg-tune submit {study} --data {cluster.hosts.shared}/data {FLAGS} --retries 20 --address {tunnel}")


def test_hosts_that_are_cut_off_die_and_join_lose_nothing(search: Submitted, tunnel: str) -> None:
    cluster, hosts = search.cluster, search.cluster.hosts
    _, cut, killed = hosts
    search.send(MANY)
    search.wait("it trains on all", lambda: search.ended() and all(search.running_on(host) for host in hosts))

    at_the_cut, since = search.rows(), time.monotonic()
    cut.cut()
    joined = hosts.add()
    cluster.up("--no-restart")  # while nobody has noticed the cut
    search.wait("a host is cut off, its trial handed out again", lambda: search.count(LOST))
    search.wait("a fourth host trains", lambda: search.running_on(joined) and search.running_on(killed))

    at_the_kill, lost = search.rows(), search.count(LOST)
    killed.kill()
    search.wait("another host is dead, its trial handed out again", lambda: search.count(LOST) > lost)
    search.wait(f"{CUT_S:.0f} s have passed since the cut", lambda: time.monotonic() - since > CUT_S)
    cut.restore()
    search.wait(
        "the host that was cut off trains again, the fourth has ended a trial", lambda: search.running_on(cut) and search.ended(joined)
    )

    search.stop(tunnel)
    assert search.ended_with() == 130, search.message()
    search.note("it is stopped")
    wrong = [line for before in (at_the_cut, at_the_kill) for line in changed_rows(before, search.rows())]
    assert not wrong, "\n".join([*wrong, search.message()])
    assert search.count("machines came or went: ") >= 3


def test_it_goes_on_beside_another_search_and_neither_disturbs_the_other(search: Submitted, tunnel: str) -> None:
    before, study, flags = search.rows(), search.study.with_name("beside"), FLAGS.replace(",cnn1d_rnn", "")
    command = f"ecg-tune submit {study} --data {search.cluster.hosts.shared}/data {flags} --seed 1 --slots 1 --address {tunnel}"
    beside = Submitted(search.cluster, study, command)
    asked = {search: len(before) + 1, beside: 3}
    for one, n_trials in asked.items():
        one.send(n_trials)
    search.wait("both have begun", lambda: search.count("SYNTHETIC data, ") == 2 and beside.count("SYNTHETIC data, ") == 1)
    assert beside.process.poll() is None, beside.message()
    wrong = []
    for one, n_trials in asked.items():
        assert one.ended_with() == 0, one.message()
        rows = one.rows()
        wrong += [*wrong_rows(rows, n_trials), *wrong_decisions(rows, one.arrivals())]
        wrong += [f"checkpoints in {path}" for row in rows if not (path := row.user_attrs["path"]).startswith("checkpoints/")]
    wrong += changed_rows(before, search.rows())
    assert not wrong, "\n".join([*wrong, search.message(), beside.message()])
    assert [open_study(one.study).user_attrs["seed"] for one in asked] == [0, 1]
    search.note("both have ended")
    print("\n".join(search.events()))


def test_the_study_comes_home_and_ray_down_leaves_nothing(search: Submitted, tunnel: str) -> None:
    cluster, home = search.cluster, search.cluster.client.home
    cluster.client.run(f"ecg-tune pull {search.study} --out {home}/brought --address {tunnel}", env=TOKEN)
    cluster.down()
    there, here = search.rows(), newest_trials(open_study(home / "brought"))
    assert [(row.number, row.values, row.params) for row in here] == [(row.number, row.values, row.params) for row in there]
    head_says = cluster.head.run(f"{ENV} ecg-tune status {search.study}").stdout
    assert f"{len([row for row in there if row.state.name == 'COMPLETE'])} COMPLETE" in head_says
    assert wait_for(lambda: not left(cluster), at_most_s=180), left(cluster)


def left(cluster: OnPremCluster) -> list[str]:
    """Return the processes of Ray that still run on hosts; the tunnel's shell on the head is the client's."""
    return [line for host in cluster.hosts if host.is_on for line in host.processes() if "ray" in line]
