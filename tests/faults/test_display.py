"""What can't be printed ends nothing: a full disk, a closed pipe, an encoding that lacks a character."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecg_tune.study.study import Study

ECG_TUNE = f"{sys.executable} -m ecg_tune"
FAMILIES = "--families cnn1d --profile small --max-epochs 1 --trials 3 --scheduler none --sampler random --slots 1"


def shell(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True
    )


@pytest.mark.slow
def test_a_command_whose_output_is_lost_says_so_and_fails(toy_data, tmp_path):
    done = shell(f"{ECG_TUNE} data describe {toy_data.folder} > /dev/full", tmp_path)
    assert (done.returncode, done.stderr) == (1, "ecg-tune: done, but not everything could be printed (No space left on device)\n")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_character_that_the_terminal_lacks_is_replaced(encoding, toy_data, tmp_path):
    done = shell(f"{ECG_TUNE} data describe {toy_data.folder}", tmp_path, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.slow
def test_a_reader_that_has_enough_gets_no_traceback(toy_data, tmp_path):
    done = shell(f"{ECG_TUNE} search --help | head -1", tmp_path)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert "usage" in done.stdout.lower()


@pytest.mark.ray
@pytest.mark.parametrize(("where", "code"), [("> /dev/full", 1), ("2> /dev/full > /dev/full", 1), (">&-", 0), ("| cat > out.txt", 0)])
def test_a_search_goes_on_whatever_becomes_of_its_display(where, code, commands_join_ray, toy_data, tmp_path):
    done = shell(f"{ECG_TUNE} search study --data {toy_data.folder} {FAMILIES} {where}", tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == code, done.stderr
    with Study.open(tmp_path / "study") as study:
        assert [trial.state for trial in study.trials()] == ["COMPLETE"] * 3
