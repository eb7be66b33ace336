"""Families of installed packages, searched for real: each trial in its family's own class, and the example from pip to a report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.study.study import Study
from tests.commands import in_one_process
from tests.plugins.package import TWO, WORKING, write_package
from tests.rays import SharedRay, ray_running

pytestmark = pytest.mark.ray
EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin_family"


@dataclass(frozen=True)
class Site:
    """A folder in which packages are installed, here and on the machines of a Ray that is joined."""

    folder: Path
    ray: SharedRay

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.ray.environment, "PYTHONPATH": python_path(self.folder), "OMP_NUM_THREADS": "1"}

    def python(self, *words: str, cwd: Path) -> str:
        """Run Python and return what it printed."""
        done = subprocess.run([sys.executable, *words], cwd=cwd, env=self.environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ecg_tune(self, *commands: list[object], cwd: Path) -> list[str]:
        """Run commands in one process and return what each printed."""
        done = in_one_process(commands, cwd=cwd, environment=self.environment)
        assert [said.code for said in done] == [0] * len(commands), done
        return [said.out for said in done]


def python_path(folder: Path) -> str:
    return os.pathsep.join([str(folder), *(path for path in sys.path if path)])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    write_package(folder, module="two_families", families=TWO, code=WORKING)
    with ray_running(PYTHONPATH=python_path(folder)) as ray:
        yield Site(folder, ray)


def test_a_search_over_two_families_runs_each_trial_in_its_familys_class_also_when_resumed(
    site: Site, tmp_path: Path, toy_data: PreparedData
):
    search = ["search", "study", "--data", str(toy_data.folder), "--families", "alpha,beta", "--profile", "small", "--slots", "1"]
    search += ["--scheduler", "none", "--sampler", "random", "--seed", "0"]
    for n_trials, n_epochs in ((4, 1), (6, 2)):
        site.ecg_tune([*search, "--trials", n_trials, "--max-epochs", n_epochs], cwd=tmp_path)
        ran = [json.loads(line) for line in (tmp_path / "study" / "ran.jsonl").read_text().splitlines()]
        trials = Study.open(tmp_path / "study").all_trials()
        families = {trial.number: trial.family for trial in trials}
        assert set(families.values()) == {"alpha", "beta"}
        assert all(trial.state == "COMPLETE" for trial in trials)
        assert {line["number"] for line in ran} == set(families)
        assert all(line["class"] == f"{families[line['number']].title()}Trainable" for line in ran)
    workers = {line["pid"]: {other["class"] for other in ran if other["pid"] == line["pid"]} for line in ran}
    assert {"AlphaTrainable", "BetaTrainable"} in workers.values(), "one worker ran both classes"


def test_the_example_is_installed_searched_retrained_and_evaluated(site: Site, tmp_path: Path, toy_data: PreparedData):
    shutil.copytree(EXAMPLE, tmp_path / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    data = shutil.copytree(toy_data.folder, tmp_path / "data")  # the evaluation opens its seal
    pip = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(site.folder)]
    site.python(*pip, str(tmp_path / "source"), cwd=tmp_path)
    search = ["--families", "tiny_tcn", "--profile", "small", "--trials", "2", "--max-epochs", "2", "--slots", "1"]
    printed, *_ = site.ecg_tune(
        ["search", "study", "--data", data, *search],
        ["retrain", "study", "--data", data, "--top", "1", "--seeds", "1"],
        ["evaluate", "study", "--data", data, "--out", "results", "--bootstrap", "100"],
        cwd=tmp_path,
    )
    assert "tiny_tcn" in printed
    (model,) = (tmp_path / "study" / "models").glob("TinyTCN_trial*_seed0.pth")
    load = (
        "import sys; from ecg_tune.training.model_file import build_predictor, load_saved; print(build_predictor(load_saved(sys.argv[1])))"
    )
    assert "TinyTCN(" in site.python("-c", load, str(model), cwd=tmp_path)
    assert "TinyTCN" in (tmp_path / "results" / "EVALUATION_SUMMARY.txt").read_text(encoding="utf-8")
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", str(tmp_path / "source" / "tests")]
    assert " passed" in site.python(*tests, cwd=tmp_path)
