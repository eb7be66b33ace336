"""The folder that is filled: what may be in it, who may write to it, whether there is room."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ecg_tune.data.download import target
from tests.data.download.checks import content, get, record_file, refused


def test_the_other_rate_joins_the_first_in_the_same_folder(server, published, tmp_path):
    get(server, tmp_path / "out")
    assert get(server, tmp_path / "out", "--rate", 500).code == 0
    assert content(tmp_path / "out") == content(published)


def test_what_a_killed_download_had_not_finished_is_removed(server, published, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".SHA256SUMS.txt.123.part").write_text("half")
    assert get(server, tmp_path / "out").code == 0, "such a folder counts as empty"
    cut = (tmp_path / "out" / record_file(published)).with_name(".00001_lr.dat.123.part")
    cut.write_text("half")
    own = cut.with_name(".mine.part")
    own.write_text("mine")
    assert get(server, tmp_path / "out").code == 0
    assert not cut.exists()
    assert own.exists()


@pytest.mark.parametrize("name", ["notes.txt", "ptbxl_database.csv", "manifest.json", ".git/config", "records100/x"])
def test_a_folder_with_other_files_is_left_alone(name, server, tmp_path):
    (tmp_path / "out" / name).parent.mkdir(parents=True)
    (tmp_path / "out" / name).write_text("mine")
    refused(get(server, tmp_path / "out"), "is not empty, and no download of PTB-XL", "name a new folder")
    assert content(tmp_path / "out") == {name: b"mine"}


@pytest.mark.parametrize("change", [lambda text: text.replace("a", "b"), lambda text: text[:-200], lambda text: "", lambda text: "<html>"])
def test_another_version_is_left_alone(change, server, published, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "SHA256SUMS.txt").write_text(change((published / "SHA256SUMS.txt").read_text()))
    before = content(tmp_path / "out")
    refused(get(server, tmp_path / "out"), "holds another version or other files", "name a new folder")
    assert content(tmp_path / "out") == before


def test_a_file_of_ones_own_beside_a_download_stays(server, tmp_path):
    get(server, tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert get(server, tmp_path / "out").code == 0
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_a_file_where_the_folder_goes_is_refused(server, tmp_path):
    (tmp_path / "out").write_text("mine")
    refused(get(server, tmp_path / "out"), "out is a file: name a new folder")


def test_two_downloads_do_not_write_to_one_folder(server, tmp_path):
    with target.held_target(tmp_path / "out", {}, base_url=server.url):
        refused(get(server, tmp_path / "out"), "another download writes to")
    assert get(server, tmp_path / "out").code == 0


def test_a_disk_that_is_too_small_is_refused_before_the_records_come(server, published, tmp_path, monkeypatch):
    small = type("Usage", (), {"free": 100_000})
    monkeypatch.setattr(target.shutil, "disk_usage", lambda path: small)
    refused(get(server, tmp_path / "out"), "has 0.1 MB free, but 0.3 MB are to come: make room")
    assert not any(name.startswith("records") for name in server.asked)


def test_a_disk_that_fills_up_is_one_line(server, published, tmp_path, monkeypatch):
    path = record_file(published)

    def full(storage: Any, name: str, write: Any) -> str:
        if name == path:
            raise OSError(28, os.strerror(28))
        return original(storage, name, write)

    original = target.LocalStorage.write
    monkeypatch.setattr(target.LocalStorage, "write", full)
    refused(get(server, tmp_path / "out"), path, "No space left on device", "make room")


def test_a_folder_that_can_not_be_made_is_one_line(server):
    refused(get(server, Path("/proc/nowhere/out")), "/proc/nowhere", "give a folder that can be written")
