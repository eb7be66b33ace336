"""Small searches, one after the other, each hit by a fault at a random moment: `make soak` (an hour; MINUTES=10 for ten minutes).

As root, `unshare -m` lets it also fill a disk of its own. Its findings go into a JSON file, of which `reliability.py` makes a table.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from tests.conftest import make_toy_data

from .checks import changed_rows, wrong_rows
from .processes import end_all, processes_of, wait_for, workers_of
from .searches import Search

MOST_RUNS = 4
LOCK_S = 5.0


def no_fault(search: Search, process: subprocess.Popen[bytes]) -> None:
    """Let it be."""


def killed_driver(search: Search, process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    end_all(search.scratch)


def killed_worker(search: Search, process: subprocess.Popen[bytes]) -> None:
    for worker in sorted(workers_of(search.scratch))[:1]:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)


def interrupted(search: Search, process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)


def locked_database(search: Search, process: subprocess.Popen[bytes]) -> None:
    with closing(sqlite3.connect(search.study / "study.db", timeout=60, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        time.sleep(LOCK_S)
        database.execute("ROLLBACK")


def full_disk(search: Search, process: subprocess.Popen[bytes]) -> None:
    fill = search.study.parent / "fill"
    with suppress(OSError), fill.open("wb") as file:
        while True:
            file.write(bytes(1 << 20))
    process.wait(300)
    fill.unlink()


FAULTS: dict[str, Callable[[Search, subprocess.Popen[bytes]], None]] = {
    "none": no_fault,
    "killed driver": killed_driver,
    "killed worker": killed_worker,
    "Ctrl-C": interrupted,
    "database locked for 5 s": locked_database,
    "full disk": full_disk,
}


def one_round(fault: str, data: Path, scratch: Path, disk: Path, chance: random.Random) -> dict[str, object]:
    """Run one search, hit it, let the same command go on, and return what came of it."""
    search = Search(study=disk / "study", data=data, scratch=scratch, scheduler="asha")
    open_files = memory_mb = runs = 0
    before, code = [], -1
    while code != 0 and runs < MOST_RUNS:
        with search.started() as process:
            if runs == 0:
                share = chance.uniform(0.05, 0.9)
                while process.poll() is None and search.share_done() < share:
                    time.sleep(0.1)
                open_files, memory_mb = _size_of(process.pid)
                before = search.rows()
                if process.poll() is None:
                    FAULTS[fault](search, process)
            code, runs = process.wait(600), runs + 1
    rows = search.rows()
    wrong = [*changed_rows(before, rows), *wrong_rows(rows), *(["it did not end"] if code else [])]
    wrong += ["a traceback"] if "Traceback" in search.message() else []
    wait_for(lambda: not processes_of(scratch), at_most_s=90)
    left = {"processes_left": len(processes_of(scratch)), "files_left": sum(path.is_file() for path in scratch.rglob("*"))}
    size_mb = sum(path.stat().st_size for path in disk.rglob("*") if path.is_file()) / 1e6
    sizes = {"driver_files": open_files, "driver_mb": memory_mb, "study_mb": round(size_mb, 1)}
    return {"fault": fault, "runs": runs, "wrong": wrong, **sizes, **left}


def _size_of(pid: int) -> tuple[int, int]:
    """Return how many files a process has open, and its memory in MB."""
    with suppress(OSError):
        resident = Path(f"/proc/{pid}/statm").read_text().split()[1]
        return len(list(Path(f"/proc/{pid}/fd").iterdir())), int(resident) * os.sysconf("SC_PAGE_SIZE") // 1_000_000
    return 0, 0


def soak(minutes: float, out: Path, *, seed: int, fills_disks: bool) -> list[dict[str, object]]:
    """Go on for so long, and write what has come out after every round."""
    chance, began, rounds = random.Random(seed), time.time(), list[dict[str, object]]()
    faults = [fault for fault in FAULTS if fault != "full disk" or fills_disks]
    work = Path(tempfile.mkdtemp(prefix="soak", dir="/tmp"))
    try:
        data = make_toy_data(work / "data", n_records=(160, 80, 2)).folder
        while time.time() - began < 60 * minutes:
            fault = faults[len(rounds) % len(faults)]
            scratch, disk = Path(tempfile.mkdtemp(prefix="r", dir=work)), work / "disk"
            disk.mkdir()
            if fills_disks:
                subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", disk], check=True)
            rounds.append(one_round(fault, data, scratch, disk, chance))
            print(json.dumps(rounds[-1]), flush=True)
            end_all(scratch)
            if fills_disks:
                subprocess.run(["umount", "-l", disk], check=True)
            shutil.rmtree(disk)
            shutil.rmtree(scratch, ignore_errors=True)
            minutes_done = round((time.time() - began) / 60, 1)
            out.write_text(json.dumps({"minutes": minutes_done, "rounds": rounds}, indent=1) + "\n")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return rounds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--out", type=Path, default=Path("docs/results/soak.json"))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    is_root = os.geteuid() == 0 and shutil.which("unshare") is not None
    done = soak(given.minutes, given.out, seed=given.seed, fills_disks=is_root and os.environ.get("UNSHARED") == "1")
    raise SystemExit(any(entry["wrong"] for entry in done))
