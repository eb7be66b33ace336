"""What the cases share, and the table that is printed at the end."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import make_toy_data

from .outcomes import Outcome, table
from .processes import end_all, processes_of, wait_for
from .searches import Search

OUTCOMES = pytest.StashKey[list[Outcome]]()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return data on which an epoch takes some tenths of a second, so that faults land in training."""
    return make_toy_data(tmp_path_factory.mktemp("data"), n_records=(160, 80, 2)).folder


@pytest.fixture
def search(data: Path, tmp_path: Path) -> Iterator[Search]:
    """Return a search yet to be started. Its processes must have ended when the test has; whatever is left is killed."""
    scratch = Path(tempfile.mkdtemp(prefix="kill", dir="/tmp"))  # sockets lie in it, and their paths must be short
    try:
        yield Search(study=tmp_path / "study", data=data, scratch=scratch)
        assert wait_for(lambda: not left(scratch), at_most_s=30), left(scratch)
    finally:
        end_all(scratch)
        shutil.rmtree(scratch, ignore_errors=True)


def left(scratch: Path) -> list[str]:
    """Return what still runs, but for two agents of Ray's that outlive a killed driver by a minute and hold nothing."""
    return [command for command in processes_of(scratch).values() if not re.match(r"ray::\w+Agent", command)]


@pytest.fixture
def outcomes(pytestconfig: pytest.Config) -> list[Outcome]:
    """Return the list of what has come out so far."""
    return pytestconfig.stash.setdefault(OUTCOMES, [])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if OUTCOMES in config.stash:
        terminalreporter.write_sep("=", "faults")
        for line in table(config.stash[OUTCOMES]):
            terminalreporter.write_line(line)
