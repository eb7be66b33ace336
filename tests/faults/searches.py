"""A real search as a user starts it: the command, the rows of its study, the moment at which it shall be hit; and a cluster for it."""

from __future__ import annotations

import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ecg_tune.study.database import DATABASE
from ecg_tune.study.study import Study
from tests.stored import newest_trials, open_study

from .processes import marked

TRIALS, EPOCHS = 8, 6
FAMILIES = ("cnn1d", "cnn1d_rnn")
FLAGS = ("--families", ",".join(FAMILIES), "--profile", "small", "--trials", TRIALS, "--max-epochs", EPOCHS, "--slots", 2)
STARTUP_S = 8.0
PATIENCE_S = 300.0
"""A search that takes longer hangs; it needs 20 s."""


@dataclass(frozen=True)
class Search:
    """One case.

    Attributes:
        study: Folder of the study.
        data: Folder of the prepared data.
        scratch: Folder of Ray's files, the mark of the case's processes.
        address: Of a running cluster, which other cases use, too; "" lets the search start its own Ray.
        scheduler: What stops its trials, or lets them wait.
        flags: Beside `FLAGS`.
    """

    study: Path
    data: Path
    scratch: Path
    address: str = ""
    scheduler: str = "forecast"
    flags: tuple[str, ...] = ()

    @contextmanager
    def started(self) -> Iterator[subprocess.Popen[bytes]]:
        """Start the command; what each run says goes to a file beside the study."""
        environment = marked(dict(os.environ), self.scratch) | ({"RAY_ADDRESS": self.address} if self.address else {})
        command = [
            sys.executable,
            "-m",
            "ecg_tune",
            "search",
            self.study,
            "--data",
            self.data,
            *FLAGS,
            "--scheduler",
            self.scheduler,
            *self.flags,
        ]
        with self.study.with_suffix(f".{len(self.logs)}.log").open("w") as log:
            process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def run(self) -> int:
        """Run the command to its end and return its exit code."""
        with self.started() as process:
            return process.wait(PATIENCE_S)

    @property
    def logs(self) -> list[Path]:
        """Return what the runs said, in their order."""
        return sorted(self.study.parent.glob(f"{self.study.name}.*.log"))

    def message(self) -> str:
        """Return the end of what the command said, in all its runs."""
        return "\n".join(log.read_text() for log in self.logs)[-6000:]

    def arrivals(self, before: Sequence[FrozenTrial]) -> list[tuple[int, int]]:
        """Return (trial, epoch) in the order in which the driver took their results in.

        Args:
            before: The rows at the fault. A value that was recorded, but not said any more, was its driver's last.
        """
        runs = [re.findall(r"^trial (\d+) \(\w+\) epoch (\d+)/", log.read_text(), re.MULTILINE) for log in self.logs]
        message = [[(int(number), int(epoch)) for number, epoch in run] for run in runs]
        unsaid = {(row.number, epoch) for row in before for epoch in row.intermediate_values} - {pair for run in message for pair in run}
        return [*message[0], *sorted(unsaid), *(pair for run in message[1:] for pair in run)]

    def rows(self) -> list[FrozenTrial]:
        """Return the rows that count; none when the study is not made yet."""
        return newest_trials(open_study(self.study)) if Study.exists(self.study) else []

    def share_done(self) -> float:
        """Return how much of the search lies behind, 0..1."""
        epochs = "SELECT COUNT(*) FROM trial_intermediate_values v WHERE v.trial_id = t.trial_id"
        rows = self._ask(f"SELECT state, ({epochs}) FROM trials t")
        return sum(n / EPOCHS if state in ("RUNNING", "WAITING") else 1 for state, n in rows) / TRIALS

    def _ask(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database for reading only; a driver that was killed in a transaction leaves it so that this says nothing."""
        address = f"{(self.study / DATABASE).as_uri()}?mode=ro"
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(address, uri=True)) as database:  # not made yet
            return database.execute(query).fetchall()
        return []


def unfinished(rows: Sequence[FrozenTrial]) -> set[int]:
    """Return the numbers of the rows that are open."""
    return {row.number for row in rows if row.state in (TrialState.RUNNING, TrialState.WAITING)}


def wait_for_the_moment(search: Search, process: subprocess.Popen[bytes], case: int) -> None:
    """Sleep to a moment of the search: cases spread evenly over its start and its work (golden ratio), at random in the epoch."""
    share = -0.25 + 1.1 * ((0.5 + 0.618 * case) % 1)  # case 0, the one of CI, in the middle
    if share < 0:
        time.sleep(-share / 0.25 * STARTUP_S)
    while process.poll() is None and search.share_done() < share:
        time.sleep(0.1)
    time.sleep(random.Random(case).uniform(0, 0.4))
    assert process.poll() is None, f"the search had ended before the fault:\n{search.message()}"


@dataclass(frozen=True)
class Cluster:
    """A running `three_nodes.py`."""

    process: subprocess.Popen[str]
    scratch: Path
    address: str
    raylets: list[int]

    def kill(self, node: int) -> None:
        """Kill a worker node and wait for the answer."""
        self._do("kill", node)

    def start(self, node: int) -> None:
        """Put another in the place of a killed node."""
        self.raylets[node] = self._do("start", node)

    def _do(self, action: str, node: int) -> int:
        assert self.process.stdin
        assert self.process.stdout
        print(action, node, file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())


@contextmanager
def nodes_running(scratch: Path) -> Iterator[Cluster]:
    """Hold a cluster of three nodes."""
    command, pipe = [sys.executable, str(Path(__file__).with_name("three_nodes.py"))], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=marked(dict(os.environ), scratch)) as process:
        assert process.stdout
        facts = json.loads(process.stdout.readline())
        yield Cluster(process, scratch, facts["address"], facts["raylets"])
