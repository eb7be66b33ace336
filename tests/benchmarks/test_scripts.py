"""Scripts of `benchmarks/` say how they are used, need no more than they say, and refuse what can't be used in one line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.benchmarks.conftest import BENCHMARKS
from tests.benchmarks.test_tiny import SCRIPTS

CORE = ("default_configs", "epoch", "gpu", "images")
"""Scripts that start where only torch and numpy are installed."""
ABSENT = ("ray", "optuna", "pandas", "scipy", "sklearn", "wfdb", "pyts", "plotly", "matplotlib", "typer", "yaml", "requests")
ALONE = f"""
import runpy, sys
sys.modules |= dict.fromkeys({ABSENT})
sys.path.insert(0, {str(BENCHMARKS)!r})
for name in {CORE}:
    sys.argv = [name, "--help"]
    try:
        runpy.run_path(f"{BENCHMARKS}/{{name}}.py", run_name="__main__")
    except SystemExit as end:
        assert end.code == 0, name
"""
DATA = {
    "loading": ("/nowhere",),
    "download": ("/nowhere",),
    "images": ("--data", "/nowhere"),
    "epoch": ("--ptbxl", "/nowhere"),
    "gpu": ("--device", "cpu", "--data", "/nowhere"),
    "families": ("/nowhere", "--data", "/nowhere"),
    "packing": ("/nowhere",),
    "pooling": ("/nowhere",),
    "priors": ("--bank", "/nowhere.jsonl", "--processes", "1"),
    "efficiency": ("--bank", "/nowhere.jsonl"),
    "real_search": ("--data", "/nowhere"),
    "recipe": ("--data", "/nowhere"),
    "record_curves": ("--data", "/nowhere"),
    "peers/peers": ("/nowhere", "--data", "/nowhere"),
}
"""Scripts that are given data, with data that are not there."""
WRONG = {
    "dashboard": ("--sizes", "200,many"),
    "epoch": ("--families", "cnn2d"),
    "export_latency": ("--batches", "0"),
    "freed_memory": ("--families", "cnn1d,cnn2d"),
    "packing": ("/nowhere", "--packs", "1,-2"),
    "scale": ("--only", "everything"),
    "scaling": ("--slots", ""),
    "search": ("--only", "nothing"),
    "peers/peers": ("/nowhere", "--data", "/nowhere", "--peers", "nobody"),
}


@pytest.mark.slow
def test_the_core_benchmarks_start_with_torch_and_numpy_alone():
    outcome = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.count("usage: ") == len(CORE)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_says_how_it_is_used_and_leaves_pyts_alone(name, run, aeon, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyts", None)
    assert run(name, "--help").startswith(f"usage: {name.rpartition('/')[2]}")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "arguments"), [*DATA.items(), *WRONG.items()])
def test_what_can_not_be_used_is_refused_in_one_line(name, arguments, refused):
    lines = refused(name, *arguments).splitlines()
    assert not any("Traceback" in line for line in lines)
    assert name.rpartition("/")[2] in lines[-1]


@pytest.mark.slow
def test_a_study_that_was_not_evaluated_is_refused_before_the_test_split_is_opened(refused, study, data, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "CNN1D_best.pth").write_bytes((study / "models" / "CNN1D_best.pth").read_bytes())
    ledger = {path: path.read_bytes() for path in data.rglob("*ledger*")}
    assert ledger
    text = refused("peers/peers", str(tmp_path), "--data", str(data), "--peers", "resnet1d_wang")
    assert f"run `ecg-tune evaluate {tmp_path}` first" in text
    text = refused("peers/peers", str(study), "--data", str(data), "--python", "/nowhere/python")
    assert "/nowhere/python has no aeon" in text
    assert ledger == {path: path.read_bytes() for path in data.rglob("*ledger*")}
