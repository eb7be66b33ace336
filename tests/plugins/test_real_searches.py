"""Families of installed packages, searched for real: each trial in its family's own class, and the example from pip to a report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.study.study import Study
from tests.plugins.package import TWO, WORKING, write_package

pytestmark = pytest.mark.ray
EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin_family"


def run_python(site: Path, *words: str, cwd: Path) -> str:
    """Run Python with the packages of `site` installed, and return what it printed."""
    path = os.pathsep.join([str(site), *(path for path in sys.path if path)])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ecg_tune(site: Path, *words: str, cwd: Path) -> str:
    """Run a command with the packages of `site` installed, and return what it printed."""
    return run_python(site, "-m", "ecg_tune", *words, cwd=cwd)


def test_a_search_over_two_families_runs_each_trial_in_its_familys_class_also_when_resumed(tmp_path: Path, toy_data: PreparedData):
    site = write_package(tmp_path / "site", module="two_families", families=TWO, code=WORKING)
    search = ["search", "study", "--data", str(toy_data.folder), "--families", "alpha,beta", "--profile", "small", "--slots", "1"]
    search += ["--scheduler", "none", "--sampler", "random", "--seed", "0"]
    for n_trials, n_epochs in ((4, "1"), (6, "2")):
        ecg_tune(site, *search, "--trials", str(n_trials), "--max-epochs", n_epochs, cwd=tmp_path)
        ran = [json.loads(line) for line in (tmp_path / "study" / "ran.jsonl").read_text().splitlines()]
        trials = Study.open(tmp_path / "study").all_trials()
        families = {trial.number: trial.family for trial in trials}
        assert set(families.values()) == {"alpha", "beta"}
        assert all(trial.state == "COMPLETE" for trial in trials)
        assert {line["number"] for line in ran} == set(families)
        assert all(line["class"] == f"{families[line['number']].title()}Trainable" for line in ran)
    workers = {line["pid"]: {other["class"] for other in ran if other["pid"] == line["pid"]} for line in ran}
    assert {"AlphaTrainable", "BetaTrainable"} in workers.values(), "one worker ran both classes"


def test_the_example_is_installed_searched_retrained_and_evaluated(tmp_path: Path, toy_data: PreparedData):
    shutil.copytree(EXAMPLE, tmp_path / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    data = shutil.copytree(toy_data.folder, tmp_path / "data")  # the evaluation opens its seal
    site = tmp_path / "site"
    pip = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(site)]
    run_python(site, *pip, str(tmp_path / "source"), cwd=tmp_path)
    search = ["--families", "tiny_tcn", "--profile", "small", "--trials", "2", "--max-epochs", "2", "--slots", "1"]
    printed = ecg_tune(site, "search", "study", "--data", str(data), *search, cwd=tmp_path)
    assert "tiny_tcn" in printed
    ecg_tune(site, "retrain", "study", "--data", str(data), "--top", "1", "--seeds", "1", cwd=tmp_path)
    (model,) = (tmp_path / "study" / "models").glob("TinyTCN_trial*_seed0.pth")
    load = (
        "import sys; from ecg_tune.training.model_file import build_predictor, load_saved; print(build_predictor(load_saved(sys.argv[1])))"
    )
    assert "TinyTCN(" in run_python(site, "-c", load, str(model), cwd=tmp_path)
    ecg_tune(site, "evaluate", "study", "--data", str(data), "--out", "results", "--bootstrap", "100", cwd=tmp_path)
    assert "TinyTCN" in (tmp_path / "results" / "EVALUATION_SUMMARY.txt").read_text(encoding="utf-8")
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", str(tmp_path / "source" / "tests")]
    assert " passed" in run_python(site, *tests, cwd=tmp_path)
