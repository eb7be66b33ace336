"""A search on three real hosts, one of which is cut off, another one loses its power, and a fourth joins; nothing is lost."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import IO

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
LOST = "its worker or node was lost"
LONG = os.environ.get("CLUSTER") == "full"
"""The long form: the cut lasts long enough for both sides to give each other up."""
CUT_S = 150.0 if LONG else 60.0
PATIENCE_S = 600.0
"""Guards against hanging; on two quiet cores no stage takes more than a minute or two."""


@dataclass
class Submitted:
    """A search that is sent from the client, and what its job has printed so far."""

    cluster: OnPremCluster
    study: Path
    command: str
    lines: list[str] = field(default_factory=list)

    def send(self, trials: int) -> None:
        """Send it, the first time or again."""
        self.process = self.cluster.client.start(f"{self.command} --trials {trials}", env=TOKEN)
        self.reader = Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self.reader.start()

    def stop(self, address: str) -> None:
        """Stop the job as a user does."""
        number = next(line.split()[1] for line in reversed(self.lines) if line.startswith("job ecg-tune-"))
        self.cluster.client.run(f"ray job stop {number} --address {address}", env=TOKEN)

    def ended_with(self) -> int:
        """Return the command's exit code."""
        code = self.process.wait(PATIENCE_S)
        self.reader.join(30)
        return code

    def wait(self, what: str, condition: Callable[[], object]) -> None:
        """Wait for something that happens while the search runs."""
        came = wait_for(lambda: bool(condition()) or self.process.poll() is not None, at_most_s=PATIENCE_S)
        self.note(what)
        assert came, self.told()
        assert condition(), self.told()

    def count(self, text: str) -> int:
        """Return how many lines say something."""
        return sum(text in line for line in self.lines)

    def note(self, what: str) -> None:
        """Write into what was printed what happened meanwhile."""
        self.lines.append(f"{time.strftime('%H:%M:%S')} --- {what}")

    def rows(self) -> list[FrozenTrial]:
        """Return the rows that count; none when the study is not made yet."""
        return newest_trials(open_study(self.study)) if study_exists(self.study) else []

    def ended(self, machine: Machine | None = None) -> list[FrozenTrial]:
        """Return the rows that are closed, those that ended on one machine only if that is given."""
        return [row for row in self.rows() if row.state.is_finished() and machine in (None, self._where(row))]

    def running_on(self, machine: Machine) -> bool:
        """Return whether a trial of the study trains on a machine now."""
        return any(".train" in line for line in machine.processes())

    def told(self) -> str:
        """Return what happened, the end of what was printed, and why a host did not come."""
        happened = [line for line in self.lines if " --- " in line]
        return "\n".join([*happened, *self.lines[-40:], self.cluster.log()])

    def arrivals(self) -> list[tuple[int, int]]:
        """Return (trial, epoch) in the order in which the driver took their results in."""
        found = [re.match(r"trial (\d+) \(\w+\) epoch (\d+)/", line) for line in self.lines]
        return [(int(match[1]), int(match[2])) for match in found if match]

    def _where(self, row: FrozenTrial) -> Machine | None:
        return next((host for host in self.cluster.hosts if host.name == row.user_attrs["node"]), None)

    def _read(self, output: IO[str]) -> None:
        self.lines.extend(line.rstrip("\n") for line in output)


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
    hosts = cluster.hosts
    study, (_, cut, killed) = hosts.shared / "study", hosts
    search = Submitted(cluster, study, f"ecg-tune submit {study} --data {hosts.shared}/data {FLAGS} --retries 20 --address {tunnel}")
    search.send(MANY)
    search.wait("it trains on all", lambda: search.ended() and all(search.running_on(host) for host in hosts))

    at_the_cut, since = search.rows(), time.monotonic()
    cut.cut()
    search.wait("a host is cut off, its trial handed out again", lambda: search.count(LOST))
    joined = hosts.add()
    cluster.up("--no-restart")
    search.wait("a minute has passed", lambda: time.monotonic() - since > CUT_S)
    cut.restore()
    search.wait("a fourth host has ended a trial", lambda: search.ended(joined))
    search.wait("the host that was cut off trains again", lambda: search.running_on(cut) and search.running_on(killed))

    at_the_kill, lost = search.rows(), search.count(LOST)
    killed.kill()
    search.wait("another host is dead, its trial handed out again", lambda: search.count(LOST) > lost)

    search.stop(tunnel)
    assert search.ended_with() == 130, search.told()
    at_the_stop = search.rows()
    n_trials = len(at_the_stop) + 3
    search.send(n_trials)
    assert search.ended_with() == 0, search.told()
    rows = search.rows()
    wrong = [line for before in (at_the_cut, at_the_kill, at_the_stop) for line in changed_rows(before, rows)]
    wrong += [*wrong_rows(rows, n_trials), *wrong_decisions(rows, search.arrivals())]
    assert not wrong, "\n".join([*wrong, search.told()])
    assert search.count("machines came or went: ") >= 3


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
