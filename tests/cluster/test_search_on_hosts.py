"""A search on three real hosts, one of which is cut off, another one loses its power, and a fourth joins; nothing is lost."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import pytest
from optuna.trial import FrozenTrial

from ecg_tune.search.study import newest_trials, open_study, study_exists

from ..faults.checks import changed_rows, wrong_decisions, wrong_rows
from ..faults.processes import wait_for
from .machine import Machine
from .onprem import ENV, TOKEN, OnPremCluster

pytestmark = pytest.mark.hosts

FLAGS = "--families cnn1d,cnn1d_rnn --profile small --max-epochs 6"
MANY = 1000
"""More trials than are ever run: the search is stopped when all has happened to it, however fast this machine is."""
LONG = os.environ.get("CLUSTER") == "full"
"""The long form: the cut lasts long enough for both sides to give each other up."""
CUT_S = 150.0 if LONG else 60.0
PATIENCE_S = 240.0


@dataclass
class Submitted:
    """A search that was sent from the client, and what its job has printed so far."""

    study: Path
    lines: list[str] = field(default_factory=list)

    def rows(self) -> list[FrozenTrial]:
        """Return the rows that count; none when the study is not made yet."""
        return newest_trials(open_study(self.study)) if study_exists(self.study) else []

    def ended(self) -> list[FrozenTrial]:
        """Return the rows that are closed."""
        return [row for row in self.rows() if row.state.is_finished()]

    def running_on(self, machine: Machine) -> bool:
        """Return whether a trial of the study trains on a machine now."""
        return any(".train" in line for line in machine.processes())

    def said(self) -> str:
        """Return the end of what was printed."""
        return "\n".join(self.lines[-60:])

    def arrivals(self) -> list[tuple[int, int]]:
        """Return (trial, epoch) in the order in which the driver took their results in."""
        found = [re.match(r"trial (\d+) \(\w+\) epoch (\d+)/", line) for line in self.lines]
        return [(int(match[1]), int(match[2])) for match in found if match]


@pytest.fixture(scope="module")
def tunnel(cluster: OnPremCluster) -> Iterator[str]:
    with cluster.dashboard() as address:
        yield address


def test_the_doctor_finds_the_cluster_fit(cluster: OnPremCluster, tunnel: str) -> None:
    shared = cluster.hosts.shared
    said = cluster.client.run(f"ecg-tune doctor {shared} --data {shared}/data --address {tunnel}", env=TOKEN, check=False)
    assert "3 machines, nothing found wrong" in said.stdout, said.stdout + said.stderr
    assert {"host1", "host2", "host3"} <= set(re.findall(r"host\d", said.stdout))


def test_the_doctor_names_a_folder_that_is_not_shared_and_its_remedy(cluster: OnPremCluster, tunnel: str) -> None:
    said = cluster.client.run(f"ecg-tune doctor /tmp/mine --address {tunnel}", env=TOKEN, check=False)
    assert said.returncode == 1
    assert "can't write /tmp/mine" in said.stdout
    assert "put the study on a folder that every machine mounts at the same path" in said.stdout


def test_a_client_without_the_token_is_refused(cluster: OnPremCluster, tunnel: str) -> None:
    commands = (f"submit {cluster.hosts.shared}/stolen --data x --address {tunnel}", f"doctor --address {cluster.head.address}:6379")
    for command in commands:
        said = cluster.client.run(f"HOME=/tmp ecg-tune {command}", check=False, env={"RAY_AUTH_MODE": "disabled"})
        assert said.returncode == 2
        assert "refuses our token" in said.stderr, said.stderr
    assert not (cluster.hosts.shared / "stolen").exists()


def test_hosts_that_are_cut_off_die_and_join_lose_nothing(cluster: OnPremCluster, tunnel: str) -> None:
    hosts, search = cluster.hosts, Submitted(cluster.hosts.shared / "study")
    command = f"ecg-tune submit {search.study} --data {hosts.shared}/data {FLAGS} --retries 20 --address {tunnel}"
    process = cluster.client.start(f"{command} --trials {MANY}", env=TOKEN)
    assert process.stdout
    output = process.stdout
    reader = Thread(target=lambda: search.lines.extend(line.rstrip("\n") for line in output), daemon=True)
    reader.start()
    head, cut, killed = hosts

    assert wait_for(lambda: len(search.ended()) >= 3 and search.running_on(cut), at_most_s=PATIENCE_S), search.said()
    at_the_cut, since = search.rows(), time.monotonic()
    cut.cut()
    lost = "its worker or node was lost"  # said while the host is still cut off
    assert wait_for(lambda: any(lost in line for line in search.lines) or process.poll() is not None, at_most_s=PATIENCE_S)
    assert any(lost in line for line in search.lines), "\n".join(search.lines)
    assert wait_for(lambda: time.monotonic() - since > CUT_S, at_most_s=PATIENCE_S)
    cut.restore()

    assert wait_for(lambda: search.running_on(killed) or process.poll() is not None, at_most_s=PATIENCE_S), search.said()
    at_the_kill = search.rows()
    killed.kill()
    joined = hosts.add()
    cluster.up("--no-restart", machines=[head, cut, joined])
    assert wait_for(lambda: any(row.user_attrs["node"] == joined.name for row in search.ended()), at_most_s=PATIENCE_S), search.said()

    number = next(line.split()[1] for line in search.lines if line.startswith("job ecg-tune-"))
    cluster.client.run(f"ray job stop {number} --address {tunnel}", env=TOKEN)
    assert process.wait(PATIENCE_S) == 130, search.said()
    reader.join(30)
    at_the_stop = search.rows()
    n_trials = len(at_the_stop) + 3
    search.lines += cluster.client.run(f"{command} --trials {n_trials}", env=TOKEN, timeout_s=PATIENCE_S).stdout.splitlines()

    rows = search.rows()
    assert joined.name in {row.user_attrs["node"] for row in rows}, search.said()
    wrong = [line for before in (at_the_cut, at_the_kill, at_the_stop) for line in changed_rows(before, rows)]
    wrong += [*wrong_rows(rows, n_trials), *wrong_decisions(rows, search.arrivals())]
    assert not wrong, "\n".join([*wrong, search.said()])
    assert any("machines came or went: " in line for line in search.lines)


def test_two_searches_at_once_do_not_disturb_each_other(cluster: OnPremCluster, tunnel: str) -> None:
    flags = "--families cnn1d --profile small --max-epochs 3 --trials 6"
    studies = [cluster.hosts.shared / f"beside{n}" for n in (0, 1)]
    commands = [
        f"ecg-tune submit {study} --data {cluster.hosts.shared}/data {flags} --seed {n} --address {tunnel}"
        for n, study in enumerate(studies)
    ]
    started = [cluster.client.start(command, env=TOKEN) for command in commands]
    said = [process.communicate(timeout=PATIENCE_S)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    for n, study in enumerate(studies):
        opened = open_study(study)
        assert (len(newest_trials(opened)), opened.user_attrs["seed"]) == (6, n)
        assert all(row.state.is_finished() and set(row.user_attrs["path"].split("/")[:1]) == {"checkpoints"} for row in opened.get_trials())


def test_the_study_comes_home_and_ray_down_leaves_nothing(cluster: OnPremCluster, tunnel: str) -> None:
    home = cluster.client.home
    cluster.client.run(f"ecg-tune pull {cluster.hosts.shared}/study --out {home}/brought --address {tunnel}", env=TOKEN)
    there, here = newest_trials(open_study(cluster.hosts.shared / "study")), newest_trials(open_study(home / "brought"))
    assert [(row.number, row.values, row.params) for row in here] == [(row.number, row.values, row.params) for row in there]
    head_says = cluster.head.run(f"{ENV} ecg-tune status {cluster.hosts.shared}/study").stdout
    assert f"{len([row for row in there if row.state.name == 'COMPLETE'])} COMPLETE" in head_says
    cluster.down()
    assert wait_for(lambda: not left(cluster), at_most_s=180), left(cluster)


def left(cluster: OnPremCluster) -> list[str]:
    """Return the processes of Ray that still run on hosts; the tunnel's shell on the head is the client's."""
    return [line for host in cluster.hosts if host.is_on for line in host.processes() if "ray" in line]
