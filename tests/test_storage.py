"""A storage never leaves its root, whatever a name says and wherever a link leads."""

from __future__ import annotations

import os

import pytest

from ecg_tune.errors import ConfigError, UsageError
from ecg_tune.storage import LocalStorage, open_storage

OUTSIDE = ["/etc/passwd", "..", "../x", "a/../../x", "a/..", "a\0b", "link", "link/x", "chain/x"]
ACTIONS = {
    "names": lambda storage, name: storage.names(name),
    "write": lambda storage, name: storage.write(name, lambda file: file.write(b"x")),
    "open": lambda storage, name: storage.open(name).__enter__(),
    "remove": lambda storage, name: storage.remove(name),
    "child": lambda storage, name: storage.child(name).names(""),
}


@pytest.fixture
def storage(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "x").write_text("precious")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "victim")
    (tmp_path / "root" / "chain").symlink_to("link")
    return LocalStorage(tmp_path / "root")


@pytest.mark.parametrize(("action", "name"), [(action, name) for action in ACTIONS for name in OUTSIDE])
def test_a_name_that_leads_out_is_refused(action, name, storage, tmp_path):
    with pytest.raises(UsageError, match=r"names no file inside|leads out of"):
        ACTIONS[action](storage, name)
    assert (tmp_path / "victim" / "x").read_text() == "precious"
    assert len(list((tmp_path / "victim").iterdir())) == 1


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(storage, tmp_path):
    os.mkfifo(tmp_path / "root" / "pipe")
    with pytest.raises(OSError, match="it is no file"), storage.open("pipe"):
        pass


def test_names_inside_work_also_through_a_link_to_the_root_itself(storage, tmp_path):
    (tmp_path / "mount").symlink_to(tmp_path / "root")
    linked = LocalStorage(tmp_path / "mount")
    linked.write("a/b..c", lambda file: file.write(b"x"))
    assert linked.names("a") == ["b..c"]
    linked.remove("a")
    assert linked.names("a") == []


@pytest.mark.parametrize("place", ["s3://", "s3://a/../b", "s3://[::1", "http://[::1", "ftp://a/b", "s3://key:secret@a/b"])
def test_a_place_that_is_none_is_refused(place):
    with pytest.raises(ConfigError, match=r"folder|holds keys"):
        open_storage(place)
