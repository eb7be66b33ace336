"""Scratch files and folders: what a killed process left goes, what a living one writes stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ecg_tune.data.exchange.writer import export_tree
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.scratch import scratch_folder
from ecg_tune.storage import LocalStorage

WRITERS = {
    "a folder": "with scratch_folder(root, 'x.') as made: print(flush=True); time.sleep(60)",
    "a file": "LocalStorage(root).write('x', lambda file: [print(flush=True), time.sleep(60)])",
}


def write_folder(root: Path) -> None:
    with scratch_folder(root, "x.") as made:
        made.rename(root / "made")


def write_file(root: Path) -> None:
    LocalStorage(root).write("x", lambda file: file.write(b"whole"))


def writing(kind: str, root: Path) -> subprocess.Popen[str]:
    """Start a process that writes, and wait until it does."""
    imports = "import sys, time; from pathlib import Path\nfrom ecg_tune.scratch import *\nfrom ecg_tune.storage import *\n"
    imports += "from ecg_tune.search.interrupts import terminate_as_interrupt\nroot = Path(sys.argv[1])\n"
    code = f"{imports}with terminate_as_interrupt():\n    {WRITERS[kind]}"
    process = subprocess.Popen([sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def end(process: subprocess.Popen[str], how: signal.Signals) -> None:
    process.send_signal(how)
    process.communicate()


@pytest.mark.parametrize(("kind", "write", "left"), [("a folder", write_folder, "made"), ("a file", write_file, "x")], ids=WRITERS)
def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(
    kind: str, write: Callable[[Path], None], left: str, tmp_path: Path
) -> None:
    end(writing(kind, tmp_path), signal.SIGKILL)
    (killed,) = os.listdir(tmp_path)
    alive = writing(kind, tmp_path)
    assert killed not in os.listdir(tmp_path)
    (living,) = os.listdir(tmp_path)
    write(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([living, left])
    end(alive, signal.SIGTERM)
    assert os.listdir(tmp_path) == [left], "SIGTERM cleans up"


@pytest.mark.parametrize("name", [".y.00000000.partial", ".x.00000000.mine", ".x.0000000.partial", "x.00000000.partial"])
def test_what_has_another_name_stays(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    write_folder(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(["made", name])


def test_a_link_with_a_scratch_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    for name in (".x.00000000.partial", ".x.1.part"):
        (tmp_path / name).symlink_to("mine")
    write_folder(tmp_path)
    write_file(tmp_path)
    assert (tmp_path / "mine" / "file").exists()


def test_parents_that_were_made_go_when_nothing_was_written(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), scratch_folder(tmp_path / "a" / "b"):
        raise KeyboardInterrupt
    assert not os.listdir(tmp_path)
    with scratch_folder(tmp_path / "a" / "b") as made:
        made.rename(tmp_path / "a" / "b" / "made")
    assert os.listdir(tmp_path / "a" / "b") == ["made"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_an_export_that_is_ended_leaves_nothing_that_the_next_one_does_not_take_away(
    how: signal.Signals, few_data: PreparedData, tmp_path: Path
) -> None:
    heard = ["env", "--default-signal=INT"]  # a shell's background jobs ignore Ctrl-C, and what they start does too
    command = [
        *heard,
        sys.executable,
        "-m",
        "ecg_tune",
        "data",
        "export",
        str(few_data.folder),
        str(tmp_path / "tree"),
        "--image-size",
        "512",
    ]
    with subprocess.Popen([*command, "--batch-size", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not any(tmp_path.rglob("batch_*.npy")):
            time.sleep(0.01)
        process.send_signal(how)
        message = process.communicate()[1]
    if how == signal.SIGKILL:
        assert len(os.listdir(tmp_path)) == 1
        export_tree(few_data, tmp_path / "tree", images=())
        assert os.listdir(tmp_path) == ["tree"]
    else:
        assert (process.returncode, message) == (130, "ecg-tune: interrupted; the same command again starts from the beginning\n")
        assert not os.listdir(tmp_path)
