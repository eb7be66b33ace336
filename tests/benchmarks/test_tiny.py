"""Every script of `benchmarks/` runs at a tiny size and prints, or writes, what can be read by a program.

Cheap ones run in `make test`; those that import pyts, start processes or a Ray, in `make test-long`.
"""

from __future__ import annotations

import importlib
import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ecg_tune.config import DataConfig
from ecg_tune.data.loaders import DeviceSplit
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.data.prepared.writer import write_prepared
from ecg_tune.data.ptbxl.prepare import prepare
from ecg_tune.data.synthetic.generator import synthesize
from tests.benchmarks.conftest import BENCHMARKS
from tests.conftest import make_toy_data

CHEAP = {
    "dashboard": ("--sizes", "8", "--epochs", "3", "--openings", "0", "--json"),
    "decision_cost": ("--trials", "20", "--json"),
    "default_configs": ("--out", "{new_file}"),
    "epoch": ("--families", "cnn1d", "--records", "24", "16", "--repeats", "1", "--workers", "1", "--json"),
    "evaluation": ("--records", "60", "--models", "2", "--resamples", "5", "--json"),
    "families": ("{models}", "--data", "{data}", "--json"),
    "loading": ("--records", "60", "--repeats", "1", "--json"),
    "packing": ("{data}", "--packs", "1,2", "--devices", "1", "--seconds", "0.1", "--json"),
    "record_curves": ("--data", "{data}", "--configs", "1", "--epochs", "1", "--out", "{new_file}"),
    "recurrent": ("--samples", "16", "--repeats", "1", "--json"),
    "scale": ("--trials", "20,40", "--records", "100", "--only", "start,suggest,record,close,status,export", "--json"),
    "writing": ("--trials", "2", "--json"),
}
"""Script → arguments with which it takes a second or two here."""
LONG = {
    "download": ("{ptbxl_folder}", "--records", "3", "--latency-ms", "0", "--json"),
    "ece_coverage": ("--sets", "2", "--resamples", "10", "--json"),
    "efficiency": ("--bank", "slow_wins", "--seeds", "1", "--only", "random,ours,ray", "--processes", "1", "--json"),
    "export_latency": ("--families", "cnn1d", "--profile", "small", "--batches", "1", "--json"),
    "freed_memory": ("--families", "cnn1d", "--pairs", "1", "--records", "100", "--json"),
    "gpu": ("--device", "cpu", "--tiny", "--profiles", "small", "--families", "cnn1d,resnet", "--packed", "1,2", "--json"),
    "images": ("--sizes", "16", "120", "--samples", "130", "--images", "6", "--repeats", "1", "--json"),
    "interval_coverage": ("--sets", "2", "--patients", "40", "--resamples", "10", "--json"),
    "pooling": ("{data}", "--epochs", "1", "--seeds", "1", "--json"),
    "priors": ("--bank", "slow_wins", "--seeds", "1", "--processes", "1", "--json"),
    "recipe": ("--data", "{data}", "--families", "cnn1d", "--seeds", "1", "--epochs", "1", "--out", "{new_file}", "--json"),
    "samplers": ("--trials", "4", "--seeds", "1", "--only", "tpe", "--json"),
}
IN_RAY = {
    "preview_agreement": ("--trials", "2", "--slots", "1", "--seconds", "0.01", "--json"),
    "real_search": (
        *("--data", "{data}", "--seeds", "1", "--only", "asha,ray", "--epochs", "2", "--max-epochs", "1"),
        *("--out", "{new_file}", "--json"),
    ),
    "search": ("--tiny", "--json"),
}
"""Scripts that search, in a Ray that is there already."""
ON_THEIR_OWN = {"beyond_labels", "ensembles", "leads", "scaling", "peers/minirocket", "peers/peers", "peers/searchers"}
"""Scripts with a test below, since they need two data sets, a Ray of their own, or a package that is not installed."""
TINY = CHEAP | LONG | IN_RAY
SCRIPTS = sorted(
    str(path.relative_to(BENCHMARKS).with_suffix("")) for path in BENCHMARKS.rglob("*.py") if "__main__" in path.read_text(encoding="utf-8")
)


def has_numbers(found: Any) -> bool:
    """Return whether some plain data hold numbers, all of them finite."""
    if isinstance(found, (dict, list)):
        inside = [has_numbers(value) for value in (found.values() if isinstance(found, dict) else found)]
        return any(inside)
    if isinstance(found, float):
        assert math.isfinite(found)
    return isinstance(found, (int, float)) and not isinstance(found, bool)


def test_every_script_has_a_tiny_run():
    assert sorted({*TINY, *ON_THEIR_OWN}) == SCRIPTS


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEAP)
def test_a_cheap_script_runs_at_a_tiny_size(name, tiny):
    assert has_numbers(tiny(name, CHEAP[name]))


@pytest.mark.combinations
@pytest.mark.parametrize("name", LONG)
def test_a_longer_script_runs_at_a_tiny_size(name, tiny):
    assert has_numbers(tiny(name, LONG[name]))


@pytest.mark.ray
@pytest.mark.combinations
@pytest.mark.parametrize("name", IN_RAY)
def test_a_script_that_searches_runs_at_a_tiny_size(name, joined_ray, tiny):
    assert has_numbers(tiny(name, IN_RAY[name]))


@pytest.mark.ray
@pytest.mark.combinations
def test_scaling_runs_at_a_tiny_size():
    command = [sys.executable, str(BENCHMARKS / "scaling.py"), "--slots", "1", "--tiny", "--json"]  # starts clusters of its own
    found = json.loads(subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL))
    assert found["clusters"][0]["trials"] == 2
    assert has_numbers(found["driver"])


@pytest.mark.combinations
def test_peers_are_compared_with_an_evaluated_study(run, study, data, aeon):
    arguments = (str(study), "--data", str(data), "--python", sys.executable, "--seeds", "1", "--epochs", "1", "--bootstrap", "20")
    found = json.loads(run("peers/peers", *arguments, "--peers", "minirocket,resnet1d_wang", "--json"))
    assert {row["model"] for row in found["models"]} == {"CNN1D", "MiniRocket", "resnet1d_wang"}
    assert {pair["Quantity"] for pair in found["pairs"]} >= {"macro AUC-ROC", "macro F1-Score"}
    assert found["test_records"] == 24


@pytest.mark.slow
def test_ways_to_choose_an_ensemble_are_compared(run, refused, models, data, tmp_path):
    assert "holds 1 training: an ensemble needs two" in refused("ensembles", str(models), "--data", str(data))
    (file,) = models.glob("*.pth")
    for name in ("A_trial1_seed0", "A_trial1_seed1", "B_trial2_seed0"):
        shutil.copy(file, tmp_path / f"{name}.pth")
    sets = json.loads(run("ensembles", str(tmp_path), "--data", str(data), "--halvings", "2", "--json"))["sets"]
    assert {title: table["trainings"] for title, table in sets.items()} == {"all trainings": 3, "the finalists'": 2, "one of each trial": 2}
    values = {row["macro_auc"] for table in sets.values() for row in table["rules"].values()}
    assert max(values) - min(values) < 1e-9  # copies of one model are worth what it is worth, however they are joined


@pytest.mark.slow
def test_loading_gives_a_ratio_for_each_step(tiny):
    found = tiny("loading", CHEAP["loading"])
    assert found["source"] == "SYNTHETIC records"
    assert found["records"] == 60
    for step in ("read", "prepare", "first_batch"):
        assert found[f"{step}_speedup"] == pytest.approx(found[f"{step}_peer_ms"] / found[f"{step}_ours_ms"])
        assert found[f"{step}_over_bytes"] == pytest.approx(found[f"{step}_ours_ms"] / found[f"{step}_bytes_ms"])


@pytest.mark.slow
def test_the_default_configs_in_the_folder_are_those_of_the_search_spaces(tiny):
    kept = json.loads((BENCHMARKS / "data" / "default_configs.json").read_text(encoding="utf-8"))
    assert kept == tiny("default_configs", CHEAP["default_configs"]), "run `python benchmarks/default_configs.py`"


@pytest.mark.slow
def test_an_epoch_is_compared_with_the_classic_pipeline(tiny):
    (row,) = tiny("epoch", CHEAP["epoch"])["families"]
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
def test_what_is_measured_on_a_gpu_is_tried_on_a_cpu(tiny):
    found = tiny("gpu", LONG["gpu"])
    assert [row["kind"] for row in found["images"]] == ["gasf", "gadf", "mtf"]
    assert [(row["family"], row["whole"]) for row in found["epochs"]] == [("cnn1d", True), ("resnet", True)]
    assert [row["trials"] for row in found["packed"]] == [1, 2]
    assert found["left_out"] == []


def test_what_the_budget_leaves_no_time_for_is_named(run):
    out = run("gpu", "--device", "cpu", "--tiny", "--profiles", "small", "--families", "rnn", "--packed", "1", "--budget-s", "-1")
    assert "no time left for: gasf 48 px, gadf 48 px, mtf 48 px, rnn small, 1 packed" in out


@pytest.mark.combinations
def test_images_equal_those_of_pyts_and_have_the_figures_of_the_goals(run, tiny):
    found: dict[str, Any] = tiny("images", LONG["images"])
    assert {"gasf_speedup", "gadf_speedup", "mtf_speedup", "worst_speedup", "write_floor_ratio"} <= set(found)
    assert found["max_abs_diff_gaf"] <= 1e-5
    assert found["max_abs_diff_mtf"] <= 1e-6
    assert found["source"] == "made-up series, SYNTHETIC"
    assert [(row["kind"], row["size"]) for row in found["rows"]] == [(k, s) for s in (16, 120) for k in ("gasf", "gadf", "mtf")]
    assert "made-up series, SYNTHETIC, 6 images, 1 threads" in run("images", *LONG["images"][:-1])


@pytest.mark.slow
def test_packing_measures_each_number_of_trials(tiny):
    found = tiny("packing", CHEAP["packing"])
    rates = found["epochs_an_hour"]["cnn1d"]
    assert (found["unit"], found["devices"], set(rates)) == ("core", 1, {"1", "2"})
    assert all(rate > 0 for rate in rates.values())
    assert str(found["chosen"]["cnn1d"]) in rates


@pytest.mark.combinations
def test_scale_measures_all_that_it_names(run):
    rows = json.loads(run("scale", "--trials", "20", "--records", "100", "--json"))["rows"]
    assert {row["name"] for row in rows} == {*importlib.import_module("scale").WHAT, "sampler", "database"}


@pytest.mark.slow
def test_scale_gives_each_cost_with_its_exponent(tiny):
    rows = {row["name"]: row for row in tiny("scale", CHEAP["scale"])["rows"]}
    assert {"start", "suggest", "record", "close", "sampler", "database", "status", "prepare", "export", "import"} == set(rows)
    status = rows["status"]
    slope = math.log(status["cpu_s"]["40"] / status["cpu_s"]["20"]) / math.log(2)
    assert status["exponent"] == pytest.approx(slope)
    assert rows["prepare"]["exponent"] is None  # of one size there is none


def one_and_three_leads(folder):
    """Write toy data with three leads, and the same records with the first of them alone."""
    three = make_toy_data(folder / "three", n_records=(24, 16, 4))
    parts = {name: replace(split, signals_uv=split.signals_uv[:, :, :1]) for name, split in
             (("train", three.train), ("validation", three.validation), ("test", three.validation))}  # fmt: skip
    write_prepared(folder / "one", parts, {**three.manifest, "leads": ["I"]})


@pytest.mark.slow
def test_lead_sets_are_compared_seed_by_seed_on_the_same_records_and_nothing_is_trained_twice(run, refused, tmp_path):
    one_and_three_leads(tmp_path)
    arguments = ("--data", str(tmp_path / "one"), str(tmp_path / "three"), "--families", "cnn1d", "--epochs", "1")
    out = run("leads", *arguments, "--seeds", "2", "--out", str(tmp_path / "rows.jsonl"))
    assert "SYNTHETIC records, split official, 24 train / 16 validation records, 1 epochs." in out
    rows = {
        (row["leads"][-1], row["seed"]): row["values"][-1] for row in map(json.loads, (tmp_path / "rows.jsonl").read_text().splitlines())
    }
    differences = [rows["V2", seed] - rows["I", seed] for seed in (0, 1)]
    half = 12.7062 * abs(differences[0] - differences[1]) / 2  # t of one degree of freedom; the standard error of two is half of this
    mean = sum(differences) / 2
    line = next(line for line in out.splitlines() if line.startswith("| I, II, V2 | 2 |"))
    assert f"{mean:+.4f} [{mean - half:+.4f}, {mean + half:+.4f}]" in line
    written = (tmp_path / "rows.jsonl").read_text()
    one, all_three = json.loads(run("leads", *arguments, "--seeds", "2", "--out", str(tmp_path / "rows.jsonl"), "--json"))["lead_sets"]
    assert (one["leads"], all_three["leads"], all_three["last_less_base"]["mean"]) == ("I", "I, II, V2", pytest.approx(mean))
    assert (tmp_path / "rows.jsonl").read_text() == written
    other = make_toy_data(tmp_path / "other", seed=1, n_records=(24, 16, 4))
    assert "differ in their" in refused("leads", "--data", str(tmp_path / "one"), str(other.folder), "--out", str(tmp_path / "none.jsonl"))
    assert not (tmp_path / "none.jsonl").exists()


@pytest.mark.slow
def test_each_way_beyond_the_labels_trains_otherwise_and_the_plain_training_is_that_of_the_recipe(run, tmp_path):
    synthesize(tmp_path / "ptbxl", n_records=150, seed=3)
    for leads in (("I",), ("I", "V2")):
        prepare(tmp_path / "ptbxl", tmp_path / str(len(leads)), DataConfig(split="official", leads=leads), damaged="drop")
    rows, recipe_rows = tmp_path / "rows.jsonl", tmp_path / "recipe.jsonl"
    sizes = ("--families", "cnn1d", "--epochs", "2", "--seeds", "1", "--json")
    arguments = ("--data", str(tmp_path / "1"), str(tmp_path / "2"), *sizes, "--out", str(rows))
    ways = {row["way"]: row for row in json.loads(run("beyond_labels", *arguments))["ways"]}
    assert list(ways) == ["plain", "statements", "likelihoods", "teacher", "random leads first"]
    run("recipe", "--data", str(tmp_path / "1"), *sizes, "--out", str(recipe_rows))
    values = {row.get("way", row.get("change")): row["values"] for row in map(json.loads, rows.read_text().splitlines())}
    assert values["plain"] == next(
        row["values"] for row in map(json.loads, recipe_rows.read_text().splitlines()) if row["change"] == "plain"
    )
    assert len({tuple(found) for found in values.values()}) == len(ways)
    (taught,) = tmp_path.glob("teacher_*_2.npy")
    probabilities = np.load(taught)
    assert probabilities.shape == (len(open_prepared(tmp_path / "1").train), 5)
    assert ((probabilities > 0) & (probabilities < 1)).all()
    before = rows.read_text(), taught.stat().st_mtime_ns
    run("beyond_labels", *arguments)
    assert (rows.read_text(), taught.stat().st_mtime_ns) == before


@pytest.mark.slow
def test_random_leads_are_leads_of_the_same_record_and_differ_between_records():
    beyond_labels = importlib.import_module("beyond_labels")
    signals = torch.arange(50 * 4 * 12).reshape(50, 4, 12)  # (records, samples, leads)
    split = DeviceSplit(signals[:, :, :3], torch.zeros(50, 5))
    drawn = beyond_labels.random_leads(split, signals, torch.Generator().manual_seed(0)).signals_uv
    assert drawn.shape == (50, 4, 3)
    leads = drawn[:, 0] - signals[:, 0, :1]  # which lead each one is
    assert all(len(set(row)) == 3 for row in leads.tolist())
    assert torch.equal(drawn, signals.gather(2, leads[:, None].expand(-1, 4, -1)))
    assert len({tuple(row) for row in leads.tolist()}) > 25
