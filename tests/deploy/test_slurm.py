"""`deploy/slurm.sh`: a real search on a real Ray of two nodes, stopped as before a time limit and started again as SLURM would.

SLURM itself is not there: `slurm_stub/` stands in for its `srun` and `scontrol`, and both nodes are this machine. What stays untested is
what SLURM does with the `#SBATCH` lines: resources, the signal before the limit, the requeueing.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState

from tests.conftest import make_toy_data
from tests.faults.conftest import left
from tests.stored import newest_trials, open_study

from ..faults.processes import MARK, end_all, processes_of, wait_for

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "slurm.sh"
STUB = Path(__file__).with_name("slurm_stub")
TRIALS = 3
AT_MOST_S = 240.0
"""A run that takes longer hangs; it needs 20 s on two free cores."""


class Job:
    """A job that SLURM runs, possibly several times."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, str(os.getpid())
        self.private, self.requeued = folder / ".ray" / f"slurm-{self.number}", folder / "requeued"
        path = os.pathsep.join([str(STUB), str(Path(sys.executable).parent), os.environ["PATH"]])
        mark = {MARK: str(folder), "SPT_NOENV": "1"}
        own = {"HOME": str(folder), "PATH": path, "REQUEUED": str(self.requeued), "OMP_NUM_THREADS": "1"}
        slurm = {"SLURM_JOB_ID": self.number, "SLURM_JOB_NODELIST": "node1,node2", "SLURM_CPUS_PER_TASK": "1"}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "SLURM_"))}
        self.environment = inherited | mark | own | slurm
        self.log = folder / "job.log"

    def start(self, *command: object) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen([SCRIPT, *map(str, command)], stdout=log, stderr=subprocess.STDOUT, env=self.environment)

    def scratch(self) -> list[Path]:
        """Return the folders of Ray's files, one a node."""
        return sorted(Path("/tmp").glob(f"ecg-tune-{self.number}.*"))

    def message(self) -> str:
        return self.log.read_text()


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    job = Job(tmp_path)
    yield job
    end_all(tmp_path)
    for folder in job.scratch():
        shutil.rmtree(folder)


@pytest.mark.ray
@pytest.mark.jobs
def test_a_search_is_stopped_before_the_time_limit_requeued_and_ends_in_the_next_run(job, tmp_path):
    data, study = make_toy_data(tmp_path / "data", n_records=(160, 80, 2)).folder, tmp_path / "study"
    command = ("search", study, "--data", data, "--families", "cnn1d", "--profile", "small", "--trials", TRIALS, "--max-epochs", 6)
    first = job.start(*command)
    assert wait_for(lambda: "epoch 2/" in job.message() or first.poll() is not None, at_most_s=AT_MOST_S), job.message()
    check_token(job)
    first.send_signal(signal.SIGUSR1)
    assert first.wait(AT_MOST_S) == 130, job.message()
    assert job.requeued.read_text().split() == [job.number]
    check_nothing_is_left(job)
    open_rows = [row for row in newest_trials(open_study(study)) if not row.state.is_finished()]
    assert open_rows, job.message()

    assert job.start(*command).wait(AT_MOST_S) == 0, job.message()
    rows = newest_trials(open_study(study))
    assert len(rows) == TRIALS
    assert {row.state for row in rows} <= {TrialState.COMPLETE, TrialState.PRUNED}, job.message()
    epochs = re.findall(r"^trial (\d+) \(\w+\) epoch (\d+)/", job.message(), re.MULTILINE)
    assert len(epochs) == len(set(epochs)), "an epoch that the first run had reported was trained again"
    assert job.requeued.read_text().split() == [job.number], "a search that ended was requeued"
    check_nothing_is_left(job)


def check_token(job: Job) -> None:
    """While the job runs: its token's file is its user's alone, and the token stands in no log and no command line."""
    token = (job.private / "auth_token").read_text()
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (job.private / "auth_token", job.private, *job.scratch())]
    assert [f"{mode:o}" for mode in modes] == ["600", "700", "700", "700"]
    commands = processes_of(job.folder).values()
    assert sum("raylet/raylet" in command for command in commands) == 2, job.message()
    assert len(token) == 64
    assert not [command for command in commands if token in command]
    assert token not in job.message()
    assert "0.0.0.0" not in job.message()


def check_nothing_is_left(job: Job) -> None:
    assert not job.private.exists()
    assert not job.scratch()
    assert wait_for(lambda: not left(job.folder), at_most_s=30), left(job.folder)  # helpers of the dashboard see its end a moment later


def test_a_ray_that_does_not_start_is_shown_and_nothing_is_left(job, tmp_path):
    ray = tmp_path / "bin" / "ray"
    ray.parent.mkdir()
    ray.write_text("#!/bin/sh\necho the port is taken\nexit 1\n")
    ray.chmod(0o755)
    job.environment["PATH"] = f"{ray.parent}:{job.environment['PATH']}"
    assert job.start("search", "STUDY", "--data", "DATA").wait(AT_MOST_S) == 2
    assert "the port is taken\nslurm.sh: Ray did not start on node1, see above" in job.message()
    check_nothing_is_left(job)


@pytest.mark.parametrize(
    ("command", "without", "line"),
    [
        ((), None, "slurm.sh: no command given: sbatch deploy/slurm.sh search STUDY --data DATA …"),
        (("search", "STUDY"), "SLURM_JOB_ID", "slurm.sh: not inside a SLURM job: start it with sbatch"),
    ],
)
def test_a_wrong_start_is_one_line(job, command, without, line):
    job.environment.pop(without, None)
    assert job.start(*command).wait(AT_MOST_S) == 2
    assert job.message().splitlines() == [line]


def test_slurm_is_asked_to_requeue_and_to_tell_the_script_before_the_limit():
    directives = dict(re.findall(r"^#SBATCH --([\w-]+)(?:=(\S+))?$", SCRIPT.read_text(), re.MULTILINE))
    assert directives["requeue"] == ""
    assert directives["signal"].startswith("B:USR1@")
    assert directives["open-mode"] == "append", "a requeued job would wipe its log"
    assert directives["ntasks-per-node"] == "1"
