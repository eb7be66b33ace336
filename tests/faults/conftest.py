"""What the cases share, and the table that is printed at the end."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import make_toy_data

from .outcomes import Outcome, table
from .processes import end_all, processes_of, wait_for, workers_of
from .searches import Cluster, Search, nodes_running

OUTCOMES = pytest.StashKey[list[Outcome]]()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return data on which an epoch takes some tenths of a second, so that faults land in training."""
    return make_toy_data(tmp_path_factory.mktemp("data"), n_records=(160, 80, 2)).folder


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder for Ray's files and the mark of processes; whatever of them is left in the end is killed."""
    scratch = Path(tempfile.mkdtemp(prefix="kill", dir="/tmp"))  # sockets lie in it, and their paths must be short
    try:
        yield scratch
    finally:
        end_all(scratch)
        shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Return three running nodes for the cases that leave them as they are, or put them right."""
    with scratch_folder() as scratch, nodes_running(scratch) as running:
        yield running


@pytest.fixture
def search(data: Path, tmp_path: Path) -> Iterator[Search]:
    """Return a search yet to be started, with a Ray of its own. All its processes must have ended when the test has."""
    with scratch_folder() as scratch:
        yield Search(study=tmp_path / "study", data=data, scratch=scratch)
        assert wait_for(lambda: not left(scratch), at_most_s=30), left(scratch)


@pytest.fixture
def joined(cluster: Cluster, data: Path, tmp_path: Path) -> Iterator[Search]:
    """Return a search yet to be started, on the three nodes. Its workers must have ended when the test has."""
    yield Search(study=tmp_path / "study", data=data, scratch=cluster.scratch, address=cluster.address)
    assert wait_for(lambda: not workers_of(cluster.scratch), at_most_s=30), left(cluster.scratch)


def left(scratch: Path) -> list[str]:
    """Return what still runs, but for two agents of Ray's that outlive a killed driver by a minute and hold nothing."""
    return [command for command in processes_of(scratch).values() if not re.match(r"ray::\w+Agent", command)]


@pytest.fixture
def outcomes(pytestconfig: pytest.Config) -> list[Outcome]:
    """Return the list of what has come out so far."""
    return pytestconfig.stash.setdefault(OUTCOMES, [])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if out := os.environ.get("RELIABILITY"):  # where `make reliability` wants the numbers
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for state in ("passed", "failed", "error", "skipped"):
            for report in terminalreporter.stats.get(state, ()):
                if state != "passed" or report.when == "call":
                    counts[report.nodeid.partition("::")[0].rpartition("/")[2]][state] += 1
        kills = [asdict(outcome) for outcome in config.stash.get(OUTCOMES, [])]
        Path(out).write_text(json.dumps({"kills": kills, "tables": counts}, indent=1) + "\n")
    if OUTCOMES in config.stash:
        terminalreporter.write_sep("=", "faults")
        for line in table(config.stash[OUTCOMES]):
            terminalreporter.write_line(line)
