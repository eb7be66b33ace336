"""Trials share GPUs: logical ones of a real Ray, since what a share means is Ray's bookkeeping, not the device's."""

from __future__ import annotations

import os
import subprocess
import sys

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

ray.init(address="local", num_cpus=8, num_gpus=2, include_dashboard=False, log_to_driver=False)
for folder, changes in zip(map(Path, sys.argv[1::2]), map(eval, sys.argv[2::2])):
    settings = SearchSettings(families=("light", "heavy"), trials=8, max_epochs=1, sampler="random", **changes)
    study = optuna.create_study(direction="maximize")
    outcome = run_search(Toy, SearchSpace(suggest), {"folder": folder}, settings, study=Study(study, folder), view=lambda tally: Quiet(),
                         measure_shares=lambda: {"light": 0.25, "heavy": 1.0})
    print("searched:", outcome.done, outcome.spent, len(study.trials))
"""
SETTINGS = ({}, {"gpu_hours": 1.0, "slots": 1})


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, set[str]]]:
    """Run the searches in a process of their own and return what each printed and what its trials were given."""
    folders = [tmp_path_factory.mktemp("search") for _ in SETTINGS]
    arguments = [word for folder, settings in zip(folders, SETTINGS, strict=True) for word in (str(folder), repr(settings))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", SEARCH, *arguments], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    message = [line.removeprefix("searched: ") for line in done.stdout.splitlines() if line.startswith("searched: ")]
    return list(zip(message, [{file.read_text() for file in folder.glob("*.txt")} for folder in folders], strict=True))


def test_each_family_gets_its_measured_share_of_a_gpu(searched):
    message, given = searched[0]
    assert message == "True None 8"
    assert given == {"light 0.25", "heavy 1.0"}


def test_gpu_hours_are_counted_by_share_and_end_the_search(searched):
    message, given = searched[1]
    done, spent, trials = message.split()
    assert (done, spent) == ("True", "gpu_hours")
    assert 1 <= int(trials) < 8
    assert given <= {"light 0.25", "heavy 1.0"}
