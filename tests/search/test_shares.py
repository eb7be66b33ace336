"""Trials share GPUs: logical ones of a real Ray, since what a share means is Ray's bookkeeping, not the device's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.ray

SEARCH = """
import sys, time
from pathlib import Path
import optuna, ray
from ray import tune
from ecg_tune.config import SearchSettings
from ecg_tune.search.preview.virtual_time import Silent
from ecg_tune.search.runner import run_search
from ecg_tune.search.space import Proposal, SearchSpace
from ecg_tune.study.study import Study

class Quiet(Silent):
    def __enter__(self): return self
    def __exit__(self, *_): ...

def suggest(trial):
    family = trial.suggest_categorical("family", ("light", "heavy"))
    return Proposal(family, {"family": family})

class Toy(tune.Trainable):
    def setup(self, config, folder):
        self.folder = folder
        self.reset_config(config)
    def reset_config(self, config):
        self.number, self.family, self.resources = config["number"], config["family"], ray.get_runtime_context().get_assigned_resources()
        return True
    def step(self):
        (self.folder / f"{self.number}.txt").write_text(f"{self.family} {self.resources.get('GPU')}")
        return {"epoch": 1, "value": 0.5, "complete": True, "done": True, "ended_by": "max_epochs", "seconds": 3600.0}

folder = Path(sys.argv[1])
ray.init(address="local", num_cpus=8, num_gpus=2, include_dashboard=False, log_to_driver=False)
settings = SearchSettings(families=("light", "heavy"), trials=8, max_epochs=1, sampler="random", **eval(sys.argv[2]))
study = optuna.create_study(direction="maximize")
outcome = run_search(Toy, SearchSpace(suggest), {"folder": folder}, settings, study=Study(study, folder), view=lambda tally: Quiet(),
                     measure_shares=lambda: {"light": 0.25, "heavy": 1.0})
print(outcome.done, outcome.spent, len(study.trials))
"""


def run(folder: Path, settings: dict[str, float]) -> tuple[str, set[str]]:
    """Run the search in a process of its own and return what it printed and what the trials were given."""
    done = subprocess.run([sys.executable, "-c", SEARCH, str(folder), repr(settings)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1], {file.read_text() for file in folder.glob("*.txt")}


def test_each_family_gets_its_measured_share_of_a_gpu(tmp_path):
    message, given = run(tmp_path, {})
    assert message == "True None 8"
    assert given == {"light 0.25", "heavy 1.0"}


def test_gpu_hours_are_counted_by_share_and_end_the_search(tmp_path):
    message, given = run(tmp_path, {"gpu_hours": 1.0, "slots": 1})
    done, spent, trials = message.split()
    assert (done, spent) == ("True", "gpu_hours")
    assert 1 <= int(trials) < 8
    assert given <= {"light 0.25", "heavy 1.0"}


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
