"""Every script of `benchmarks/` starts, needs no more than it says, and runs at a tiny size.

Scripts run in this process, where torch is imported already. Those that import pyts, for half a minute, run in `make test-long`.
"""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecg_tune.config import PROFILES, to_dict
from ecg_tune.data.prepared.writer import write_prepared
from search_spaces import SPACES, SpaceContext, resolve
from tests.conftest import make_toy_data

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = sorted(path.stem for path in BENCHMARKS.glob("*.py") if "__main__" in path.read_text(encoding="utf-8"))
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


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs a script with some arguments and returns what it printed."""
    monkeypatch.syspath_prepend(BENCHMARKS)

    def run(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        with suppress(SystemExit):  # of --help; a wrong argument ends with nothing printed
            runpy.run_path(str(BENCHMARKS / f"{name}.py"), run_name="__main__")
        return str(capsys.readouterr().out)

    return run


@pytest.mark.slow
def test_the_core_benchmarks_start_with_torch_and_numpy_alone():
    outcome = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.count("usage: ") == len(CORE)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_says_how_it_is_used_and_leaves_pyts_alone(name, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyts", None)
    assert run(name, "--help").startswith(f"usage: {name}")


@pytest.mark.slow
def test_loading_gives_a_ratio_for_each_step(run):
    found = json.loads(run("loading", "--records", "60", "--repeats", "1", "--json"))
    assert found["source"] == "SYNTHETIC records"
    assert found["records"] == 60
    for step in ("read", "prepare", "first_batch"):
        assert found[f"{step}_speedup"] == pytest.approx(found[f"{step}_peer_ms"] / found[f"{step}_ours_ms"])
        assert found[f"{step}_over_bytes"] == pytest.approx(found[f"{step}_ours_ms"] / found[f"{step}_bytes_ms"])


def test_the_default_configs_are_those_of_the_search_spaces(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from default_configs import read_defaults

    for profile in PROFILES:
        expected = {
            family: to_dict(resolve(family, SPACES[family].defaults[profile], SpaceContext(profile, 10))) for family in SPACES.built_in
        }
        assert read_defaults(profile) == json.loads(json.dumps(expected)), "run `python benchmarks/default_configs.py`"


@pytest.mark.slow
def test_an_epoch_is_compared_with_the_classic_pipeline(run):
    found = json.loads(run("epoch", "--families", "cnn1d", "--records", "24", "16", "--repeats", "1", "--workers", "1", "--json"))
    (row,) = found["families"]
    assert row["epoch_speedup"] == pytest.approx(row["classic_epoch_s"] / row["epoch_s"])
    assert row["epoch_speedup_same_crops"] > 0
    assert row["disk_bytes"] == row["classic_disk_bytes"] == 0
    assert row["flops"] == 2 * 12_915_264 * (3 * 24 + 7 * 16)  # MACs of a crop; 7 crops validate a record
    assert 0 < row["of_peak"] < 2


@pytest.mark.combinations
def test_an_epoch_on_images_is_compared_with_images_that_pyts_made(run):
    out = run("epoch", "--families", "resnet", "--records", "40", "16", "--repeats", "1", "--workers", "1", "--json")
    (row,) = json.loads(out)["families"]
    assert row["classic_disk_bytes"] == (40 + 16) * 3 * 48 * 48 * 4
    assert row["epoch_speedup_when_made"] > row["epoch_speedup"]
    assert row["epoch_speedup_same_crops"] is None


@pytest.mark.combinations
def test_what_is_measured_on_a_gpu_is_tried_on_a_cpu(run):
    arguments = ("--device", "cpu", "--tiny", "--profiles", "small", "--families", "cnn1d,resnet", "--packed", "1,2")
    found = json.loads(run("gpu", *arguments, "--json"))
    assert [row["kind"] for row in found["images"]] == ["gasf", "gadf", "mtf"]
    assert [(row["family"], row["whole"]) for row in found["epochs"]] == [("cnn1d", True), ("resnet", True)]
    assert [row["trials"] for row in found["packed"]] == [1, 2]
    assert found["left_out"] == []


def test_what_the_budget_leaves_no_time_for_is_named(run):
    out = run("gpu", "--device", "cpu", "--tiny", "--profiles", "small", "--families", "rnn", "--packed", "1", "--budget-s", "-1")
    assert "no time left for: gasf 48 px, gadf 48 px, mtf 48 px, rnn small, 1 packed" in out


@pytest.mark.combinations
def test_images_equal_those_of_pyts_and_have_the_figures_of_the_goals(run):
    arguments = ("--sizes", "16", "120", "--samples", "130", "--images", "6", "--repeats", "1")
    found: dict[str, Any] = json.loads(run("images", *arguments, "--json"))
    assert {"gasf_speedup", "gadf_speedup", "mtf_speedup", "worst_speedup", "write_floor_ratio"} <= set(found)
    assert found["max_abs_diff_gaf"] <= 1e-5
    assert found["max_abs_diff_mtf"] <= 1e-6
    assert found["source"] == "made-up series, SYNTHETIC"
    assert [(row["kind"], row["size"]) for row in found["rows"]] == [(k, s) for s in (16, 120) for k in ("gasf", "gadf", "mtf")]
    assert "made-up series, SYNTHETIC, 6 images, 1 threads" in run("images", *arguments)


@pytest.mark.slow
def test_lead_sets_are_compared_seed_by_seed_on_the_same_records_and_nothing_is_trained_twice(run, tmp_path):
    three = make_toy_data(tmp_path / "three", n_records=(24, 16, 4))
    parts = {name: replace(split, signals_uv=split.signals_uv[:, :, :1]) for name, split in
             (("train", three.train), ("validation", three.validation), ("test", three.validation))}  # fmt: skip
    write_prepared(tmp_path / "one", parts, {**three.manifest, "leads": ["I"]})
    arguments = ("--data", str(tmp_path / "one"), str(tmp_path / "three"), "--families", "cnn1d", "--epochs", "1")
    out = run("leads", *arguments, "--seeds", "2", "--out", str(tmp_path / "rows.jsonl"))
    assert "SYNTHETIC records, split official, 24 train / 16 validation records, 1 epochs." in out
    rows = {
        (row["leads"][-1], row["seed"]): row["values"][-1] for row in map(json.loads, (tmp_path / "rows.jsonl").read_text().splitlines())
    }
    differences = [rows["V2", seed] - rows["I", seed] for seed in (0, 1)]
    half = 12.7062 * abs(differences[0] - differences[1]) / 2  # t of one degree of freedom; the standard error of two is half of this
    mean = sum(differences) / 2
    line = next(line for line in out.splitlines() if line.startswith("| `cnn1d` | I, II, V2 | 2 |"))
    assert f"{mean:+.4f} [{mean - half:+.4f}, {mean + half:+.4f}]" in line
    assert "seed" not in run("leads", *arguments, "--seeds", "2", "--out", str(tmp_path / "rows.jsonl")).split("SYNTHETIC")[0]
    other = make_toy_data(tmp_path / "other", seed=1, n_records=(24, 16, 4))
    assert run("leads", "--data", str(tmp_path / "one"), str(other.folder), "--out", str(tmp_path / "none.jsonl")) == ""
    assert not (tmp_path / "none.jsonl").exists()


TINY = {
    "decision_cost": ("--trials", "20"),
    "ece_coverage": ("--sets", "2", "--resamples", "10"),
    "interval_coverage": ("--sets", "2", "--patients", "40", "--resamples", "10"),
    "samplers": ("--trials", "4", "--seeds", "1", "--only", "tpe"),
    "writing": ("--trials", "2"),
}
"""Arguments with which a script takes seconds."""


@pytest.mark.combinations
@pytest.mark.parametrize("name", TINY)
def test_a_script_runs_at_a_tiny_size(name, run):
    assert json.loads(run(name, *TINY[name], "--json"))
