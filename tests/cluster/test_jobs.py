"""A real Ray on this machine that asks for a token: commands sent to it as jobs, its doctor, and who is let in."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection, socket

import pytest

from ecg_tune.cli.pull import SOURCE
from tests.commands import Said, ecg_tune, in_one_process
from tests.conftest import make_toy_data
from tests.rays import TOKEN_FILE, make_token
from tests.stored import newest_trials, open_study

from .tunnel import Tunnel

pytestmark = [
    pytest.mark.ray,
    pytest.mark.jobs,
    pytest.mark.filterwarnings("ignore:ssl=None is deprecated, please use ssl=True:DeprecationWarning"),  # Ray 2.60 with aiohttp 3.14
]

FLAGS = ("--families", "cnn1d,cnn1d_rnn", "--profile", "small", "--max-epochs", "2", "--scheduler", "asha")


@dataclass(frozen=True)
class Head:
    """A running head.

    Attributes:
        jobs: Its Jobs address.
        gcs: HOST:PORT to join.
        home: Home folder of its jobs.
    """

    jobs: str
    gcs: str
    home: Path
    environment: dict[str, str]

    def ecg_tune(self, *arguments: object, code: int = 0) -> Said:
        """Run a command as a user elsewhere, in an empty folder, and check its exit code."""
        words = [str(argument) for argument in arguments]
        with chdir(tempfile.mkdtemp(dir=self.home.parent)), pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["ecg-tune", *words])  # a job says it again
            done = ecg_tune(*words)
        assert done.code == code, f"{done.out}\n{done.err}"
        return done

    def in_one_process(self, *commands: list[object], **environment: str) -> list[Said]:
        """Run commands with another environment."""
        return in_one_process(commands, cwd=self.home.parent, environment={**self.environment, **environment})


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    home = tmp_path_factory.mktemp("cluster") / "home"
    home.mkdir()
    make_token()
    scratch = tempfile.mkdtemp(prefix="jobs", dir="/tmp")  # sockets lie in it, and their paths must be short
    ports = free_ports(6)
    environment = {
        **os.environ,
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(TOKEN_FILE),
        "RAY_TMPDIR": scratch,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONUNBUFFERED": "",  # a job's lines come as they are printed, through a pipe too
    }
    names = (
        "port",
        "dashboard-port",
        "dashboard-agent-listen-port",
        "dashboard-agent-grpc-port",
        "metrics-export-port",
        "ray-client-server-port",
    )
    options = [f"--{name}={port}" for name, port in zip(names, ports, strict=True)]
    start = ["ray", "start", "--head", "--block", "--dashboard-host=127.0.0.1", "--num-cpus=2", "--object-store-memory=150000000", *options]
    with subprocess.Popen(start, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            answers(int(ports[1]))
            yield Head(f"http://127.0.0.1:{ports[1]}", f"{own_address()}:{ports[0]}", home, environment)
        finally:
            process.terminate()
            process.wait(60)
            shutil.rmtree(scratch, ignore_errors=True)


def free_ports(n: int) -> list[int]:
    """Return ports that nobody listens at."""
    sockets = [socket() for _ in range(n)]
    try:
        for one in sockets:
            one.bind(("", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def answers(port: int) -> None:
    """Wait until somebody listens at a port of this machine."""
    for _ in range(600):
        with suppress(OSError), create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)


def own_address() -> str:
    """Return the address that Ray gives a node here."""
    import ray

    return ray.util.get_node_ip_address()


@pytest.fixture(scope="module")
def submitted(head: Head) -> Path:
    """Return the study of a search that was sent as a job, with paths in the home folder there and files from here."""
    make_toy_data(head.home / "data", n_records=(160, 80, 40))
    settings = head.home.parent / "search.yaml"
    settings.write_text("seed: 5\n")
    queued = head.home.parent / "queued.yaml"
    queued.write_text("- {family: cnn1d, cnn1d.depth: 3}\n")
    sent = ("submit", "study", "--data", "data", "--trials", 4, *FLAGS, "--config", settings, "--enqueue", queued, "--address", head.jobs)
    message = head.ecg_tune(*sent)
    assert "trial 3 (" in message.out
    assert "Running entrypoint" not in message.out
    assert "stop:   ray job stop ecg-tune-" in message.err
    assert f"ecg-tune retrain study --top 2 --address {head.jobs}" in message.out
    again = " ".join(map(str, sent))
    head.ecg_tune(*sent)  # sent again it finds all trials there
    stopped = head.ecg_tune(*sent[:4], "--trials", 6, *sent[6:], "--total-epochs", 1)
    assert f"resume with: ecg-tune {again.replace('--trials 4', '--trials 6')}" in stopped.out
    return head.home / "study"


def test_a_submitted_search_is_the_same_as_one_on_the_head(submitted: Path) -> None:
    rows = newest_trials(open_study(submitted))
    assert [row.state.name for row in rows] == ["COMPLETE"] * 4
    assert rows[2].params["cnn1d.depth"] == 3
    assert open_study(submitted).user_attrs["seed"] == 5


def test_a_tunnel_that_breaks_does_not_end_a_search_and_no_line_comes_twice(submitted: Path, head: Head) -> None:
    with Tunnel(int(head.jobs.rpartition(":")[2])) as tunnel:
        command = ["submit", "broken", "--data", "data", "--trials", "8", *FLAGS, "--address", f"http://127.0.0.1:{tunnel.port}"]
        process = subprocess.Popen(
            [sys.executable, "-m", "ecg_tune", *command], env=head.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout
        lines = list(iter(process.stdout.readline, "trial 1 (cnn1d_rnn) starts\n"))
        tunnel.cut()
        time.sleep(3)
        tunnel.mend()
        out, message = process.communicate(timeout=300)
    assert process.returncode == 0, message
    assert "the job continues, connecting again" in message
    epochs = [line for line in "".join([*lines, out]).splitlines() if re.match(r"trial \d+ \(\w+\) epoch ", line)]
    assert len(epochs) == len(set(epochs)) == sum(len(row.intermediate_values) for row in newest_trials(open_study(head.home / "broken")))


def test_status_and_dashboard_of_a_study_there(submitted: Path, head: Head) -> None:
    facts = json.loads(head.ecg_tune("status", "study", "--json", "--address", head.jobs).out)
    assert facts["states"]["COMPLETE"] == 4
    page = head.home.parent / "page.html"
    head.ecg_tune("dashboard", "study", "--out", page, "--address", head.jobs)
    assert "<html" in page.read_text()[:2000]
    assert not any((head.home / ".ecg-tune").iterdir())


def test_retrained_and_evaluated_there_and_brought_home(submitted: Path, head: Head) -> None:
    message = head.ecg_tune("retrain", "study", "--top", 1, "--seeds", 1, "--address", head.jobs).out
    assert "wrote " in message
    results = head.home.parent / "results"
    head.ecg_tune("evaluate", "study", "--out", results, "--bootstrap", 100, "--address", head.jobs)
    assert (results / "EVALUATION_SUMMARY.txt").is_file()
    assert len(list((results / "visualizations").glob("*.png"))) >= 5
    target = head.home.parent / "brought"
    for _ in range(2):  # the second replaces the first
        head.ecg_tune("pull", "study", "--out", target, "--checkpoints", "--address", head.jobs)
    assert {path.name for path in target.iterdir()} >= {"study.db", "models", "checkpoints", SOURCE}
    there, here = open_study(submitted).get_trials(), open_study(target).get_trials()
    assert [(t.number, t.params, t.values, t.user_attrs) for t in here] == [(t.number, t.params, t.values, t.user_attrs) for t in there]
    kept = {path.name for path in (submitted / "checkpoints").rglob("*.pt")}
    assert {path.name for path in (target / "checkpoints").rglob("*.pt")} == kept != set()


def test_nothing_is_pulled_over_something_else(submitted: Path, head: Head, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    message = head.ecg_tune("pull", "study", "--out", tmp_path, "--address", head.jobs, code=2)
    assert "was not pulled from study" in message.err
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_the_jobs_exit_code_and_message_come_home(head: Head) -> None:
    message = head.ecg_tune("status", "nowhere", "--address", head.jobs, code=2)
    assert "ecg-tune: nowhere is not a study" in message.out


def test_the_doctor_finds_nothing_and_what_is_asked_too_much(head: Head) -> None:
    message = head.ecg_tune("doctor", "shared", "--address", head.jobs).out
    assert "1 machines, nothing found wrong" in message
    assert not list((head.home / "shared").iterdir())
    message = head.ecg_tune("doctor", "--cpus-per-trial", 64, "--address", head.gcs, code=1).out
    assert "a trial asks for 64 CPUs on one machine" in message


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_who_has_no_token_or_another_one_is_refused(head: Head, token: str) -> None:
    given = {"RAY_AUTH_MODE": "token" if token else "disabled", "RAY_AUTH_TOKEN_PATH": "", "RAY_AUTH_TOKEN": token}
    for said in head.in_one_process(["status", "study", "--address", head.jobs], ["doctor", "--address", head.gcs], **given):
        assert said.code == 2
        assert "refuses our token" in said.err, said.err
        assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "study", "--data", "{data}", "--address", "ray://127.0.0.1:10001"], "give auto or HOST:PORT"),
        (["search", "study", "--data", "{data}", "--address", "127.0.0.1:1"], "nothing answers at --address 127.0.0.1:1"),
        (["status", "study", "--address", "127.0.0.1:8265"], "is no Jobs address: give http://HOST:PORT"),
        (["status", "study", "--address", "http://127.0.0.1:1"], "no Ray answers at http://127.0.0.1:1"),
        (["submit", "study", "--data", "data", "--trials", "0"], "trials"),
        (["submit", "study", "--data", "data", "--progress", "live"], "a job prints plain or jsonl"),
    ],
)
def test_what_is_no_address_is_refused(head: Head, submitted: Path, arguments: list[str], message: str) -> None:
    done = head.ecg_tune(*(argument.format(data=head.home / "data") for argument in arguments), code=2)
    assert message in done.err
    assert done.err.count("\n") == 1


def test_a_ray_without_a_token_is_not_started_unless_told(head: Head, submitted: Path) -> None:
    command = ["search", "other", "--data", head.home / "data", "--trials", 1, *FLAGS]
    refused, allowed = head.in_one_process(command, [*command, "--insecure"], RAY_AUTH_MODE="disabled")
    assert refused.code == 2
    assert "unset it, or say --insecure" in refused.err
    assert allowed.code == 0, allowed.err
    assert "1 COMPLETE" in allowed.out
