"""Files of ours that somebody changed as nobody would: each is read, or refused by an error of ours in one short line.

See `fuzzing.py` for how many are tried.
"""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analysis.dashboard.dashboard import write_dashboard
from analysis.prediction.model_choice import open_model
from ecg_tune.cli.status import facts, summary
from ecg_tune.config import TrainingConfig, TrialConfig
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.data.prepared.describe import describe, describe_text
from ecg_tune.data.prepared.manifest import compute_fingerprint
from ecg_tune.models import CNN1DConfig
from ecg_tune.study.study import Study
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.model_file import load_model, load_weights, save_model
from tests.faults.fuzzing import ODD, changed_value, fuzzed, refused_or_taken
from tests.faults.test_archives import WHOLE, unpack
from tests.faults.test_study import study_of_two_trials

pytestmark = pytest.mark.slow


@st.composite
def changed_bytes(draw: st.DrawFn, whole: bytes) -> bytes:
    """Write other bytes over some, and cut the end off."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        start, patch = draw(st.integers(0, len(whole) - 1)), draw(st.binary(min_size=1, max_size=16))
        content[start : start + len(patch)] = patch
    return bytes(content[: draw(st.integers(1, 2 * len(whole)))])


def as_json(value: Any) -> str:
    """Write a value as JSON, or as Python does where JSON has no such thing."""
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return repr(value)


# ---- studies ----
@pytest.fixture(scope="module")
def study(few_data, tmp_path_factory) -> Path:
    return study_of_two_trials(tmp_path_factory.mktemp("study") / "study", few_data)


@fuzzed
@given(data=st.data())
def test_attributes_of_a_study(data, study, tmp_path):
    table, column = data.draw(st.sampled_from([("trial_user_attributes", "trial_id"), ("study_user_attributes", "study_id")]))
    shutil.rmtree(tmp_path / "s", ignore_errors=True)
    shutil.copytree(study, tmp_path / "s")
    with closing(sqlite3.connect(tmp_path / "s" / "study.db")) as database, database:
        rows = database.execute(f"SELECT key, value_json FROM {table} WHERE {column} = 1 ORDER BY key").fetchall()
        key, stored = data.draw(st.sampled_from([*rows, ("decisions", '[{"epoch": 1}]'), ("forecast", "[0.1, 0.2]"), ("timing", "{}")]))
        text = data.draw(changed_value(json.loads(stored)).map(as_json) | st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
        database.execute(f"INSERT OR REPLACE INTO {table} ({column}, key, value_json) VALUES (1, ?, ?)", (key, text))
    refused_or_taken(lambda: _look(tmp_path / "s"))


CELLS = st.sampled_from(
    [None, -1, 0, 2**62, 1e300, "", "x", "\0", b"\xff", "RUNNING", "WAITING", "2026-01-01", "FINITE", "INF_POS", "NAN", "{}", "9" * 5000]
)


@fuzzed
@given(data=st.data())
def test_cells_of_a_study(data, study, tmp_path):
    shutil.rmtree(tmp_path / "s", ignore_errors=True)
    shutil.copytree(study, tmp_path / "s")
    with closing(sqlite3.connect(tmp_path / "s" / "study.db")) as database, database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        table = data.draw(st.sampled_from([name for name in names if database.execute(f"SELECT count(*) FROM {name}").fetchone()[0]]))
        column = data.draw(st.sampled_from([row[1] for row in database.execute(f"PRAGMA table_info({table})")]))
        rowid = database.execute(f"SELECT min(rowid) FROM {table}").fetchone()[0]
        try:
            database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (data.draw(CELLS), rowid))
        except sqlite3.IntegrityError:
            return
    refused_or_taken(lambda: _look(tmp_path / "s"))


@fuzzed
@given(data=st.data())
def test_bytes_of_a_study(data, study, tmp_path):
    shutil.rmtree(tmp_path / "s", ignore_errors=True)
    shutil.copytree(study, tmp_path / "s")
    (tmp_path / "s" / "study.db").write_bytes(data.draw(changed_bytes((study / "study.db").read_bytes())))
    refused_or_taken(lambda: _look(tmp_path / "s"))


def _look(folder: Path) -> None:
    """Do what `status` and `dashboard` do."""
    with Study.open(folder) as opened:
        json.dumps(facts(opened))
        assert summary(opened)
        write_dashboard(opened, folder / "page.html")


# ---- model files ----
@pytest.fixture(scope="module")
def model(few_data, tmp_path_factory) -> Path:
    config = TrialConfig("cnn1d", CNN1DConfig(filters=4, depth=1), TrainingConfig(max_epochs=1, crop_s=1.0))
    path = tmp_path_factory.mktemp("model") / "CNN1D_best.pth"
    save_model(path, saved_model(train_model(config, few_data, seed=0), few_data, name="CNN1D"))
    return path


@fuzzed
@given(data=st.data())
def test_bytes_of_model_files(data, model, tmp_path):
    path = tmp_path / "CNN1D_best.pth"
    path.write_bytes(data.draw(changed_bytes(model.read_bytes())))
    refused_or_taken(lambda: load_model(path))


TENSORS = st.sampled_from([
    torch.zeros(0), torch.zeros(3), torch.full((4,), math.nan), torch.zeros(1, dtype=torch.int64), torch.zeros(1).to_sparse(),
    torch.zeros(2, dtype=torch.complex64), torch.zeros(1).expand(2**20), torch.zeros(2, device="meta"),
    torch.zeros(4, dtype=torch.bfloat16),
])  # fmt: skip


@fuzzed
@given(data=st.data())
def test_fields_of_model_files(data, model, tmp_path):
    path = tmp_path / "CNN1D_best.pth"
    torch.save(data.draw(changed_value(load_weights(model), ODD | TENSORS)), path)
    refused_or_taken(lambda: open_model(path).predictor(torch.zeros(1, 250, 3)))


ENSEMBLE = {
    "format": 1, "seed": 0, "members": [{"name": "CNN1D", "file": "CNN1D_best.pth", "digest": "", "weight": 1.0}],
    "data": {"class_names": ["a"]},
    "trained_on": "train", "validation_macro_auc": 0.5, "thresholds": {"half": [0.5]}, "sensitivity_target": 0.9, "platt": [[1.0, 0.0]],
}  # fmt: skip
MODELS = {
    "models": [{"name": "CNN1D", "trial": 0, "search_value": 0.5, "seeds": [{"seed": 0, "file": "CNN1D_best.pth"}]}],
    "ensemble": None,
}


@fuzzed
@given(models=changed_value(MODELS).map(as_json), ensemble=changed_value(ENSEMBLE).map(as_json))
def test_what_lies_beside_model_files(models, ensemble, model):
    (model.parent / "manifest.json").write_text(models, encoding="utf-8", errors="replace")
    (model.parent / "Ensemble_best.json").write_text(ensemble, encoding="utf-8", errors="replace")
    refused_or_taken(lambda: open_model(model.parent))
    refused_or_taken(lambda: open_model(model.parent / "Ensemble_best.json"))


# ---- prepared data ----
@pytest.fixture(scope="module")
def prepared(few_data, tmp_path_factory) -> Path:
    return Path(shutil.copytree(few_data.folder, tmp_path_factory.mktemp("prepared") / "data"))


@fuzzed
@given(data=st.data())
def test_manifests_of_data(data, few_data, prepared):
    manifest = data.draw(changed_value(json.loads((few_data.folder / "manifest.json").read_text())))
    with suppress(TypeError, KeyError, ValueError, RecursionError):  # else another fingerprint is what is refused
        manifest["fingerprint"] = compute_fingerprint(manifest, manifest["digests"])
    (prepared / "manifest.json").write_text(as_json(manifest), encoding="utf-8", errors="replace")
    refused_or_taken(lambda: describe_text(describe(prepared)))
    refused_or_taken(lambda: open_prepared(prepared))


@fuzzed
@given(data=st.data(), name=st.sampled_from(["signals.npy", "labels.npy", "records.npz"]))
def test_bytes_of_prepared_arrays(data, name, few_data, tmp_path):
    shutil.rmtree(tmp_path / "data", ignore_errors=True)
    shutil.copytree(few_data.folder, tmp_path / "data")
    whole = (few_data.folder / "train" / name).read_bytes()
    head = data.draw(changed_bytes(whole[:400]))
    (tmp_path / "data" / "train" / name).write_bytes(head + whole[len(head) :])
    refused_or_taken(lambda: open_prepared(tmp_path / "data"))


LINE = {
    "fingerprint": "0",
    "purpose": "evaluate",
    "study": "s",
    "settings": "",
    "time": "2026-01-01T00:00:00",
    "records": "",
    "previous": "",
}


@fuzzed
@given(lines=st.lists(changed_value(LINE).map(as_json) | st.just(json.dumps(LINE)) | st.text(max_size=20), max_size=3))
def test_ledgers(lines, few_data, prepared):
    shutil.copy(few_data.folder / "manifest.json", prepared / "manifest.json")
    (prepared / "test_ledger.jsonl").write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    refused_or_taken(lambda: describe_text(describe(prepared)))


# ---- archives ----
@fuzzed
@given(packed=changed_bytes(WHOLE))
def test_archives(packed, tmp_path):
    shutil.rmtree(tmp_path / "new", ignore_errors=True)
    refused_or_taken(lambda: unpack(packed, tmp_path / "new"))
