"""A file that a command writes takes the place of files only, of its own kind, and of none that it reads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ecg_tune.errors import ConfigError
from ecg_tune.export.formats import find_format
from ecg_tune.output_file import check_output
from tests.commands import ecg_tune as run
from tests.faults.test_settings import check

KINDS = {
    "a folder": (Path.mkdir, "is a folder: give the name of a file"),
    "a pipe": (os.mkfifo, "is a pipe or a device: give the name of a file"),
    "a link to a device": (lambda path: path.symlink_to("/dev/null"), "is a pipe or a device: give the name of a file"),
}
COMMANDS = {
    "page.html": ["dashboard", "study", "--out", "page.html"],
    "table.csv": ["predict", "model.pth", "x.npy", "--out", "table.csv"],
    "table.parquet": ["predict", "model.pth", "x.npy", "--out", "table.parquet"],
    "model.onnx": ["export-onnx", "model.pth", "model.onnx"],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_but_a_file_is_replaced(name, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, message = KINDS[kind]
    make(tmp_path / name)
    before = os.lstat(name).st_ino
    said = run(*COMMANDS[name])
    check(said)
    assert message in said.err
    assert os.lstat(name).st_ino == before


@pytest.mark.parametrize("name", ["study/study.db", "models/manifest.json", "models/CNN1D_best.pth", "page"])
def test_a_page_takes_the_place_of_no_other_kind_of_file(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    said = run("dashboard", "study", "--out", name)
    check(said)
    assert f"--out is a page, which ends in .html, but got {name}: call it {Path(name).stem}.html" in said.err
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("link", [False, True])
def test_what_a_command_reads_is_not_replaced(link, tmp_path):
    source, out = tmp_path / "x.csv", tmp_path / "y.csv"
    source.write_text("mine")
    if link:
        out.symlink_to(source)
    with pytest.raises(ConfigError, match="is read by this command, which would replace it: give another name"):
        check_output(out if link else source, inputs=[tmp_path / "gone.csv", source])


def test_a_new_file_and_one_of_the_same_kind_are_written(tmp_path):
    find_format("onnx", tmp_path / "new.onnx")
    (tmp_path / "old.html").write_text("an older page")
    check_output(tmp_path / "old.html", inputs=[tmp_path])


@pytest.mark.parametrize(
    "command",
    [
        ["train", "cnn1d", "--data", "data", "--out", "out", "--config", "pipe.yaml"],
        ["preview", "new", "--data", "data", "--config", "pipe.yaml"],
    ],
)
def test_settings_from_a_pipe_are_refused_instead_of_waited_for(command, tmp_path, monkeypatch, few_data):
    monkeypatch.chdir(tmp_path)
    os.symlink(few_data.folder, "data")
    os.mkfifo("pipe.yaml")
    said = run(*command)
    check(said)
    assert "pipe.yaml is a pipe or a device: write the settings into a file" in said.err
