"""A search that was sent to a cluster of hosts as a user sends it, and what was seen of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import IO

from optuna.trial import FrozenTrial

from ecg_tune.study.study import Study
from tests.stored import newest_trials, open_study

from ..faults.processes import wait_for
from .machine import Machine
from .onprem import TOKEN, OnPremCluster

LOST = "its worker or node was lost"
PATIENCE_S = 600.0
"""Guards against hanging; on two quiet cores no stage takes more than a minute or two."""


@dataclass(eq=False)
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
        self.cluster.client.run(f"ray job stop --no-wait {number} --address {address}", env=TOKEN)

    def ended_with(self) -> int:
        """Return the command's exit code."""
        code = self.process.wait(PATIENCE_S)
        self.reader.join(30)
        return code

    def wait(self, what: str, condition: Callable[[], object]) -> None:
        """Wait for something that happens while the search runs."""

        def reached() -> bool:
            over = self.process.poll() is not None  # asked first, so that what a search does last counts
            came = bool(condition())  # asked once: a host may be between two trials when it is asked again
            assert came or not over, self.message()
            return came

        came = wait_for(reached, at_most_s=PATIENCE_S)
        self.note(what)
        assert came, self.message()

    def count(self, text: str) -> int:
        """Return how many lines say something."""
        return sum(text in line for line in self.lines)

    def note(self, what: str) -> None:
        """Write into what was printed what happened meanwhile."""
        self.lines.append(f"{time.strftime('%H:%M:%S')} --- {what}")

    def rows(self) -> list[FrozenTrial]:
        """Return the rows that count; none when the study is not made yet."""
        return newest_trials(open_study(self.study)) if Study.exists(self.study) else []

    def ended(self, machine: Machine | None = None) -> list[FrozenTrial]:
        """Return the rows that are closed, those that ended on one machine only if that is given."""
        return [row for row in self.rows() if row.state.is_finished() and machine in (None, self._where(row))]

    def running_on(self, machine: Machine) -> bool:
        """Return whether a trial of the study trains on a machine now."""
        return any(".train" in line for line in machine.processes())

    def message(self) -> str:
        """Return what happened, the end of what was printed, and why a host did not come."""
        return "\n".join([*self.events(), *self.lines[-40:], self.cluster.log()])

    def events(self) -> list[str]:
        """Return what was waited for, and when it came."""
        return [line for line in self.lines if " --- " in line]

    def arrivals(self) -> list[tuple[int, int]]:
        """Return (trial, epoch) in the order in which the driver took their results in."""
        found = [re.match(r"trial (\d+) \(\w+\) epoch (\d+)/", line) for line in self.lines]
        return [(int(match[1]), int(match[2])) for match in found if match]

    def _where(self, row: FrozenTrial) -> Machine | None:
        return next((host for host in self.cluster.hosts if host.name == row.user_attrs["node"]), None)

    def _read(self, output: IO[str]) -> None:
        self.lines.extend(line.rstrip("\n") for line in output)
