"""The prepared data set: its fingerprint, its sealed test split and the ledger of openings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecg_tune.config import DataConfig
from ecg_tune.data.prepared.dataset import open_prepared, open_test, read_ledger
from ecg_tune.data.prepared.describe import describe, describe_text
from ecg_tune.data.prepared.ledger import ledger_lines, missing_before
from ecg_tune.data.prepared.manifest import read_manifest
from ecg_tune.data.ptbxl.prepare import prepare
from ecg_tune.errors import DataError, SealedTestError

OFFICIAL = DataConfig(split="official")


@pytest.fixture
def folder(tiny_ptbxl: Callable[..., Path], tmp_path: Path) -> Path:
    prepare(tiny_ptbxl(), tmp_path / "data", OFFICIAL)
    return tmp_path / "data"


def test_arrays_have_their_documented_shapes_and_types(folder: Path) -> None:
    data = open_prepared(folder)
    assert data.train.signals_uv.shape == (80, data.n_samples, len(data.leads)) == (80, 1000, 3)
    assert data.train.signals_uv.dtype == np.int16
    assert isinstance(data.train.signals_uv, np.memmap)
    assert data.validation.labels.shape == (10, 5)
    assert data.sampling_rate_hz == 100
    assert data.class_names == ("NORM", "MI", "STTC", "CD", "HYP")
    assert all(len(values) == 80 for values in data.train.records.values())


def test_the_test_split_is_not_to_be_had_by_name(folder: Path) -> None:
    with pytest.raises(SealedTestError, match="the test split is sealed"):
        open_prepared(folder).split("test")
    assert open_prepared(folder).split("train").name == "train"


def test_train_and_validation_open_without_the_test_files(folder: Path) -> None:
    shutil.rmtree(folder / "test")
    data = open_prepared(folder)
    assert len(data.train) == 80
    with pytest.raises(DataError, match=r"test can't be read .*prepare the data again"):
        open_test(data, "evaluate")


def test_every_opening_is_one_line_of_the_ledger(folder: Path) -> None:
    data = open_prepared(folder)
    assert read_ledger(data) == []
    assert len(open_test(data, "evaluate", "runs/a")) == 10
    open_test(data, "export")
    lines = (folder / "test_ledger.jsonl").read_text().splitlines()
    assert len(lines) == 2
    assert [(entry["purpose"], entry["study"]) for entry in read_ledger(data)] == [("evaluate", "runs/a"), ("export", "")]


def test_the_ledger_survives_preparing_again(folder: Path, tmp_path: Path) -> None:
    open_test(open_prepared(folder), "evaluate", "runs/a")
    prepare(tmp_path / "ptbxl", folder, OFFICIAL)
    assert [entry["study"] for entry in read_ledger(open_prepared(folder))] == ["runs/a"]


def test_openings_count_for_the_records_whatever_else_is_prepared_otherwise(folder: Path, tmp_path: Path) -> None:
    open_test(open_prepared(folder), "evaluate", "runs/a")
    opened = {int(number) for number in np.load(folder / "test" / "records.npz")["ecg_id"]}
    for config in (DataConfig(leads=("V5",)), DataConfig(split="70-15-15"), DataConfig(min_likelihood=80), DataConfig(normalise="record")):
        prepare(tmp_path / "ptbxl", folder, config, replace_other=True)
        now = {int(number) for number in np.load(folder / "test" / "records.npz")["ecg_id"]}
        assert [line["shared"] for line in read_ledger(open_prepared(folder))] == [len(opened & now)] != [0]
    assert "opened once" in describe_text(describe(folder))
    assert "leads I,II,V2, 100 Hz, split official" in describe_text(describe(folder))


def test_other_data_are_replaced_only_when_that_is_said(folder: Path, tmp_path: Path) -> None:
    before = open_prepared(folder).fingerprint
    prepare(tmp_path / "ptbxl", folder, OFFICIAL)
    with pytest.raises(DataError, match=r"data holds other prepared data .*--replace"):
        prepare(tmp_path / "ptbxl", folder, DataConfig(leads=("V5",)))
    assert open_prepared(folder).fingerprint == before
    assert {path.name for path in folder.iterdir()} == {"manifest.json", "train", "validation", "test"}


def test_damaged_data_are_replaced_when_that_is_said(folder: Path, tmp_path: Path) -> None:
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(DataError, match=r"data holds other prepared data \(damaged, .*--replace"):
        prepare(tmp_path / "ptbxl", folder, OFFICIAL)
    prepare(tmp_path / "ptbxl", folder, OFFICIAL, replace_other=True)
    assert len(open_prepared(folder).train) == 80


def test_openings_of_other_records_do_not_count(folder: Path, tiny_ptbxl: Callable[..., Path]) -> None:
    open_test(open_prepared(folder), "evaluate")

    def of_others(rows: list[Any]) -> None:
        for row in rows:
            row["patient_id"] = str(500_000 + float(row["patient_id"]))

    prepare(tiny_ptbxl(change=of_others, name="others"), folder, OFFICIAL, replace_other=True)
    assert read_ledger(open_prepared(folder)) == []
    assert len(ledger_lines(folder)) == 1


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize("change", ["removed", "changed"])
def test_a_line_that_was_changed_or_taken_out_shows(folder: Path, row: int, change: str) -> None:
    data = open_prepared(folder)
    for study in ("a", "b", "c"):
        open_test(data, "evaluate", study)
    ledger = folder / "test_ledger.jsonl"
    assert missing_before(ledger_lines(folder)) == []
    lines = ledger.read_text().splitlines()
    lines[row] = lines[row].replace('"evaluate"', '"export"') if change == "changed" else ""
    ledger.write_text("\n".join(lines) + "\n")
    assert len(missing_before(ledger_lines(folder))) == 1
    assert "WARNING: the ledger was changed" in describe_text(describe(folder))


def test_openings_at_once_make_one_chain(folder: Path) -> None:
    data = open_prepared(folder)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: open_test(data, "evaluate", str(number)), range(16)))
    lines = ledger_lines(folder)
    assert len(lines) == len({line["previous"] for line in lines}) == 16
    assert missing_before(lines) == []


def test_a_line_of_version_0_1_counts_for_the_data_in_its_folder(folder: Path) -> None:
    line = {"fingerprint": "0" * 64, "purpose": "evaluate", "study": "old", "time": "2025-01-01T00:00:00.000000+00:00"}
    (folder / "test_ledger.jsonl").write_text(json.dumps(line) + "\n")
    open_test(open_prepared(folder), "evaluate", "new")
    assert [line["study"] for line in read_ledger(open_prepared(folder))] == ["old", "new"]
    assert missing_before(ledger_lines(folder)) == []


LINE = '{"fingerprint": "a", "purpose": "b", "study": "c", "time": "d"'


BROKEN = ['{"fingerprint": ', "[1]", "3", "{}", LINE + ', "records": 3}', LINE + ', "previous": []}', "[" * 100_000]


@pytest.mark.parametrize("text", BROKEN, ids=[text[:20] for text in BROKEN])
def test_a_broken_ledger_is_refused(folder: Path, text: str) -> None:
    (folder / "test_ledger.jsonl").write_text(text + "\n")
    with pytest.raises(DataError, match="holds a line that is not an opening"):
        ledger_lines(folder)


def test_the_fingerprint_does_not_depend_on_time_or_folder(
    folder: Path, tiny_ptbxl: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Later:
        @staticmethod
        def now(zone: Any) -> datetime:
            return datetime(2099, 1, 1, tzinfo=zone)

    monkeypatch.setattr("ecg_tune.data.ptbxl.prepare.datetime", Later)
    other = prepare(tiny_ptbxl(name="elsewhere"), tmp_path / "other", OFFICIAL)
    first = read_manifest(folder)
    assert other["created"].startswith("2099")
    assert not first["created"].startswith("2099")
    assert other["source"]["name"] != first["source"]["name"]
    assert other["fingerprint"] == first["fingerprint"]


@pytest.mark.parametrize(
    "config",
    [
        DataConfig(split="70-15-15"),
        DataConfig(split="official", leads=("I", "V2", "II")),
        DataConfig(split="official", leads=("I", "II")),
        DataConfig(split="official", normalise="record"),
        DataConfig(split="official", min_likelihood=50),
    ],
    ids=["split", "order of leads", "leads", "normalisation", "likelihood"],
)
def test_the_fingerprint_changes_with_every_setting(folder: Path, tmp_path: Path, config: DataConfig) -> None:
    assert prepare(tmp_path / "ptbxl", tmp_path / "other", config)["fingerprint"] != read_manifest(folder)["fingerprint"]


def _one_sample(source: Path, put_record: Callable[..., None]) -> None:
    stem = source / "records100/00000/00099_lr"
    signal_uv = np.fromfile(stem.with_suffix(".dat"), dtype="<i2").reshape(1000, 12)
    signal_uv[500, 0] += 1
    put_record(stem, signal_uv)


def _one_age(source: Path, put_record: Callable[..., None]) -> None:
    path = source / "ptbxl_database.csv"
    path.write_text(path.read_text().replace(",41.0,", ",42.0,", 1))


def _synthetic(source: Path, put_record: Callable[..., None]) -> None:
    (source / "SYNTHETIC.txt").write_text("made up\n")


@pytest.mark.parametrize("change", [_one_sample, _one_age, _synthetic])
def test_the_fingerprint_changes_with_the_content(
    folder: Path, tmp_path: Path, put_record: Callable[..., None], list_again: Callable[[Path], None], change: Callable[..., None]
) -> None:
    change(tmp_path / "ptbxl", put_record)
    list_again(tmp_path / "ptbxl")
    assert prepare(tmp_path / "ptbxl", tmp_path / "other", OFFICIAL)["fingerprint"] != read_manifest(folder)["fingerprint"]


def test_a_changed_array_is_refused(folder: Path) -> None:
    signals = np.load(folder / "train/signals.npy")
    signals[3, 3, 0] += 1
    np.save(folder / "train/signals.npy", signals)
    with pytest.raises(DataError, match="signals differ from what the manifest recorded"):
        open_prepared(folder)


def test_a_cut_array_is_refused(folder: Path) -> None:
    path = folder / "validation/signals.npy"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="validation can't be read"):
        open_prepared(folder)


def test_an_unfinished_or_foreign_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(DataError, match="is not a manifest"):
        open_prepared(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(DataError, match=r"holds no prepared data .*ecg-tune data prepare"):
        open_prepared(folder)
