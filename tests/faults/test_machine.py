"""What goes wrong under a running command: a disk that fills, a database that is locked, moved, deleted or read-only.

Each is told in one line with exit code 1, no trial is spent on it, and the same command goes on once it is put right.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ecg_tune.study.study import Study

ROOT = Path(__file__).parents[2]
TRIALS, EPOCHS, WAIT_S = 6, 4, 4
FLAGS = f"--families cnn1d --profile small --trials {TRIALS} --max-epochs {EPOCHS} --slots 1 --scheduler none --sampler random"
PATIENT = f"import ecg_tune.study.database as d; d.SQLITE_WAIT_S = {WAIT_S}; from ecg_tune.cli.main import main; main()"
"""The command, with a database that is waited for a shorter time."""
as_root = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="mounts need root and unshare")


def started(study: Path, data: Path, log: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PATIENT, "search", str(study), "--data", str(data), *FLAGS.split()]
    with log.open("w") as out:
        return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=log.parent)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)


def states(study: Path) -> dict[int, str]:
    with Study.open(study) as opened:
        return {trial.number: trial.state for trial in opened.trials()}


@contextmanager
def locked(study: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold the database's write lock."""
    code = (
        "import sqlite3, sys, time\n"
        "database = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)\n"
        "database.execute('BEGIN IMMEDIATE'); print('held', flush=True); time.sleep(float(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, str(study / "study.db"), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def moved(study: Path, process: subprocess.Popen[bytes]) -> Callable[[], object]:
    (study / "study.db").rename(study / "elsewhere.db")
    process.wait(120)
    return lambda: (study / "elsewhere.db").rename(study / "study.db")


def deleted(study: Path, process: subprocess.Popen[bytes]) -> Callable[[], object]:
    with closing(sqlite3.connect(study / "study.db")) as source, closing(sqlite3.connect(study.parent / "backup.db")) as target:
        source.backup(target)
    (study / "study.db").unlink()
    process.wait(120)
    return lambda: shutil.copy(study.parent / "backup.db", study / "study.db")


def renamed_folder(study: Path, process: subprocess.Popen[bytes]) -> Callable[[], object]:
    study.rename(study.with_name("elsewhere"))
    process.wait(120)
    return lambda: (shutil.rmtree(study, ignore_errors=True), study.with_name("elsewhere").rename(study))


def locked_for_long(study: Path, process: subprocess.Popen[bytes]) -> Callable[[], object]:
    with locked(study, 300):
        process.wait(120)
    return lambda: None


GONE = "study/study.db: it was moved or deleted while it was in use: put it back; the same command resumes the search"
HITS = {  # what is done to a search, what it says then
    "moved": (moved, GONE),
    "deleted": (deleted, GONE),
    "locked for long": (locked_for_long, "study/study.db: database is locked: another program holds it"),
    "its folder renamed": (renamed_folder, "put it back; the same command resumes the search"),
}


@pytest.mark.ray
@pytest.mark.kill
@pytest.mark.parametrize("case", HITS)
def test_a_search_that_loses_its_database_says_so_and_goes_on_later(case, commands_join_ray, data, tmp_path):
    study, log, (hit, message) = tmp_path / "study", tmp_path / "log", HITS[case]
    process = started(study, data, log)
    try:
        wait_for(lambda: "epoch 2/" in log.read_text(), process, log)
        put_right = hit(study, process)
    finally:
        process.kill()
    assert process.wait() == 1, log.read_text()
    last = log.read_text().splitlines()[-1]
    assert last.startswith("ecg-tune: "), log.read_text()
    assert message in last
    assert "Traceback" not in log.read_text()
    put_right()
    before = states(study)
    assert set(before.values()) <= {"COMPLETE", "RUNNING"}
    assert started(study, data, log).wait(200) == 0, log.read_text()
    assert states(study) == dict.fromkeys(range(TRIALS), "COMPLETE")
    assert {path.name for path in study.iterdir()} <= {"study.db", ".search.lock", "checkpoints"}


@pytest.mark.ray
def test_a_database_that_is_locked_for_a_moment_is_waited_for(commands_join_ray, data, tmp_path):
    study, log = tmp_path / "study", tmp_path / "log"
    process = started(study, data, log)
    try:
        wait_for(lambda: "epoch 2/" in log.read_text(), process, log)
        with locked(study, WAIT_S / 2) as holder:
            holder.wait()
        assert process.wait(200) == 0, log.read_text()
    finally:
        process.kill()
    assert states(study) == dict.fromkeys(range(TRIALS), "COMPLETE")


SEARCH = f"{sys.executable} -m ecg_tune search m/study --data $DATA {FLAGS}"
SAY = "echo code $?"
DISKS = {  # scripts in a mount namespace of their own; a disk of the size is mounted at m
    "too small for a checkpoint": ("900k", f"{SEARCH}; {SAY}; mount -o remount,size=100m m; {SEARCH}; {SAY}"),
    "filled while it runs": (
        "80m",
        f"{SEARCH} > log 2>&1 & p=$!; until grep -q 'epoch 2/' log; do kill -0 $p || break; sleep 0.1; done; "
        f"head -c 200M /dev/zero > m/fill 2>/dev/null; wait $p; {SAY}; tail -1 log; grep -c Traceback log; "
        f"rm m/fill; {SEARCH}; {SAY}",
    ),
    "made read-only": (
        "80m",
        f"{SEARCH} --trials 2; mount -o remount,ro m; {SEARCH}; {SAY}; mount -o remount,rw m; {SEARCH}; {SAY}",
    ),
}


@as_root
@pytest.mark.ray
@pytest.mark.kill
@pytest.mark.parametrize("case", DISKS)
def test_a_search_on_a_disk_that_fails_spends_no_trial_on_it(case, data, tmp_path):
    size, script = DISKS[case]
    states = f"import sys; sys.path.insert(0, '{ROOT}'); from tests.faults.test_machine import states; from pathlib import Path; "
    show = f"{sys.executable} -c \"{states}print('states', states(Path('m/study')))\""
    whole = f"mkdir m; mount -t tmpfs -o size={size} tmpfs m; {script}; {show}"
    own = {"DATA": str(data), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "RAY_ADDRESS": ""}  # a Ray that sees the disk, too
    environment = {**os.environ, **own}
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", whole], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    said = done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("code")] == ["code 1", "code 0"], said
    assert "No space left on device" in said or "disk is full" in said or "ead-only" in said or "readonly" in said
    assert "Traceback" not in said
    assert f"states {dict.fromkeys(range(TRIALS), 'COMPLETE')}" in said
