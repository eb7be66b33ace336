"""Model files, ensembles and checkpoints that were damaged or forged: one line, and no more memory than they are long."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from ecg_tune.config import TrainingConfig, TrialConfig
from ecg_tune.errors import UsageError
from ecg_tune.models import CNN1DConfig
from ecg_tune.storage import LocalStorage
from ecg_tune.training.checkpoints import newest_checkpoint, write_checkpoint
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.model_file import load_model, load_saved, save_model
from tests.commands import ecg_tune
from tests.faults.test_prepared_data import PLACES, in_place_of, little_memory
from tests.faults.test_settings import check

NAN, WEIGHT = float("nan"), "head.1.weight"


@pytest.fixture(scope="module")
def whole(few_data, tmp_path_factory) -> bytes:
    """Return the bytes of a model file."""
    config = TrialConfig("cnn1d", CNN1DConfig(filters=4, depth=1), TrainingConfig(max_epochs=1, crop_s=1.0))
    path = tmp_path_factory.mktemp("model") / "CNN1D_best.pth"
    save_model(path, saved_model(train_model(config, few_data, seed=0), few_data, name="CNN1D"))
    return path.read_bytes()


@pytest.fixture
def folder(whole, tmp_path) -> Path:
    """Return a folder of one model."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "CNN1D_best.pth").write_bytes(whole)
    return tmp_path / "models"


def content(file: bytes) -> dict[str, Any]:
    return torch.load(io.BytesIO(file), weights_only=True)


def packed(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def directory(whole: bytes, at: int, value: bytes) -> bytes:
    """Change the entries of an archive's directory."""
    forged, entry = bytearray(whole), whole.find(b"PK\x01\x02")
    while entry >= 0:
        forged[entry + at : entry + at + len(value)] = value
        entry = whole.find(b"PK\x01\x02", entry + 1)
    return bytes(forged)


def repacked(whole: bytes, compression: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(file, "w", compression) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    return file.getvalue()


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/ran_by_ecg_tune_test",)


BYTES = {
    "empty": lambda whole: b"",
    "text": lambda whole: b"hello\n",
    "a pickle": lambda whole: b"\x80\x02N.",
    "magic alone": lambda whole: b"PK\x03\x04",
    "an empty archive": lambda whole: b"PK\x05\x06" + bytes(18),
    "half": lambda whole: whole[: len(whole) // 2],
    "a byte less": lambda whole: whole[:-1],
    "zeros in its middle": lambda whole: whole[:2000] + bytes(500) + whole[2500:],
    "a bit flipped in its weights": lambda whole: _flipped(whole, whole.index(content(whole)["state"][WEIGHT].numpy().tobytes()) + 2),
    "code": lambda whole: packed({"x": Evil()}),
    "a list": lambda whole: packed([1, 2]),
    "a number": lambda whole: packed(3),
    "a tensor": lambda whole: packed(torch.zeros(3)),
    "nothing in it": lambda whole: packed({}),
    "huge by its directory": lambda whole: directory(whole, 24, b"\xf0\xff\xff\x7f"),
    "huge by its compressed size": lambda whole: directory(whole, 20, b"\xf0\xff\xff\x7f") [: -1],
    "compressed": lambda whole: repacked(whole, zipfile.ZIP_DEFLATED),
    "another archive": lambda whole: repacked(_zip(), zipfile.ZIP_STORED),
}  # fmt: skip


def _flipped(whole: bytes, at: int) -> bytes:
    return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "hello")
    return file.getvalue()


FIELDS: dict[str, Any] = {
    "name": [None, 3, "a\nb", "../a", "\x1b[2J"],
    "config": [None, 3, {}, {"family": "cnn1d", "model": 3}, {"family": "nobody's"}, {"family": "cnn1d", "model": {"filters": "many"}}],
    "data": [None, 3, {}, {"class_names": 3}],
    "state": [None, 3, {}, {"a": 3}, {"a": torch.zeros(3)}, {3: torch.zeros(3)}],
    "thresholds": [None, 3, {"f1": 3}, {"f1": [NAN] * 5}, {"f1": [1.5] * 5}, {"f1": [-0.1] * 5}, {"f1": [0.5] * 4}, {"f1": ["a"] * 5}],
    "trial": ["a", -1, 0.5, [1]],
    "seed": [None, "a", -1, 0.5],
    "validation_macro_auc": [None, "a", float("inf"), [0.5]],
    "best_epoch": [None, "a", -1],
    "epochs": [None, "a", 2**70],
    "seconds": [None, "a"],
    "n_parameters": [None, "a"],
    "history": [None, 3, [3], {"a": 1}],
    "trained_on": [None, 3],
    "platt": [3, "none", [[1.0]], [[NAN, 0.0]] * 5, [[1.0, 0.0]] * 4],
    "format": [None, "1", 2, torch.zeros(2)],
}
CASES = [(name, value) for name, values in FIELDS.items() for value in values]


@pytest.fixture(scope="module", autouse=True)
def imported():
    """Import what the command imports, before its memory is measured."""
    assert ecg_tune("predict", "/nowhere", "/nothing").code == 2


def test_a_whole_file_is_taken(folder):
    assert load_model(folder / "CNN1D_best.pth").class_names


@pytest.mark.parametrize("kind", BYTES)
def test_bytes_of_any_kind_are_one_line(kind, whole, folder):
    (folder / "CNN1D_best.pth").write_bytes(BYTES[kind](whole))
    with little_memory():
        refused(folder)
    assert not Path("/tmp/ran_by_ecg_tune_test").exists()


@pytest.mark.parametrize("kind", sorted(set(PLACES) - {"a bit flipped"}))
def test_another_thing_in_the_place_of_a_model_file_is_one_line(kind, folder):
    in_place_of(folder / "CNN1D_best.pth", kind)
    refused(folder)


@pytest.mark.parametrize(("name", "value"), CASES, ids=[f"{name}: {str(value)[:40]}" for name, value in CASES])
def test_a_field_of_another_type_is_one_line(name, value, whole, folder):
    (folder / "CNN1D_best.pth").write_bytes(packed({**content(whole), name: value}))
    refused(folder)


@pytest.mark.parametrize("name", sorted(set(FIELDS) - {"platt", "trained_on"}))  # which older files lack
def test_a_field_that_lacks_is_one_line(name, whole, folder):
    (folder / "CNN1D_best.pth").write_bytes(packed({key: value for key, value in content(whole).items() if key != name}))
    refused(folder)


def test_a_network_that_its_config_makes_huge_is_one_line(whole, folder):
    forged = content(whole)
    forged["config"]["model"].update(filters=256, depth=8, kernel_size=31)
    (folder / "CNN1D_best.pth").write_bytes(packed(forged))
    with little_memory():
        refused(folder)


def refused(folder: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_model(folder / "CNN1D_best.pth")
    said = str(caught.value)
    assert "\n" not in said
    assert "weights_only" not in said
    check(ecg_tune("predict", folder, folder / "a.csv"), longest=640)


MANIFESTS = ["", "{", "[]", "3", "null", "{}", "[" * 100_000, '{"models": 3}', '{"models": [3]}', '{"models": []}', '{"models": {"a": 1}}']
MANIFESTS += [
    '{"models": [{"name": "A", "seeds": []}]}',
    '{"models": [{"name": "A", "seeds": 3}]}',
    '{"models": [{"name": "A", "seeds": [3]}]}',
]
MANIFESTS += [
    json.dumps({"models": [{"name": name, "seeds": [{"seed": 0, "file": file}]}]})
    for name, file in [("A", "../CNN1D_best.pth"), ("A", "/etc/passwd"), ("A", ".."), ("A", ""), ("A", 3), (3, "a.pth"), ("../A", "a.pth")]
]


@pytest.mark.parametrize("text", MANIFESTS, ids=[text[:70] for text in MANIFESTS])
def test_a_manifest_of_models_of_anything_is_one_line(text, folder, few_data):
    (folder / "manifest.json").write_text(text)
    said = ecg_tune("evaluate", folder, "--data", few_data.folder, "--out", folder.parent / "results")
    check(said, longest=640)
    assert not (folder.parent / "results").exists()
    assert not (few_data.folder / "test_ledger.jsonl").exists()


ENSEMBLE = {
    "format": 1, "seed": 0, "members": [{"name": "A", "file": "A.pth", "digest": "", "weight": 1.0}], "data": {"class_names": ["a"]},
    "trained_on": "train", "validation_macro_auc": 0.5, "thresholds": {"half": [0.5]}, "sensitivity_target": 0.9, "platt": [[1.0, 0.0]],
}  # fmt: skip
ENSEMBLES = ["", "{", "[]", "3", "{}", "[" * 100_000, '{"format": 1}']
ENSEMBLES += [
    json.dumps({**ENSEMBLE, name: value})
    for name, value in [
        ("format", 2), ("members", []), ("members", 3), ("members", [3]), ("members", [{**ENSEMBLE["members"][0], "file": "../A.pth"}]),
        ("members", [{**ENSEMBLE["members"][0], "weight": "1"}]), ("data", 3), ("data", {}), ("thresholds", {"half": [NAN]}),
        ("thresholds", {"half": [2]}), ("thresholds", {"half": []}), ("thresholds", 3), ("platt", [[NAN, 0]]), ("platt", 3), ("more", 1),
    ]
]  # fmt: skip


@pytest.mark.parametrize("text", ENSEMBLES, ids=[text[-60:] for text in ENSEMBLES])
def test_an_ensemble_of_anything_is_one_line(text, folder):
    (folder / "Ensemble_best.json").write_text(text)
    said = ecg_tune("predict", folder / "Ensemble_best.json", folder / "a.csv")
    check(said, longest=640)
    assert ".json" in said.err or ".pth" in said.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trained_on": "\x1b[31mtrain"}, "its trained_on is"),
        ({"trained_on": 3}, "its trained_on is 3"),
        ({"seed": "\x1b[31m"}, "its seed is"),
        ({"validation_macro_auc": "0.9"}, "its validation_macro_auc is '0.9'"),
        ({"sensitivity_target": "high"}, "its sensitivity_target is 'high'"),
        ({"sensitivity_target": 7}, "its sensitivity_target is 7"),
        ({"chosen_from": {"A.pth": "\x1b[31m"}}, "its chosen_from is"),
        ({"data": {"class_names": ["\x1b[31m"]}}, "its classes have no proper names"),
        ({"members": 2 * [{**ENSEMBLE["members"][0], "weight": 0.5}]}, "it has the same member twice"),
        ({"members": [{"name": "A", "file": "A.pth"}]}, "it lacks digest, weight"),
        ({"members": [{**ENSEMBLE["members"][0], "name": "\x1b[31m"}]}, "its name is"),
        ({"more": 1}, "'more' is unknown"),
    ],
)
def test_a_field_of_an_ensemble_is_named(change, message, folder):
    (folder / "Ensemble_best.json").write_text(json.dumps({**ENSEMBLE, **change}))
    said = ecg_tune("predict", folder / "Ensemble_best.json", folder / "a.csv")
    check(said, longest=640)
    assert message in said.err


@pytest.mark.parametrize("kind", [*PLACES, "empty", "text"])
def test_a_damaged_checkpoint_is_skipped_for_the_one_before(kind, tmp_path):
    storage = LocalStorage(tmp_path)
    for epoch in (1, 2):
        name = write_checkpoint(storage, "trial", epoch, {"epoch": epoch})
    if kind in ("empty", "text"):
        (tmp_path / name).write_text("" if kind == "empty" else "hello")
    else:
        in_place_of(tmp_path / name, kind)
    found = newest_checkpoint(storage, "trial")
    assert found is not None
    assert found[1] == {"epoch": 1}


def test_a_model_is_no_checkpoint_and_says_so(whole, folder):
    assert load_saved(folder / "CNN1D_best.pth").name == "CNN1D"
    check(ecg_tune("search", folder, "--data", "/nowhere"))
