"""The lock of a study's folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from ecg_tune.errors import WorkFailedError
from ecg_tune.study.lock import LOCK, lock_study


def test_a_folder_that_went_away_hides_no_message_when_its_lock_is_let_go(tmp_path: Path) -> None:
    """A stale network folder refuses to close the file too, as one does that is closed already."""
    url = make_url(f"sqlite:///{tmp_path / 'study.db'}")

    def search() -> None:
        with lock_study(tmp_path, url):
            open_files = {name: os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")}
            os.close(next(int(name) for name, path in open_files.items() if path == str(tmp_path / LOCK)))
            raise WorkFailedError("the folder is stale")

    with pytest.raises(WorkFailedError, match="stale"):
        search()
