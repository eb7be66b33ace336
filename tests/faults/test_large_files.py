"""A file may say that it has 80 GB and take no room on the disk: it is refused in one line before it is read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import ecg_tune.cli.data
from ecg_tune.data.synthetic.generator import synthesize
from tests.commands import ecg_tune as run
from tests.faults.test_settings import check

SIZE = 80 * 2**30
NEEDED = {
    "tree": ["labels/y_train.npy", "signals/train/batch_0000.npy"],
    "headers": ["r.hea"],
}
FILES = {
    "ptbxl/ptbxl_database.csv": "data prepare ptbxl out",
    "ptbxl/scp_statements.csv": "data prepare ptbxl out",
    "ptbxl/SHA256SUMS.txt": "data prepare ptbxl out",
    "headers/r.hea": "data prepare headers out --mapping mapping.csv",
    "mapping.csv": "data prepare headers out --mapping mapping.csv",
    "table.csv": "data prepare headers out --table table.csv",
    "tree/dataset.json": "data import tree out",
    "settings.yaml": "preview new --data out --config settings.yaml",
    "model.pth": "predict model.pth signal.csv",
    "study/study.db": "status study",
    "study/study.url": "status study",
    "data/manifest.json": "data describe data",
    "data/test_ledger.jsonl": "data describe data",
    "data/train/origin.json": "train cnn1d --data data --out out",
    "models/manifest.json": "evaluate models --data data --out out",
    "models/Ensemble_best.json": "predict models/Ensemble_best.json signal.csv",
}


@pytest.fixture(scope="module")
def ptbxl_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ptbxl") / "ptbxl"
    synthesize(folder, n_records=60, seed=1)
    return folder


@pytest.fixture(scope="module")
def prepared_folder(ptbxl_folder: Path) -> Path:
    folder = ptbxl_folder.with_name("data")
    assert run("data", "prepare", ptbxl_folder, folder).code == 0
    return folder


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_larger_than_any_of_its_kind_is_one_line(name, tmp_path, monkeypatch, ptbxl_folder, prepared_folder):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(prepared_folder, "data")
    (tmp_path / "ptbxl").mkdir()
    for path in ptbxl_folder.glob("*.*"):
        shutil.copy(path, tmp_path / "ptbxl")
    (tmp_path / "mapping.csv").write_text("code,class\n1,A\n")
    for folder, files in NEEDED.items():
        for file in files:
            (tmp_path / folder / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / file).write_text("")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    with (tmp_path / name).open("wb") as sparse:
        sparse.truncate(SIZE)
    said = run(*FILES[name].split())
    check(said, longest=640)
    assert Path(name).name in said.err
    assert not (tmp_path / "out").exists()


def test_memory_that_runs_out_is_one_line(tmp_path, monkeypatch):
    def read(path: Path) -> object:
        raise MemoryError

    monkeypatch.setattr(ecg_tune.cli.data, "describe", read)
    said = run("data", "describe", tmp_path)
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert "memory ran out" in said.err
