"""A cluster that `ray up` makes of the test's hosts from `deploy/cluster-onprem.yaml`, used as that file's first lines tell a user to.

    cluster = OnPremCluster(hosts)
    cluster.up()
    cluster.wait_for(hosts)
    with cluster.dashboard() as address:  # http://127.0.0.1:8265 on the client
        hosts.client.run(f"ecg-tune submit --address {address} …", env=TOKEN)
    cluster.head.run(f"{ENV} ecg-tune status STUDY")
    cluster.up("--no-restart", machines=[*hosts, hosts.add()])  # one host more
    cluster.down()

The client needs its token first: `hosts.client.run("ray get-auth-token --generate")`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..faults.processes import wait_for
from .hosts import ROOT, Hosts
from .machine import USER, Machine

FILE = ROOT / "deploy" / "cluster-onprem.yaml"
ADDRESS = "http://127.0.0.1:8265"
TOKEN = {"RAY_AUTH_MODE": "token"}
ENV = ". ~/.ray/cluster.env &&"  # before a command on a host: PATH and settings, as `ray up` wrote them
SIZE = "--num-cpus=1 --object-store-memory=157286400"


def replacements(machines: Iterable[Machine]) -> dict[str, str]:
    """Return all that a test changes in the file's text: what a user edits, what would download, and the size of a host."""
    head, *workers = machines
    edits = {
        "head_ip: 10.0.0.1 ": f"head_ip: {head.address} ",
        "worker_ips: [10.0.0.2, 10.0.0.3] ": f"worker_ips: [{', '.join(worker.address for worker in workers)}] ",
        "ssh_user: ubuntu ": f"ssh_user: {USER} ",
    }
    installs = {
        "test -x ~/venv/bin/python || python3.11 -m venv ~/venv\n": f"ln -sfn {sys.prefix} ~/venv\n",
        "~/venv/bin/pip install --quiet -r ~/ecg-tune/requirements.txt && ~/venv/bin/pip install --quiet --no-deps -e ~/ecg-tune\n": (
            "test -s ~/ecg-tune/requirements.txt && test -s ~/ecg-tune/pyproject.toml\n"
        ),
    }
    return {**edits, **installs, " ray start ": f" ray start {SIZE} "}


def for_machines(machines: Iterable[Machine]) -> str:
    """Return the text of the file with the replacements done, each of which must be possible."""
    text = FILE.read_text()
    for old, new in replacements(machines).items():
        assert old in text, f"{FILE.name} no longer says {old!r}"
        text = text.replace(old, new)
    return text


class OnPremCluster:
    """The first of the hosts as head, the others as workers, one CPU each."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts, self.client, self.head = hosts, hosts.client, hosts[0]
        self._file = self.client.home / FILE.name

    def up(self, *options: str, machines: Iterable[Machine] | None = None) -> None:
        """Run `ray up`, as a user does after editing the file; it returns when the head runs."""
        self._file.write_text(for_machines(machines or self.hosts))
        self._ray("up", *options)

    def down(self) -> None:
        """Run `ray down`, which ends Ray on the head; the workers end it themselves soon after."""
        self._ray("down")

    def alive(self) -> set[str]:
        """Return the addresses of the nodes that Ray believes in, as the head says."""
        listed = self.head.run(f"{ENV} ray list nodes --format json --address {ADDRESS}", check=False).stdout
        nodes = json.loads(listed) if listed.startswith("[") else []
        return {node["node_ip"] for node in nodes if node["state"] == "ALIVE"}

    def wait_for(self, machines: Iterable[Machine], *, at_most_s: float = 600.0) -> None:
        """Wait until exactly these machines are alive; the limit only guards against hanging."""
        wanted = {machine.address for machine in machines}
        assert wait_for(lambda: self.alive() == wanted, at_most_s=at_most_s), f"alive: {self.alive()}\n{self.log()}"

    def log(self) -> str:
        """Return the end of what the head's autoscaler says: why a host does not come."""
        return self.head.run("tail -n 60 /tmp/ray/session_latest/logs/monitor.out", check=False).stdout

    @contextmanager
    def dashboard(self) -> Iterator[str]:
        """Keep `ray dashboard` running on the client and yield the cluster's address there."""
        tunnel = self.client.start(f"ray dashboard {self._file}", cwd=ROOT)
        try:
            assert wait_for(lambda: self.client.run("</dev/tcp/127.0.0.1/8265", check=False).returncode == 0, at_most_s=60)
            yield ADDRESS
        finally:
            tunnel.kill()
            tunnel.communicate()

    def _ray(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        return self.client.run(f"ray {command} -y {' '.join(options)} {self._file}", cwd=ROOT, timeout_s=300, env=TOKEN)
