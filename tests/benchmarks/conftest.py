"""How scripts of `benchmarks/` are run in the tests' process, where torch is imported already, and what they are run on."""

from __future__ import annotations

import io
import json
import logging
import os
import runpy
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from analysis.evaluation.kept_predictions import keep_predictions
from analysis.evaluation.predictions import ModelPredictions, SeedPredictions
from analysis.retraining.candidates import find_candidates
from ecg_tune.config import TrainingConfig, TrialConfig
from ecg_tune.data.prepared.dataset import open_prepared, open_test
from ecg_tune.data.synthetic.generator import synthesize
from ecg_tune.models import CNN1DConfig
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.model_file import build_predictor, save_model
from ecg_tune.training.predictor import predict_probabilities
from tests.conftest import make_toy_data

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PLACES = ("data", "study", "models", "ptbxl_folder")
NEW_FILE = "{new_file}"
AEON = """
import numpy as np

class MiniRocket:
    def __init__(self, random_state):
        self.rng = np.random.default_rng(random_state)

    def fit(self, signals):
        self.weights = self.rng.normal(size=(signals[0].size, 8))
        return self

    def transform(self, signals):
        return signals.reshape(len(signals), -1) @ self.weights
"""
"""Stands in for aeon, which needs an environment of its own: as many features of random weights."""

LIBRARIES = {
    "smac": "",
    "syne_tune": "",
    "ConfigSpace": """
class ConfigurationSpace(dict):
    def add(self, parameter):
        self.update(parameter)

def Categorical(name, choices):
    return {name: choices}

def Float(name, limits, log):
    return {name: limits}

Integer = Float

def EqualsCondition(parameter, family, value):
    return {}
""",
    "dehb": """
class DEHB:
    def __init__(self, cs, max_fidelity, **settings):
        self.space, self.max_fidelity, self.costs, self.asked = cs, max_fidelity, {}, 0

    def ask(self):
        self.asked += 1
        if self.asked % 4 == 0 and self.costs:
            best = min(self.costs, key=self.costs.get)
            return {"config_id": best, "config": self.config(best), "fidelity": float(self.max_fidelity)}
        return {"config_id": self.asked, "config": self.config(self.asked), "fidelity": 1.0 + self.asked % 2}

    def config(self, seed):
        return {name: among[seed % len(among)] for name, among in self.space.items()}

    def tell(self, job, result):
        self.costs[job["config_id"]] = result["fitness"]
""",
}
"""Stand in for the libraries of `peers/searchers.py`: every fourth time it goes on with the best config, to the end."""
REQUIREMENTS = BENCHMARKS / "peers" / "searchers-requirements.txt"


@pytest.fixture(scope="module", autouse=True)
def on_path() -> Iterator[None]:
    """Let scripts import each other, also in the workers of a Ray that is joined after this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield


@pytest.fixture(scope="module")
def run() -> Iterator[Callable[..., str]]:
    """Return a function that runs a script with some arguments and returns what it printed; it must succeed."""
    tune, levels = logging.getLogger("ray.tune"), (logging.getLogger("ray.tune").level, optuna.logging.get_verbosity())

    def run(name: str, *arguments: str) -> str:
        with redirect_stdout(io.StringIO()) as out, pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", [name, *arguments])
            code = None
            try:
                runpy.run_path(str(BENCHMARKS / f"{name}.py"), run_name="__main__")
            except SystemExit as end:  # of --help too
                code = end.code
        assert not code, f"{name} ended with {code}"
        return out.getvalue()

    yield run
    tune.setLevel(levels[0])
    optuna.logging.set_verbosity(levels[1])


@pytest.fixture
def refused(run: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return a function that runs a script which must end with exit code 2, and returns what it wrote to standard error."""

    def refused(name: str, *arguments: str) -> str:
        with pytest.raises(AssertionError, match="ended with 2"):
            run(name, *arguments)
        return str(capsys.readouterr().err)

    return refused


@pytest.fixture(scope="module")
def tiny(request: pytest.FixtureRequest, run: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Return a function that runs a script at a tiny size, once for all tests of a file, and returns the JSON that it printed or wrote.

    "{data}", "{study}", … in its arguments are the fixtures of these names, "{new_file}" is a file that is not there yet.
    """
    found: dict[str, Any] = {}

    def filled(word: str) -> str:
        if word == NEW_FILE:
            return str(tmp_path_factory.mktemp("written") / "file")
        return str(request.getfixturevalue(word[1:-1])) if word[1:-1] in PLACES and word[0] == "{" else word

    def tiny(name: str, arguments: tuple[str, ...]) -> Any:
        if name not in found:
            given = [filled(word) for word in arguments]
            printed = run(name, *given)
            written = Path(given[arguments.index(NEW_FILE)]) if "--json" not in arguments else None
            found[name] = json.loads(written.read_text(encoding="utf-8") if written else printed)
        return found[name]

    return tiny


@pytest.fixture
def aeon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process and those that it starts find a stand-in for aeon."""
    folder = tmp_path / "aeon" / "transformations" / "collection"
    folder.mkdir(parents=True)
    for parent in (folder, *folder.parents[:2]):
        (parent / "__init__.py").touch()
    (folder / "convolution_based.py").write_text(AEON)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return an interpreter that finds stand-ins for the peers' libraries."""
    for name, text in LIBRARIES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    return sys.executable


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the interpreter of an environment with the peers' libraries: what ECG_TUNE_PEERS names, or that of a new one."""
    if given := os.environ.get("ECG_TUNE_PEERS"):
        return given
    folder = tmp_path_factory.mktemp("peers")
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    done = subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{REQUIREMENTS.name} can't be installed: {done.stderr[-300:]}")
    return python


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of prepared data whose test split may be opened."""
    return make_toy_data(tmp_path_factory.mktemp("data"), n_records=(40, 16, 24)).folder


@pytest.fixture(scope="module")
def study(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a study with one model of one epoch, and its predictions on the test split, as an evaluation leaves them."""
    folder, prepared = tmp_path_factory.mktemp("study"), open_prepared(data)
    config = TrialConfig("cnn1d", CNN1DConfig(filters=4, depth=1), TrainingConfig(max_epochs=1, crop_s=1.0))
    saved = saved_model(train_model(config, prepared, seed=0), prepared, name="CNN1D")
    save_model(folder / "models" / "CNN1D_best.pth", saved)
    test, nothing = open_test(prepared, "evaluation", str(folder)), np.zeros(0)
    probabilities = predict_probabilities(build_predictor(saved), test.signals_uv)
    predictions = ModelPredictions("CNN1D", (SeedPredictions(0, 0.5, nothing, probabilities, nothing, nothing, nothing),))
    keep_predictions(folder / "models", prepared, test, find_candidates(folder / "models"), {"CNN1D": predictions}, date="today")
    return folder


@pytest.fixture(scope="module")
def models(study: Path) -> Path:
    """Return the study's folder of models."""
    return study / "models"


@pytest.fixture(scope="module")
def ptbxl_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a few synthetic records in PTB-XL's layout."""
    folder = tmp_path_factory.mktemp("ptbxl") / "records"
    synthesize(folder, n_records=20, seed=0)
    return folder
