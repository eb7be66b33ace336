"""What is refused is untouched: the command ends with exit code 2 and one line, and no file has come, gone or changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.analysis.dashboard.test_live import make
from tests.commands import ecg_tune

pytestmark = pytest.mark.slow
NOBODY = "--address 127.0.0.1:1"
COMMANDS = [
    "data synthesize new --records 0",
    "data synthesize study --records 3",
    "data prepare nowhere new",
    "data prepare study new",
    "data prepare text.txt new",
    "data prepare study new --table nowhere.csv",
    "data prepare study DATA",
    "data describe nowhere",
    "data describe study",
    "data import study new",
    "data import nowhere new",
    "data import text.txt new",
    "data export nowhere new",
    "data export study new",
    "data export DATA new --images nonsense",
    "data export DATA study",
    "data download new --base-url ftp://nowhere",
    "data download text.txt",
    "train cnn1d --data nowhere --out new",
    "train nonsense --data DATA --out new",
    "preview new --data nowhere",
    "preview new --data DATA --families nonsense",
    "search new --data nowhere",
    "search new --data DATA --families nonsense",
    "search new --data DATA --families cnn1d --trials 0",
    "search new --data DATA --families cnn1d --config nowhere.yaml",
    "search new --data DATA --families cnn1d --import-study nowhere",
    "search new --data DATA --families cnn1d --import-study text.txt",
    "search new --data DATA --families cnn1d --storage sqlite:///x.db",
    f"search new --data DATA --families cnn1d {NOBODY}",
    "search text.txt --data DATA --families cnn1d",
    "search study --data DATA --families cnn1d",
    "status nowhere",
    "status text.txt",
    "status study --why 99",
    "dashboard nowhere",
    "dashboard text.txt",
    "dashboard nowhere --out new.html",
    "dashboard study --out text.txt/page.html",
    "retrain nowhere --top 1",
    "retrain study --top 0",
    "retrain study --top 1",
    "retrain study --top 1 --data nowhere",
    f"retrain study --top 1 {NOBODY}",
    "evaluate nowhere",
    "evaluate study",
    "evaluate study --data nowhere",
    "evaluate study --data DATA --out new",
    "predict nowhere text.txt",
    "predict study text.txt --out new.csv",
    "predict text.txt text.txt --out new.csv",
    "export-onnx nowhere new.onnx",
    "export-onnx study new.onnx",
    "export-onnx text.txt new.onnx",
    f"doctor new {NOBODY}",
    "doctor new --data nowhere",
    "pull study new --address nonsense",
    "submit new --data DATA --address nonsense",
    "templates text.txt",
    "demo text.txt",
]


def files(folder: Path) -> dict[str, str]:
    """Digest every file below a folder; folders have none."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "" for path in folder.rglob("*")
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_refused_leaves_everything_as_it_was(command, tmp_path, monkeypatch, toy_data):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "study")
    (tmp_path / "text.txt").write_text("text\n")
    before, data_before = files(tmp_path), files(toy_data.folder)
    said = ecg_tune(*command.replace("DATA", str(toy_data.folder)).split())
    assert said.code == 2, said
    assert said.err.count("\n") == 1, said.err
    assert files(tmp_path) == before
    assert files(toy_data.folder) == data_before
