"""A search whose extension is interrupted for real: what was finished stays usable, and the old number of epochs may be given again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ecg_tune.study.study import Study
from tests.commands import ecg_tune
from tests.rays import SharedRay

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.kill]

FLAGS = ("--families", "cnn1d", "--profile", "small", "--trials", 3, "--slots", 1, "--scheduler", "none", "--sampler", "random")


def start(study: Path, data: Path, ray: SharedRay, epochs: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "ecg_tune", "search", study, "--data", data, *FLAGS, "--max-epochs", epochs]
    environment = {**os.environ, **ray.environment}
    return subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def run(study: Path, data: Path, ray: SharedRay, epochs: int) -> None:
    process = start(study, data, ray, epochs)
    out = process.communicate(timeout=300)[0]
    assert process.returncode == 0, out


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_an_interrupted_extension_loses_nothing(blow, shared_ray, few_data, tmp_path):
    study, data = tmp_path / "study", few_data.folder
    run(study, data, shared_ray, 2)
    before = Study.open(study).best_trials()
    assert len(before) == 3
    process = start(study, data, shared_ray, 40)
    while len(opened := Study.open(study).all_trials()) < 6 or max(trial.last_epoch for trial in opened) < 4:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    process.send_signal(blow)
    out = process.communicate(timeout=120)[0]
    assert process.returncode == (130 if blow == signal.SIGINT else -signal.SIGKILL), out

    assert [trial.number for trial in Study.open(study).best_trials()] == [trial.number for trial in before]
    shown = json.loads(ecg_tune("status", study, "--json").out)
    assert (shown["states"]["COMPLETE"], shown["trials"]) == (3, 3)
    assert shown["best"]["number"] == before[0].number
    assert "3 COMPLETE" in ecg_tune("status", study).out
    assert ecg_tune("dashboard", study).code == 0
    assert ecg_tune("retrain", study, "--top", 1, "--seeds", 1, "--device", "cpu").code == 0
    words = ("--data", data, *FLAGS, "--max-epochs", 2, "--import-study", study)
    other = subprocess.run(
        [str(word) for word in (sys.executable, "-m", "ecg_tune", "search", tmp_path / "importing", *words)],
        capture_output=True, text=True, timeout=300, check=False, env={**os.environ, **shared_ray.environment},
    )  # fmt: skip
    assert "imported 3 trials" in other.stdout, other.stderr

    run(study, data, shared_ray, 2)
    assert [(trial.number, trial.values) for trial in Study.open(study).trials()] == [
        (trial.number, trial.values) for trial in sorted(before, key=lambda trial: trial.number)
    ]
    run(study, data, shared_ray, 5)
    assert [trial.last_epoch for trial in Study.open(study).trials()] == [5, 5, 5]
