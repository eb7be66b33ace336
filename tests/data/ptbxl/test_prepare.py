"""From a PTB-XL folder to a prepared data set: counts, refusals, and what `drop` leaves out."""

from __future__ import annotations

import ast
import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb

from ecg_tune.config import LEAD_NAMES, DataConfig
from ecg_tune.data.prepared.dataset import SPLIT_NAMES, Split, open_prepared, open_test
from ecg_tune.data.ptbxl.prepare import prepare, training_sd_mv
from ecg_tune.data.ptbxl.quality import has_flag
from ecg_tune.data.rare_classes import rare_classes
from ecg_tune.errors import ConfigError, DamagedRecordError, DataError, WorkFailedError

Row = dict[str, Any]
OFFICIAL = DataConfig(split="official")
LR = "records100/00000/{:05d}_lr"


def _all_splits(folder: Path) -> list[Split]:
    data = open_prepared(folder)
    return [data.train, data.validation, open_test(data, "check")]


@pytest.fixture(scope="module")
def real(ptbxl: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    prepare(ptbxl, folder, OFFICIAL)
    return folder


@pytest.mark.slow
def test_the_real_slice_gives_its_documented_counts(real: Path) -> None:
    manifest = open_prepared(real).manifest
    assert manifest["exclusions"] == {"read": 2980, "damaged": 0, "without superclass": 60, "kept": 2920}
    assert list(manifest["exclusions"]) == ["read", "damaged", "without superclass", "kept"]
    expected = {"records": 2279, "NORM": 1123, "MI": 516, "STTC": 541, "CD": 457, "HYP": 271}
    assert {name: manifest["counts"]["train"][name] for name in expected} == expected
    assert [manifest["counts"][split]["records"] for split in SPLIT_NAMES] == [2279, 320, 321]
    assert manifest["ptbxl_checksum"] == {"listing": "SHA256SUMS.txt", "record_files": 5960, "listed": 5960, "not_listed": 0}
    assert manifest["source"] == {"name": "ptbxl", "version": "a part of 2980 records", "records": 2980}


@pytest.mark.slow
def test_the_real_slice_has_no_patient_in_two_splits(ptbxl: Path, real: Path, tmp_path: Path) -> None:
    prepare(ptbxl, tmp_path, DataConfig(split="70-15-15"))
    for folder in (real, tmp_path):
        patients = [set(split.records["patient_id"].tolist()) for split in _all_splits(folder)]
        assert not (patients[0] & patients[1] | patients[0] & patients[2] | patients[1] & patients[2])
        assert sum(map(len, patients)) > 2800


def test_real_signals_are_those_of_wfdb_in_the_order_of_the_leads(ptbxl: Path, real: Path) -> None:
    train = open_prepared(real).train
    for row in (0, 1000, -1):
        ecg_id = int(train.records["ecg_id"][row])
        expected, fields = wfdb.rdsamp(str(ptbxl / f"records100/{ecg_id // 1000 * 1000:05d}/{ecg_id:05d}_lr"))
        columns = [fields["sig_name"].index(lead) for lead in ("I", "II", "V2")]
        assert np.array_equal(train.signals_uv[row] / 1000.0, expected[:, columns])


def test_the_scale_is_the_sd_of_the_training_split(real: Path) -> None:
    data = open_prepared(real)
    assert data.normalisation["scale_mv"] == pytest.approx(np.std(data.train.signals_uv / 1000.0), rel=1e-9)
    assert data.normalisation["kind"] == "global"


def test_ages_over_89_become_90_and_stay_flagged(real: Path) -> None:
    for split in _all_splits(real):
        age = split.records["age"]
        assert np.nanmax(age) <= 90
        assert ((age == 90) == has_flag(split.records["flags"], "age_over_89")).all()


def test_leads_come_in_the_order_asked_for(tiny_ptbxl: Callable[..., Path], tmp_path: Path) -> None:
    source = tiny_ptbxl()
    prepare(source, tmp_path / "all", DataConfig(leads=LEAD_NAMES, split="official"))
    prepare(source, tmp_path / "two", DataConfig(leads=("V6", "I"), split="official"))
    everything, two = open_prepared(tmp_path / "all").train.signals_uv, open_prepared(tmp_path / "two").train.signals_uv
    assert everything.shape[1:] == (1000, 12)
    assert np.array_equal(two, everything[:, :, [11, 0]])


def test_the_sd_is_exact_at_any_number_of_chunks() -> None:
    signals = np.random.default_rng(0).integers(-30000, 30000, size=(1030, 7, 2)).astype(np.int16)
    assert training_sd_mv(signals) == pytest.approx(np.std(signals.astype(np.float64)) / 1000, rel=1e-12)


def test_progress_ends_with_every_record_done(tiny_ptbxl: Callable[..., Path], tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    prepare(tiny_ptbxl(120), tmp_path / "out", OFFICIAL, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(100, 120), (120, 120)]


def _damage(source: Path, put_record: Callable[..., None]) -> None:
    """Damage six records in six ways."""
    (source / f"{LR.format(3)}.dat").unlink()
    (source / f"{LR.format(4)}.hea").unlink()
    for ecg_id, cut in ((5, slice(0, 100)), (6, slice(None, None, -1))):
        path = source / f"{LR.format(ecg_id)}.dat"
        path.write_bytes(path.read_bytes()[cut])
    signal_uv = np.arange(12000, dtype=np.int16).reshape(1000, 12) % 91
    put_record(source / LR.format(7), signal_uv, leads=["II", "I", *LEAD_NAMES[2:]])
    signal_uv[4, 4] = -32768
    put_record(source / LR.format(8), signal_uv)


@pytest.mark.parametrize("listed", [True, False], ids=["hashes listed", "no listing"])
def test_damaged_records_are_refused_with_the_first_and_how_many(
    tiny_ptbxl: Callable[..., Path], put_record: Callable[..., None], tmp_path: Path, listed: bool
) -> None:
    source = tiny_ptbxl()
    _damage(source, put_record)
    if not listed:
        (source / "SHA256SUMS.txt").unlink()
    with pytest.raises(DamagedRecordError, match=r"6 of 100 records are damaged; the first is ecg_id 3: .*00003_lr\.dat is missing.*drop"):
        prepare(source, tmp_path / "out", OFFICIAL)
    assert not (tmp_path / "out").exists()


def test_damaged_records_are_dropped_and_counted_on_request(
    tiny_ptbxl: Callable[..., Path], put_record: Callable[..., None], list_again: Callable[[Path], None], tmp_path: Path
) -> None:
    source = tiny_ptbxl(100, change=lambda rows: rows[1].update(scp_codes="{'QWAVE': 100.0}"))
    _damage(source, put_record)
    list_again(source)
    manifest = prepare(source, tmp_path / "out", OFFICIAL, damaged="drop")
    assert manifest["exclusions"] == {"read": 100, "damaged": 6, "without superclass": 1, "kept": 93}
    assert list(manifest["damaged"]) == ["3", "4", "5", "6", "7", "8"]
    assert "leads are II,I,III" in manifest["damaged"]["7"]
    assert "missing (NaN) in AVL" in manifest["damaged"]["8"]
    kept = np.concatenate([split.records["ecg_id"] for split in _all_splits(tmp_path / "out")])
    assert sorted(kept.tolist()) == [1, *range(9, 101)]


def test_a_file_that_differs_from_its_listed_hash_is_damaged(
    tiny_ptbxl: Callable[..., Path], put_record: Callable[..., None], tmp_path: Path
) -> None:
    source = tiny_ptbxl()
    put_record(source / LR.format(9), np.arange(12000, dtype=np.int16).reshape(1000, 12))
    with pytest.raises(DamagedRecordError, match=r"1 of 100 .*ecg_id 9: .*was changed or cut"):
        prepare(source, tmp_path / "out", OFFICIAL)


def test_a_rate_that_was_not_downloaded_is_a_partial_download(tiny_ptbxl: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(DamagedRecordError, match=r"100 of 100 records are damaged.*records500.*is missing"):
        prepare(tiny_ptbxl(), tmp_path / "out", DataConfig(sampling_rate_hz=500))


def test_odd_but_whole_records_are_kept_flagged_and_counted(
    tiny_ptbxl: Callable[..., Path], put_record: Callable[..., None], list_again: Callable[[Path], None], tmp_path: Path
) -> None:
    def change(rows: list[Row]) -> None:
        rows[0] |= {"age": "300.0"}
        rows[1] |= {"static_noise": " , I-AVR,  ", "age": ""}

    source = tiny_ptbxl(100, change=change)
    signal_uv = np.arange(12000, dtype=np.int16).reshape(1000, 12) % 91
    constant, large = signal_uv.copy(), signal_uv.copy()
    constant[:, 1], large[7, 0] = 5, -10_500
    put_record(source / LR.format(3), constant)
    put_record(source / LR.format(4), large)
    list_again(source)
    manifest = prepare(source, tmp_path / "out", OFFICIAL)
    counted = {name: count for name, count in manifest["quality"].items() if count}
    assert counted == {"constant_lead": 1, "over_10_mv": 1, "age_over_89": 1, "static_noise": 1}
    assert manifest["exclusions"]["kept"] == 100
    train = open_prepared(tmp_path / "out").train
    assert train.records["age"][0] == 90
    assert np.isnan(train.records["age"][1])


def test_a_patient_in_two_splits_is_refused(tiny_ptbxl: Callable[..., Path], tmp_path: Path) -> None:
    source = tiny_ptbxl(100, change=lambda rows: rows[0].update(strat_fold=10))
    with pytest.raises(DataError, match=r"1 patient\(s\) are in more than one split \(100\)"):
        prepare(source, tmp_path / "out", OFFICIAL)


def test_a_class_that_no_training_record_has_is_refused(tiny_ptbxl: Callable[..., Path], tmp_path: Path) -> None:
    def change(rows: list[Row]) -> None:
        for row in rows:
            row["scp_codes"] = row["scp_codes"].replace("LVH", "NDT")

    with pytest.raises(DataError, match="train has 80 records, none of class HYP: nothing can be learnt"):
        prepare(tiny_ptbxl(100, change=change), tmp_path / "out", OFFICIAL)


def test_a_class_that_every_validation_record_has_is_refused(tiny_ptbxl: Callable[..., Path], tmp_path: Path) -> None:
    def change(rows: list[Row]) -> None:
        for row in rows:
            row["scp_codes"] = row["scp_codes"].replace("{", "{'NORM': 0.0, ") if row["strat_fold"] == 9 else row["scp_codes"]

    with pytest.raises(DataError, match="validation has 10 records, all of class NORM"):
        prepare(tiny_ptbxl(100, change=change), tmp_path / "out", OFFICIAL)


def _a_rare_statement(rows: list[Row]) -> None:
    """Give two training records a statement that no validation record has; one has no other label."""
    rows[0]["scp_codes"] = "{'NORM': 100.0, 'SR': 0.0, 'QWAVE': 0.0}"
    rows[1]["scp_codes"] = "{'QWAVE': 100.0}"


def test_rare_classes_are_refused_or_dropped_with_the_records_that_have_no_other(tiny_ptbxl: Callable[..., Path], tmp_path: Path) -> None:
    source = tiny_ptbxl(100, change=_a_rare_statement)
    with pytest.raises(DataError, match=r"validation has 10 records, none of class QWAVE.*data prepare --rare-classes drop"):
        prepare(source, tmp_path / "out", DataConfig(split="official", labels="all"))
    manifest = prepare(source, tmp_path / "out", DataConfig(split="official", labels="all", rare_classes="drop"))
    assert manifest["class_names"] == ["NORM", "IMI", "NDT", "CLBBB", "LVH"]
    assert manifest["rare_classes"] == {"SR": "validation has 10 records, all", "QWAVE": "validation has 10 records, none"}
    assert manifest["exclusions"] == {"read": 100, "damaged": 0, "without statement": 1, "kept": 99}
    assert "without the rare classes QWAVE, SR" in manifest["label_rule"]["text"]
    assert [split.labels.shape[1] for split in _all_splits(tmp_path / "out")] == [5] * 3
    assert 2 not in open_prepared(tmp_path / "out").train.records["ecg_id"]


def test_one_record_is_named_as_one() -> None:
    labels = {"train": np.array([[1, 0]], np.uint8), "validation": np.eye(2, dtype=np.uint8)}
    with pytest.raises(DataError, match="train has 1 record, all of class A"):
        rare_classes(("A", "B"), labels, drop=False)


def test_a_level_of_which_every_class_is_rare_is_refused(tiny_ptbxl: Callable[..., Path], tmp_path: Path) -> None:
    config = DataConfig(split="official", labels="rhythm", rare_classes="drop")
    with pytest.raises(DataError, match="train has 80 records, all of class SR: nothing can be learnt"):
        prepare(tiny_ptbxl(100), tmp_path / "out", config)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("level", "kind", "column"),
    [
        ("superclass", "diagnostic", "diagnostic_class"),
        ("subclass", "diagnostic", "diagnostic_subclass"),
        ("diagnostic", "diagnostic", ""),
        ("form", "form", ""),
        ("rhythm", "rhythm", ""),
        ("all", None, ""),
    ],
)
def test_real_records_are_labelled_at_every_level_as_the_tables_say(
    ptbxl: Path, tmp_path: Path, level: str, kind: str | None, column: str
) -> None:
    manifest = prepare(ptbxl, tmp_path, DataConfig(split="official", labels=level, rare_classes="drop"))
    with (ptbxl / "scp_statements.csv").open(encoding="utf-8") as file:
        class_of = {row[""]: row[column] for row in csv.DictReader(file) if kind is None or row[kind] == "1.0"}
    with (ptbxl / "ptbxl_database.csv").open(encoding="utf-8") as file:
        codes = {int(row["ecg_id"]): ast.literal_eval(row["scp_codes"]) for row in csv.DictReader(file)}
    expected = {i: {class_of[code] for code in c if code in class_of} & set(manifest["class_names"]) for i, c in codes.items()}
    found = {
        int(i): {name for name, has in zip(manifest["class_names"], row, strict=True) if has}
        for split in _all_splits(tmp_path)
        for i, row in zip(split.records["ecg_id"], split.labels, strict=True)
    }
    assert found == {i: names for i, names in expected.items() if names}
    assert set(manifest["class_names"]) | set(manifest["rare_classes"]) == set(class_of.values())


def test_a_limit_reads_records_from_the_whole_table_and_the_manifest_says_so(tiny_ptbxl: Callable[..., Path], tmp_path: Path) -> None:
    manifest = prepare(tiny_ptbxl(200), tmp_path / "out", DataConfig(split="official", limit=100))
    assert manifest["limit"] == {"read": 100, "of": 200}
    assert manifest["exclusions"]["read"] == 100
    ids = np.concatenate([split.records["ecg_id"] for split in _all_splits(tmp_path / "out")])
    assert (ids.min(), ids.max(), len(set(ids))) == (1, 200, 100)
    assert open_prepared(tmp_path / "out").limited == "100 of 200 records"
    whole = prepare(tiny_ptbxl(200), tmp_path / "whole", DataConfig(split="official", limit=200))
    assert "limit" not in whole


def test_an_empty_test_split_is_possible(tiny_ptbxl: Callable[..., Path], tmp_path: Path) -> None:
    def change(rows: list[Row]) -> None:
        rows[:] = [row for row in rows if row["strat_fold"] != 10]

    assert prepare(tiny_ptbxl(100, change=change), tmp_path / "out", OFFICIAL)["counts"]["test"]["records"] == 0


def test_prepared_data_go_into_a_folder_of_their_own(tiny_ptbxl: Callable[..., Path]) -> None:
    source = tiny_ptbxl()
    with pytest.raises(DataError, match="holds PTB-XL itself"):
        prepare(source, source, OFFICIAL)
    with pytest.raises(DataError, match="is a file"):
        prepare(source, source / "scp_statements.csv", OFFICIAL)


def test_a_target_that_cannot_be_written_is_said_plainly(tiny_ptbxl: Callable[..., Path]) -> None:
    source = tiny_ptbxl()
    with pytest.raises(WorkFailedError, match=r"out can't be written \(Not a directory\)"):
        prepare(source, source / "scp_statements.csv" / "out", OFFICIAL)


def test_an_unknown_way_with_damage_is_refused(tiny_ptbxl: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown damaged 'ignore'"):
        prepare(tiny_ptbxl(10), tmp_path / "out", OFFICIAL, damaged="ignore")


def test_a_refusal_leaves_the_earlier_prepared_data_as_they_were(tiny_ptbxl: Callable[..., Path], tmp_path: Path) -> None:
    source, target = tiny_ptbxl(), tmp_path / "out"
    before = prepare(source, target, OFFICIAL)["fingerprint"]
    (source / f"{LR.format(3)}.dat").unlink()
    with pytest.raises(DamagedRecordError, match="1 of 100 records"):
        prepare(source, target, OFFICIAL)
    assert open_prepared(target).fingerprint == before
