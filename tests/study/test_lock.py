"""The lock of a study's folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from ecg_tune.api.retrain import retrain
from ecg_tune.errors import StudyError, UsageError, WorkFailedError
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.lock import LOCK, RETRAINING_LOCK, lock_retraining, lock_study
from ecg_tune.study.study import Study


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


def test_a_second_retraining_is_refused_while_one_runs_and_frees_nothing(tmp_path: Path) -> None:
    with lock_retraining(tmp_path):
        for _ in range(2):  # the refused one does not take the lock away
            with pytest.raises(StudyError, match=f"another retraining is running on {tmp_path}: wait for it"), lock_retraining(tmp_path):
                raise AssertionError
    with lock_retraining(tmp_path):
        pass


def test_a_killed_retraining_holds_nothing(tmp_path: Path) -> None:
    code = "import os, sys; from pathlib import Path; from ecg_tune.study.lock import lock_retraining"
    code += "\nwith lock_retraining(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == -signal.SIGKILL
    assert (tmp_path / RETRAINING_LOCK).is_file()
    with lock_retraining(tmp_path):
        pass


@pytest.mark.parametrize(
    "make", [lambda path: path.symlink_to(path.with_name("elsewhere")), os.mkfifo, Path.mkdir], ids=["a link", "a pipe", "a folder"]
)
def test_what_lies_in_the_place_of_a_lock_is_refused(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / RETRAINING_LOCK)
    with pytest.raises(StudyError, match=r"\.retrain\.lock must be a plain file"), lock_retraining(tmp_path):
        raise AssertionError
    assert os.listdir(tmp_path) == [RETRAINING_LOCK]


def test_a_refused_retraining_leaves_no_lock(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="refused"), lock_retraining(tmp_path):
        raise UsageError("refused")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("options", [{"top": 1}, {"race": True}], ids=["a retraining", "a race"])
def test_a_study_that_is_being_retrained_is_not_touched_by_another_one(options: dict[str, Any], tmp_path: Path) -> None:
    Study.create(tmp_path, StudyAttributes(metric="macro_auc")).close()
    before, said = sorted(os.listdir(tmp_path)), []
    with lock_retraining(tmp_path), pytest.raises(StudyError, match="another retraining is running"):
        retrain(tmp_path, say=said.append, **options)
    assert not said
    assert sorted(set(os.listdir(tmp_path)) - {RETRAINING_LOCK}) == before
