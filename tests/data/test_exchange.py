"""The exchange layout: written, read back without a difference, and refused where it does not fit."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecg_tune.cli.main import run
from ecg_tune.cli.options import next_evaluation
from ecg_tune.data.exchange.layout import DATASET
from ecg_tune.data.exchange.reader import import_tree
from ecg_tune.data.exchange.writer import export_size_bytes, export_tree
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared, read_ledger
from ecg_tune.data.prepared.describe import describe, describe_text
from ecg_tune.errors import ConfigError, DataError, WorkFailedError
from tests.conftest import make_toy_data

FOREIGN: dict[str, Any] = {"leads": ("I", "II", "V2"), "sampling_rate_hz": 100}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    return make_toy_data(tmp_path_factory.mktemp("source"), n_records=(40, 16, 8))


@pytest.fixture
def tree(data: PreparedData, tmp_path: Path) -> Path:
    """Return an exported tree without images and test records."""
    export_tree(data, tmp_path / "tree", images=(), batch_size=16)
    return tmp_path / "tree"


@pytest.fixture
def foreign(tree: Path) -> Path:
    """Return the same as others would write it: without our tables."""
    (tree / DATASET).unlink()
    for table in (tree / "labels").glob("records_*.csv"):
        table.unlink()
    return tree


def test_the_whole_data_come_back_with_their_fingerprint_and_the_ledger_says_who_opened_the_test_split(data, tmp_path):
    export_tree(data, tmp_path / "tree", images=(), include_test=True, batch_size=7)
    manifest = import_tree(tmp_path / "tree", tmp_path / "back")
    assert manifest["fingerprint"] == data.fingerprint
    assert read_ledger(data)[-1]["purpose"] == "export"
    for _ in range(2):  # importing again loses no line and repeats none
        lines = read_ledger(open_prepared(tmp_path / "back"))
        assert lines[: len(read_ledger(data))] == read_ledger(data)
        assert {line["purpose"] for line in lines[len(read_ledger(data)) :]} == {"import"}
        import_tree(tmp_path / "tree", tmp_path / "back")
    assert len(read_ledger(open_prepared(tmp_path / "back"))) == len(read_ledger(data)) + 3


def test_without_the_test_split_nothing_of_it_is_written(data, tree, tmp_path):
    before = read_ledger(data)
    assert not (tree / "signals" / "test").exists()
    assert not (tree / "labels" / "y_test.npy").exists()
    import_tree(tree, tmp_path / "back")
    back = open_prepared(tmp_path / "back")
    for name in ("train", "validation"):
        np.testing.assert_array_equal(back.split(name).signals_uv, data.split(name).signals_uv)
        np.testing.assert_array_equal(back.split(name).labels, data.split(name).labels)
    assert back.manifest["counts"]["test"]["records"] == 0
    assert read_ledger(data) == before


def test_files_have_the_documented_shapes_and_types(data, tmp_path):
    written = export_tree(data, tmp_path / "tree", image_size=24, batch_size=16)
    load = lambda name: np.load(tmp_path / "tree" / name)  # noqa: E731
    assert load("signals/train/batch_0000.npy").shape == (16, 250, 3)
    assert load("signals/train/batch_0002.npy").shape == (8, 250, 3)
    for kind in ("gaf", "mtf"):
        assert load(f"images/validation/{kind}/batch_0000.npy").shape == (16, 3, 24, 24)
        assert load(f"images/validation/{kind}/batch_0000.npy").dtype == np.float32
    assert (load("labels/y_train.npy").shape, load("labels/y_train.npy").dtype) == ((40, 5), np.uint8)
    arrays = [np.load(path) for path in (tmp_path / "tree").rglob("*.npy")]
    assert (
        written
        == sum(array.nbytes for array in arrays)
        == export_size_bytes(data, images=("gaf", "mtf"), image_size=24, include_test=False)
    )
    assert np.abs(load("signals/train/batch_0000.npy")).max() == pytest.approx(np.abs(data.train.signals_uv[:16]).max() / 1000)


def test_a_tree_of_others_is_imported_with_what_the_user_says(foreign, data, tmp_path):
    manifest = import_tree(foreign, tmp_path / "back", **FOREIGN, class_names=("A", "B", "C", "D", "E"))
    back = open_prepared(tmp_path / "back")
    assert back.class_names == ("A", "B", "C", "D", "E")
    np.testing.assert_array_equal(back.train.signals_uv, data.train.signals_uv)
    assert "without a table of records each counts as a patient" in manifest["source"]["version"]
    assert len(set(back.train.records["patient_id"]) | set(back.validation.records["patient_id"])) == 56


def test_data_without_a_test_split_say_so_and_what_evaluates_their_models(tree, data, tmp_path, capsys):
    import_tree(tree, tmp_path / "data")
    models = f"{tmp_path / 'models'} --data {tmp_path / 'data'}"
    assert "Test split: none; `ecg-tune evaluate … --on OTHER_DATA`" in describe_text(describe(tmp_path / "data"))
    flags = ["--profile", "small", "--max-epochs", "1", "--out", str(tmp_path / "models")]
    assert run(["train", "cnn1d", "--data", str(tmp_path / "data"), *flags]) == 0
    assert f"next: ecg-tune evaluate {models} --on OTHER_DATA" in capsys.readouterr().out
    assert next_evaluation(data, "STUDY") == "next: ecg-tune evaluate STUDY --out results/"
    assert run(["evaluate", *models.split()]) == 2
    assert f"{tmp_path / 'data'} has no test split: evaluate the models on other data with --on DIR" in capsys.readouterr().err
    assert read_ledger(open_prepared(tmp_path / "data")) == []


def test_unknown_patients_stay_unknown_in_a_second_export(foreign, data, tmp_path):
    import_tree(foreign, tmp_path / "back", **FOREIGN)
    export_tree(open_prepared(tmp_path / "back"), tmp_path / "again", images=())
    import_tree(tmp_path / "again", tmp_path / "third")
    assert (data.patients_known, open_prepared(tmp_path / "third").patients_known) == (True, False)
    splits = [line.split() for line in describe_text(describe(tmp_path / "third")).splitlines() if line.startswith("  train")]
    assert splits[0][:3] == ["train", "40", "unknown"]


def test_batches_in_microvolts_numbered_from_1_beyond_10_keep_their_order(foreign, data, tmp_path):
    for split in ("train", "validation"):
        signals = getattr(data, split).signals_uv
        shutil.rmtree(foreign / "signals" / split)
        (foreign / "signals" / split).mkdir()
        for number, start in enumerate(range(0, len(signals), 3), 1):
            np.save(foreign / "signals" / split / f"batch_{number}.npy", signals[start : start + 3].astype(np.float32))
    import_tree(foreign, tmp_path / "back", **FOREIGN, units="uv")
    np.testing.assert_array_equal(open_prepared(tmp_path / "back").train.signals_uv, data.train.signals_uv)


def _change(file: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Make a fault: change an array of the tree."""
    return lambda tree: np.save(tree / file, change(np.load(tree / file)))


def _with_nan(array: Any) -> Any:
    array[3, 5, 1] = np.nan
    return array


FIRST, LABELS = "signals/train/batch_0000.npy", "labels/y_train.npy"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (_change(FIRST, _with_nan), "batch_0000.npy: record 3 holds NaN or infinity"),
        (_change(FIRST, lambda a: a * 1000), "more than 32.767 mV: give --units uv"),
        (_change(FIRST, lambda a: a[:, :, :2]), r"shape \(16, 250, 2\), not \(records, samples, 3 leads\)"),
        (_change(FIRST, lambda a: a[:, :200]), r"records have \[200, 250\] samples"),
        (_change(FIRST, lambda a: a[:-1]), "39 train records in signals/, but 40 in y_train.npy"),
        (_change(FIRST, lambda a: a.astype(str)), "holds <U32, not numbers"),
        (lambda tree: np.save(tree / FIRST, np.array([{}]), allow_pickle=True), "can't be read as a plain array"),
        (lambda tree: (tree / FIRST).write_bytes(b"\x93NUMPY"), "can't be read as a plain array"),
        (lambda tree: (tree / FIRST).write_bytes(b""), "can't be read as a plain array"),
        (lambda tree: (tree / "signals/train/batch_0001.npy").unlink(), "batch 1 of 2 is missing"),
        (_change(LABELS, lambda a: a[:, :4]), r"shape \(40, 4\), not \(records, 5 classes NORM,MI,STTC,CD,HYP\).*--class-names"),
        (_change(LABELS, lambda a: a * 2), "other values than 0 and 1"),
        (lambda tree: (tree / LABELS).unlink(), "y_train.npy can't be read"),
        (lambda tree: shutil.rmtree(tree / "signals"), r"labels/ and signals/ or images/ are needed"),
        (lambda tree: shutil.rmtree(tree / "labels"), "is no exchange layout"),
        (_change("signals/validation/batch_0000.npy", lambda a: np.load(Path("train.npy"))), "16 validation records are also in train"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(foreign, data, tmp_path, monkeypatch, fault, message):
    np.save(tmp_path / "train.npy", data.train.signals_uv[:16] / np.float32(1000))
    monkeypatch.chdir(tmp_path)
    fault(foreign)
    with pytest.raises(DataError, match=message):
        import_tree(foreign, tmp_path / "back", **FOREIGN)
    assert not (tmp_path / "back").exists()


def test_a_tree_of_standardised_signals_is_no_ecg_in_microvolts(foreign, tmp_path):
    with pytest.raises(DataError, match=r"standard deviation is [\d.e-]+ mV, which no ECG has"):
        import_tree(foreign, tmp_path / "back", **FOREIGN, units="uv")


def test_a_foreign_tree_needs_its_leads_and_rate_and_ours_needs_none(foreign, tmp_path):
    with pytest.raises(DataError, match="say with --leads, --rate what its signals are"):
        import_tree(foreign, tmp_path / "back")
    (foreign / DATASET).write_text("{}")
    with pytest.raises(DataError, match="states leads, sampling_rate_hz already"):
        import_tree(foreign, tmp_path / "back", **FOREIGN)
    with pytest.raises(DataError, match="lacks class_names, leads"):
        import_tree(foreign, tmp_path / "back")
    (foreign / DATASET).write_text("nonsense")
    with pytest.raises(DataError, match="is not JSON"):
        import_tree(foreign, tmp_path / "back")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"class_names": [1, 2]}, "class_names is"),
        ({"class_names": ["A", "A", "B", "C", "D"]}, "class_names is"),
        ({"class_names": ["records", "B", "C", "D", "E"]}, "'records' can't name a class"),
        ({"leads": ["I", "II", "XX"]}, r"leads is \['I', 'II', 'XX'\], and must be different leads"),
        ({"leads": None}, "leads is None"),
        ({"sampling_rate_hz": "x"}, "sampling_rate_hz is 'x', and must be a whole number of 50"),
        ({"sampling_rate_hz": -5}, "sampling_rate_hz is -5"),
        ({"n_samples": True}, "n_samples is True"),
        ({"normalisation": {"kind": "foo"}}, "normalisation is"),
        ({"synthetic": "false"}, "synthetic is 'false', and must be true or false"),
        ({"label_rule": {"a": 1}}, "label_rule is"),
        ({"source": "me"}, "source is 'me'"),
        ({"limit": "half"}, "limit is 'half'"),
        ({"exclusions": [1]}, "exclusions is"),
    ],
)
def test_facts_of_a_wrong_kind_are_refused_before_anything_is_written(tree, tmp_path, facts, message):
    known = json.loads((tree / DATASET).read_text())
    (tree / DATASET).write_text(json.dumps({**known, **facts}))
    with pytest.raises(DataError, match=message):
        import_tree(tree, tmp_path / "back")
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda tree: shutil.copy(tree / FIRST, tree / "signals/train/batch_0.npy"), "two files of one number, 0"),
        (lambda tree: (tree / "labels/records_train.csv").unlink(), r"records_train\.csv is missing beside"),
        (lambda tree: (tree / "test_ledger.jsonl").write_text("garbage"), "not an opening of the test split"),
        (_change("signals/validation/batch_0000.npy", lambda a: a[:, :200]), r"records have \[200, 250\] samples"),
        (_change("labels/y_val.npy", lambda a: a * [0, 1, 1, 1, 1]), "validation has 1. records, none of class NORM"),
        (lambda tree: (tree / FIRST).write_bytes(_archive()), "no .npy file with one array"),
    ],
)
def test_more_that_does_not_fit_is_refused_and_nothing_is_written(tree, tmp_path, fault, message):
    fault(tree)
    with pytest.raises(DataError, match=message):
        import_tree(tree, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def _archive() -> bytes:
    content = io.BytesIO()
    np.savez(content, a=np.zeros(3))
    return content.getvalue()


def test_data_that_are_there_survive_a_write_that_fails(data, tree, tmp_path, monkeypatch):
    import_tree(tree, tmp_path / "back")
    before = open_prepared(tmp_path / "back").fingerprint
    monkeypatch.setattr(np, "savez", _full)
    with pytest.raises(WorkFailedError, match=r"back can't be written \(No space"):
        import_tree(tree, tmp_path / "back")
    monkeypatch.undo()
    assert open_prepared(tmp_path / "back").fingerprint == before
    assert {path.name for path in (tmp_path / "back").iterdir()} == {"manifest.json", "train", "validation", "test"}


def test_prepared_data_are_not_written_among_other_files(tree, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match=r"home holds something else"):
        import_tree(tree, tmp_path / "home")
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("name", ["signals/train/batch_0000.npy", "labels/y_val.npy"])
def test_a_pipe_in_the_place_of_an_array_is_not_waited_for(tree, tmp_path, name):
    (tree / name).unlink()
    os.mkfifo(tree / name)
    with pytest.raises(DataError, match=r"it is no plain file.*: write it with"):
        import_tree(tree, tmp_path / "back")


@pytest.mark.parametrize("name", ["signals/train/batch_0000.npy", "labels/y_val.npy", "labels", "dataset.json"])
@pytest.mark.parametrize("goal", ["elsewhere", "itself"])
def test_a_link_out_of_the_tree_is_not_followed(tree, tmp_path, name, goal):
    (tree / name).rename(tmp_path / "elsewhere")
    (tree / name).symlink_to(tmp_path / "elsewhere" if goal == "elsewhere" else tree / name)
    with pytest.raises(DataError, match=rf"{name} is a link out of .*: copy the file"):
        import_tree(tree, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_links_within_the_tree_and_to_the_tree_are_followed(tree, tmp_path):
    fingerprint = import_tree(tree, tmp_path / "first")["fingerprint"]
    (tree / FIRST).rename(tree / "first.npy")
    (tree / FIRST).symlink_to(tree / "first.npy")
    (tmp_path / "link").symlink_to(tree)
    done: list[tuple[int, int]] = []
    manifest = import_tree(tmp_path / "link", tmp_path / "second", progress=lambda *files: done.append(files))
    assert manifest["fingerprint"] == fingerprint
    assert done == [(number, len(done)) for number in range(1, len(done) + 1)]
    assert len(done) == len(list((tree / "signals").rglob("*.npy")))


def test_patients_in_two_splits_are_refused(tree, tmp_path):
    path = tree / "labels" / "records_val.csv"
    lines = path.read_text().splitlines()
    ids = [line.split(",") for line in lines]
    ids[1][1] = (tree / "labels" / "records_train.csv").read_text().splitlines()[1].split(",")[1]
    path.write_text("\n".join(map(",".join, ids)) + "\n")
    with pytest.raises(DataError, match="1 patients are in train and validation"):
        import_tree(tree, tmp_path / "back")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("patient_id", "patient"),
        lambda text: text.replace("\n1,", "\nx,"),
        lambda text: text[:200],
    ],
)
def test_a_table_of_records_that_was_damaged_is_refused(tree, tmp_path, change):
    path = tree / "labels" / "records_train.csv"
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=r"records_train\.csv"):
        import_tree(tree, tmp_path / "back")


def test_a_back_end_that_is_not_installed_is_named_with_the_remedy(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyts.image", None)
    with pytest.raises(ConfigError, match=r"pip install 'ecg-tune\[exchange\]'"):
        export_tree(data, tmp_path / "tree", images=("gaf",), backend="pyts")
    assert not list(tmp_path.iterdir())


def test_an_export_that_fails_leaves_nothing_and_none_replaces_a_folder(data, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="unknown images 'jpeg'"):
        export_tree(data, tmp_path / "tree", images=("jpeg",))
    monkeypatch.setattr(np, "save", _full)
    with pytest.raises(WorkFailedError, match="tree can't be written"):
        export_tree(data, tmp_path / "tree", images=())
    assert not list(tmp_path.iterdir())
    (tmp_path / "tree").mkdir()
    with pytest.raises(DataError, match="exists: name a new folder"):
        export_tree(data, tmp_path / "tree", images=())


def _full(*_: Any, **__: Any) -> None:
    raise OSError(28, "No space left on device")


def test_an_export_larger_than_the_disk_is_refused_first(data, tmp_path):
    huge = PreparedData(
        data.folder,
        {**data.manifest, "counts": {name: {"records": 10**10} for name in data.manifest["counts"]}},
        data.train,
        data.validation,
    )
    with pytest.raises(DataError, match=r"needs \d+.0 GB, but .* GB are free"):
        export_tree(huge, tmp_path / "tree", images=())
    assert not list(tmp_path.iterdir())


def test_the_facts_of_the_source_are_in_the_tree(data, tree):
    facts = json.loads((tree / DATASET).read_text())
    assert facts["fingerprint"] == data.fingerprint
    assert facts["synthetic"] is True


def test_an_export_into_a_bucket_is_refused(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["data", "export", str(data.folder), "s3://bucket/tree"]) == 2
    assert "is no folder: export to this machine" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["there"], "exists: name a new folder"),
        (["link"], "exists: name a new folder"),
        (["nest/deep/T", "--images", "gaf", "--backend", "pyts"], "pyts is not installed"),
        (["nest/deep/T", "--images", "gaf", "--image-size", "512"], "make room|leave images out"),
    ],
    ids=["it is there", "a link to nothing", "no pyts", "no room"],
)
def test_an_export_that_is_refused_announces_and_leaves_nothing(words, wrong, data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "pyts.image", None)
    monkeypatch.setattr("ecg_tune.storage.shutil.disk_usage", lambda _: shutil._ntuple_diskusage(2, 1, 1))
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    assert run(["data", "export", str(data.folder), *words]) == 2
    said = capsys.readouterr()
    assert not said.out
    assert re.search(wrong, said.err)
    assert sorted(os.listdir(tmp_path)) == ["link", "there"]


def test_an_export_makes_no_folder_that_the_path_leaves_again(data, tmp_path):
    export_tree(data, tmp_path / "nest" / ".." / "tree", images=())
    assert os.listdir(tmp_path) == ["tree"]
