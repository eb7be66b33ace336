"""A machine's clock is set by two hours in the middle of a search, for all of its processes: nothing stalls or is lost."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .checks import changed_rows, wrong_pauses, wrong_rows
from .outcomes import Outcome
from .processes import wait_for, workers_of
from .searches import PATIENCE_S, Search, unfinished, wait_for_the_moment

pytestmark = [pytest.mark.ray, pytest.mark.kill]
SOURCE = Path(__file__).with_name("clock.c")
HOURS = {"back": -2, "forward": 2}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the clock that can be set."""
    if (compiler := shutil.which("cc") or shutil.which("gcc")) is None:
        pytest.skip("no C compiler (cc, gcc) to make a clock that can be set")
    library = tmp_path_factory.mktemp("clock") / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
    return library


@pytest.mark.parametrize("direction", HOURS)
def test_a_clock_that_is_set_by_two_hours_loses_nothing(direction, library, search: Search, outcomes, tmp_path, monkeypatch):
    """It has a Ray of its own, whose processes have the same clock."""
    offset = tmp_path / "offset"
    offset.write_bytes(bytes(8))
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("CLOCK_OFFSET", str(offset))
    search = dataclasses.replace(search, flags=("--max-hours", "1"))
    with search.started() as process:
        wait_for_the_moment(search, process, 0)
        rows = search.rows()
        with offset.open("r+b") as file:  # mapped by all of them
            file.write((HOURS[direction] * 3600).to_bytes(8, "little", signed=True))
        assert process.wait(PATIENCE_S) == 0, search.message()
    assert wait_for(lambda: not workers_of(search.scratch), at_most_s=PATIENCE_S)  # Ray waits longer for them at times, by the time of day
    after = search.rows()
    changed = changed_rows(rows, after)
    backwards = [f"trial {row.number} ended before it began" for row in after if row.datetime_complete < row.datetime_start]
    wrong = [*changed, *wrong_rows(after, scheduler=search.scheduler), *wrong_pauses(after, search.arrivals(rows)), *backwards]
    outcomes.append(Outcome(f"clock set {direction} by two hours", len(unfinished(rows)), (), len(changed)))
    assert not wrong, "\n".join([*wrong, search.message()])


def test_the_clock_is_set_for_a_process_that_runs(library, tmp_path):
    offset = tmp_path / "offset"
    offset.write_bytes((-7200).to_bytes(8, "little", signed=True))
    code = "import time, datetime; print(time.time(), datetime.datetime.now(datetime.UTC).timestamp())"
    environment = {**os.environ, "LD_PRELOAD": str(library), "CLOCK_OFFSET": str(offset)}
    said = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert all(6900 < time.time() - float(seconds) < 7500 for seconds in said.split())
