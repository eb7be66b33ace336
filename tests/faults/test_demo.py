"""`ecg-tune demo` that is interrupted goes on when it is started again, and does no finished step twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands import ROOT
from tests.rays import SharedRay

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.kill]

COMMAND = (sys.executable, "-m", "ecg_tune", "demo", "--records", "200", "--trials", "3", "--max-epochs", "1", "--out")


def interrupted(out: Path, log: Path, at: str, blow: signal.Signals, ray: SharedRay) -> None:
    with log.open("w") as file:
        process = subprocess.Popen([*COMMAND, str(out)], stdout=file, stderr=file, cwd=ROOT, env={**os.environ, **ray.environment})
        while at not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.02)
        process.send_signal(blow)
        assert process.wait(120) == (130 if blow == signal.SIGINT else -signal.SIGKILL), log.read_text()


def test_an_interrupted_demo_goes_on(shared_ray, tmp_path):
    out, log = tmp_path / "demo", tmp_path / "log"
    interrupted(out, log, "[2/6]", signal.SIGKILL, shared_ray)
    made = {path: path.stat().st_mtime_ns for path in (out / "ptbxl_synthetic").rglob("*.hea")}
    assert len(made) == 400 or len(made) == 200
    interrupted(out, log, "trial 0", signal.SIGINT, shared_ray)
    prepared = (out / "data" / "manifest.json").stat().st_mtime_ns
    done = subprocess.run(
        [*COMMAND, str(out)], capture_output=True, text=True, cwd=ROOT, env={**os.environ, **shared_ray.environment}, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done before") == 2
    assert made == {path: path.stat().st_mtime_ns for path in (out / "ptbxl_synthetic").rglob("*.hea")}
    assert prepared == (out / "data" / "manifest.json").stat().st_mtime_ns
    assert (out / "results" / "report.html").is_file()
