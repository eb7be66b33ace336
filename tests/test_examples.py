"""Examples in the docstrings of data, training and metrics run as they are written; the library's face has one everywhere."""

from __future__ import annotations

import ast
import doctest
import importlib
from pathlib import Path

import pytest

import ecg_tune
from ecg_tune.config import TrainingConfig, TrialConfig
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.models.cnn1d import CNN1DConfig
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.model_file import save_model

ROOT = Path(__file__).parents[1]
FOLDERS = ("ecg_tune/data", "ecg_tune/training", "ecg_tune/transforms")
FACE = (
    "ecg_tune.data.ptbxl.prepare.prepare",
    "ecg_tune.data.prepared.dataset.open_prepared",
    "ecg_tune.data.synthetic.generator.synthesize",
    "ecg_tune.data.loaders.create_signal_dataloader",
    "ecg_tune.data.loaders.create_image_dataloader",
    "ecg_tune.data.loaders.create_fusion_dataloader",
    "ecg_tune.training.fit.train_model",
    "ecg_tune.training.model_file.load_model",
    "ecg_tune.training.model_file.load_saved",
    "ecg_tune.training.model_file.build_predictor",
    "ecg_tune.training.predictor.predict_probabilities",
    "ecg_tune.data.recordings.files.read_recordings",
    "ecg_tune.data.recordings.recording.Recording",
)


def functions_with_an_example() -> list[str]:
    names = []
    for path in [ROOT / "ecg_tune/metrics.py", *sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))]:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and ">>> " in (ast.get_docstring(node) or ""):
                names.append(f"{module}.{node.name}")
    return names


@pytest.fixture(scope="module")
def folder(toy_data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the examples name: prepared data in `data`, a model in `model.pth`."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "data").symlink_to(toy_data.folder)
    config = TrialConfig("cnn1d", CNN1DConfig(filters=4, depth=1, kernel_size=5), TrainingConfig(batch_size=32, max_epochs=1))
    save_model(folder / "model.pth", saved_model(train_model(config, toy_data), toy_data, name="CNN1D"))
    return folder


@pytest.mark.parametrize("name", functions_with_an_example())
def test_an_example_gives_what_it_shows(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, _, function = name.rpartition(".")
    documented = getattr(importlib.import_module(module), function)
    monkeypatch.chdir(folder)
    (example,) = doctest.DocTestFinder(recurse=False).find(documented, name, globs={function: documented})
    results = doctest.DocTestRunner().run(example)
    assert results.attempted, "no example"
    assert not results.failed, "see the output"


def test_the_example_of_the_package_gives_what_it_shows(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.pth").symlink_to(folder / "model.pth")
    monkeypatch.chdir(tmp_path)
    results = doctest.testmod(ecg_tune)
    assert (results.failed, results.attempted > 0) == (0, True)


def test_every_function_of_the_face_has_an_example() -> None:
    assert set(FACE) <= set(functions_with_an_example())
