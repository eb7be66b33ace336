"""Recordings that are not PTB-XL's: listed in a table, or with SNOMED codes in their headers."""

from __future__ import annotations

import csv
import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecg_tune.cli.main import run
from ecg_tune.config import LEAD_NAMES, DataConfig
from ecg_tune.data.prepared.dataset import PreparedData, Split, open_prepared, open_test
from ecg_tune.data.sources.cinc_headers import read_headers, read_mapping
from ecg_tune.data.sources.prepare import prepare_recordings
from ecg_tune.data.sources.record_list import read_record_table
from ecg_tune.errors import ConfigError, DamagedRecordError, DataError

N = 120
SNOMED = {"sinus": "426783006", "af": "164889003"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 120 WFDB records of 110 patients: 500 Hz, 12 s, twelve leads in another order, with CinC's comments."""
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    for number in range(N):
        time_s = np.arange(6000) / 500
        signal = np.sin(2 * np.pi * (1 + number % 3) * time_s)[:, None] * np.linspace(0.2, 1, 12) + rng.normal(0, 0.02, (6000, 12))
        codes = ",".join([SNOMED["af" if number % 3 else "sinus"], *(["10370003"] if number % 5 == 0 else [])])
        wfdb.wrsamp(
            f"r{number:03d}",
            fs=500,
            units=["mV"] * 12,
            sig_name=[*LEAD_NAMES[6:], *LEAD_NAMES[:6]],
            p_signal=signal,
            fmt=["16"] * 12,
            comments=[f"Age: {20 + number}", f"Sex: {'Male' if number % 2 else 'Female'}", f"Dx: {codes}"],
            write_dir=str(folder),
        )
    return folder


def patient_of(number: int) -> int:
    """Give the first twenty records to ten patients, each other record to one of its own."""
    return number // 2 if number < 20 else number


def write_table(path: Path, change: Callable[[list[dict[str, str]]], object] = lambda rows: None) -> Path:
    rows = []
    for n in range(N):
        labels = {"AF": str(n % 2), "fast rate": str(n // 2 % 2)}
        rows.append({"record": f"r{n:03d}", "patient_id": f"P{patient_of(n)}", **labels, "age": "", "sex": "female"})
    change(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def all_splits(data: PreparedData) -> list[Split]:
    return [data.train, data.validation, open_test(data, "check")]


def test_ptbxls_mark_for_an_age_over_89_is_read_as_in_its_own_tables(tmp_path: Path):
    table = read_record_table(
        write_table(
            tmp_path / "ages.csv", lambda rows: [row.update(age=age) for row, age in zip(rows[:3], ("300.0", "89", ""), strict=True)]
        )
    )
    np.testing.assert_array_equal(table.age[:3], [300, 89, np.nan])
    with pytest.raises(DataError, match="age is '299', not a number of 0 to 130"):
        read_record_table(write_table(tmp_path / "ages.csv", lambda rows: rows[0].update(age="299")))


@pytest.mark.parametrize("name", ["Jos\u00e9", "Bj\u00f6rn", "\uac00"], ids=ascii)
def test_a_patient_or_class_in_composed_and_decomposed_letters_is_one(tmp_path: Path, name: str):
    other = unicodedata.normalize("NFD", name)
    assert other != name

    def two_spellings(rows: list[dict[str, str]]) -> None:
        rows[0]["patient_id"], rows[1]["patient_id"] = name, other

    patients = read_record_table(write_table(tmp_path / "patients.csv", two_spellings)).patients
    assert patients[0] == patients[1] == name

    def two_classes(rows: list[dict[str, str]]) -> None:
        for row in rows:
            row |= {name: "0", other: "1"}

    with pytest.raises(DataError, match="there twice"):
        read_record_table(write_table(tmp_path / "classes.csv", two_classes))


def test_recordings_of_a_table_are_read_resampled_and_divided_by_patient(folder, tmp_path):
    table = read_record_table(write_table(tmp_path / "records.csv"))
    manifest = prepare_recordings(folder, tmp_path / "data", table, DataConfig(leads=("II", "V1")))
    data = open_prepared(tmp_path / "data")
    splits = all_splits(data)
    assert (data.class_names, data.leads, data.n_samples) == (("AF", "fast rate"), ("II", "V1"), 1000)
    assert sum(map(len, splits)) == manifest["exclusions"]["kept"] == N  # a quarter of the records has no class: they are negatives
    patients = [set(split.records["patient_id"]) for split in splits]
    assert not (patients[0] & patients[1] | patients[0] & patients[2] | patients[1] & patients[2])
    assert manifest["adapted"] == {"used the first 10 s of 12 s": N, "resampled from 500 to 100 Hz": N}
    row = data.train.records["ecg_id"][0] - 1
    signal = wfdb.rdrecord(str(folder / f"r{row:03d}")).p_signal[:5000:5]
    for column, lead in enumerate(data.leads):
        own = [*LEAD_NAMES[6:], *LEAD_NAMES[:6]].index(lead)
        difference = data.train.signals_uv[0][50:-50, column] / 1000 - signal[50:-50, own]
        assert np.abs(difference).max() < 0.1  # noise above 50 Hz is gone


def test_recordings_of_a_synthetic_folder_stay_synthetic(folder, tmp_path):
    (tmp_path / "raw").mkdir()
    shutil.copytree(folder, tmp_path / "raw" / "records500")
    (tmp_path / "raw" / "SYNTHETIC.txt").write_text("made up\n")
    records = read_record_table(write_table(tmp_path / "table.csv"))
    prepare_recordings(tmp_path / "raw" / "records500", tmp_path / "data", records, DataConfig())
    assert open_prepared(tmp_path / "data").manifest["synthetic"] is True


def test_a_columns_splits_are_kept(folder, tmp_path):
    names = ["train"] * 80 + ["val"] * 20 + ["test"] * 20
    path = write_table(tmp_path / "records.csv", lambda rows: [row.update(split=name) for row, name in zip(rows, names, strict=True)])
    manifest = prepare_recordings(folder, tmp_path / "data", read_record_table(path), DataConfig())
    assert manifest["split"] == "of the table"
    assert [set((split.records["ecg_id"] - 1) // 20) for split in all_splits(open_prepared(tmp_path / "data"))] == [{0, 1, 2, 3}, {4}, {5}]


def test_more_records_move_no_patient_to_another_split(folder, tmp_path):
    few = read_record_table(write_table(tmp_path / "few.csv", lambda rows: rows.__delitem__(slice(0, 31))))
    for name, table in (("few", few), ("all", read_record_table(write_table(tmp_path / "all.csv")))):
        prepare_recordings(folder, tmp_path / name, table, DataConfig(limit=None))
    origins = [
        {file: split.name for split in all_splits(open_prepared(tmp_path / name)) if split.origin for file in split.origin.files}
        for name in ("few", "all")
    ]
    assert origins[0].items() <= origins[1].items()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[3].update(AF="yes"), "line 5: column AF holds 'yes', and a label is 0 or 1"),
        (lambda rows: rows[3].update(AF=""), "line 5: column AF holds ''"),
        (lambda rows: rows[3].update(patient_id=""), "line 5: patient_id is empty"),
        (lambda rows: rows[3].update(record="r002"), "record 'r002' is there twice"),
        (lambda rows: rows[3].update(record="../r002"), r"line 5: record '../r002' is not a file below the folder"),
        (lambda rows: rows[3].update(record="/etc/passwd"), "line 5: record '/etc/passwd' is not a file below"),
        (lambda rows: rows[3].update(record=""), "line 5: record '' is not a file below"),
        (lambda rows: rows[3].update(record="./r002.hea"), r"record 'r002' is there twice"),
        (lambda rows: [row.update(records="1") for row in rows], "'records' can't name a class"),
        (lambda rows: [row.update(Sex="1") for row in rows], "write the column 'Sex' as 'sex'"),
        (lambda rows: [row.update({"AF ": "1"}) for row in rows], "column 'AF' of the first line is there twice"),
        (lambda rows: [row.update({"": "1"}) for row in rows], "column '' of the first line is without a name"),
        (lambda rows: rows[3].update(sex="x"), "line 5: sex is 'x', and must be male, female or empty"),
        (lambda rows: rows[3].update(age="999"), "line 5: age is '999', not a number of 0 to 130: correct it, or leave it empty"),
        (lambda rows: rows[3].update(age="old"), "line 5: age is 'old', not a number"),
        (lambda rows: [row.update(split="dev") for row in rows], "line 2: split is 'dev', and must be train, validation or test"),
        (lambda rows: [row.pop("patient_id") for row in rows], "lacks the column patient_id"),
        (lambda rows: [(row.pop("AF"), row.pop("fast rate")) for row in rows], "has no column of labels"),
        (lambda rows: [row.update({"a,b": "1"}) for row in rows], "'a,b' can't name a class"),
    ],
)  # fmt: skip
def test_a_table_that_can_not_be_meant_is_refused_by_line_and_remedy(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        read_record_table(write_table(tmp_path / "records.csv", change))


def test_line_numbers_count_blank_lines_and_cells_over_several_lines(tmp_path):
    path = tmp_path / "records.csv"
    path.write_text('record,patient_id,AF\n\nr0,"P\n0",1\n\n\nr1,P1,0\nr2,P2,2\n', encoding="utf-8")
    with pytest.raises(DataError, match="line 8: column AF holds '2'"):
        read_record_table(path)
    path.write_text("\nrecord,patient_id,AF\n\nr0,P0,1\n/r1,P1,0\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 5: record '/r1' is not a file below"):
        read_record_table(path)


@pytest.mark.parametrize(("line", "cells"), [("r1,P1,0", 3), ("r1,P1,0,50", 4), ("r1", 1), ("r1,P1,0,50,male,1", 6), ("  ", 1)])
def test_a_line_with_more_or_fewer_cells_than_the_first_is_refused(tmp_path, line, cells):
    path = tmp_path / "records.csv"
    path.write_text(f"record,patient_id,AF,age,sex\nr0,P0,1,,\n\n{line}\nr2,P2,0,60,female\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"line 4 has {cells} cells \(the first line has 5\): correct it"):
        read_record_table(path)


def test_a_table_from_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "records.csv")
    for path in (tmp_path / "records.csv", tmp_path):
        for read in (read_record_table, read_mapping):
            with pytest.raises(DataError, match="is a folder, a pipe or a device: name a CSV file"):
                read(path)


@pytest.mark.parametrize("link", ["r003.hea", "r003.dat", "sub"])
def test_recordings_behind_a_link_out_of_the_folder_are_refused(folder, tmp_path, link):
    copied = Path(shutil.copytree(folder, tmp_path / "copied"))
    if link == "sub":
        (copied / link).symlink_to(folder)
        table = write_table(tmp_path / "r.csv", lambda rows: rows[3].update(record="sub/r003"))
    else:
        (copied / link).unlink()
        (copied / link).symlink_to(folder / link)
        table = write_table(tmp_path / "r.csv")
    with pytest.raises(DataError, match=f"{link}.* is a link out of {copied}, to {folder}"):
        prepare_recordings(copied, tmp_path / "data", read_record_table(table), DataConfig())
    assert not (tmp_path / "data").exists()


def test_a_link_inside_the_folder_is_followed(folder, tmp_path):
    copied = Path(shutil.copytree(folder, tmp_path / "copied"))
    (copied / "r003.dat").rename(copied / "other.dat")
    (copied / "r003.dat").symlink_to("other.dat")
    assert prepare_recordings(copied, tmp_path / "data", read_record_table(write_table(tmp_path / "r.csv")), DataConfig())


@pytest.mark.parametrize(
    "content", [b"", b"record,patient_id,A\n", b"record,patient_id,A\nx,y\n", b"\xff\xfe\x00", b"record,patient_id,A\nx,y,1,2\n"]
)
def test_what_is_no_table_is_refused(tmp_path, content):
    (tmp_path / "records.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"records\.csv"):
        read_record_table(tmp_path / "records.csv")


def test_a_patient_in_two_splits_is_refused(folder, tmp_path):
    path = write_table(tmp_path / "r.csv", lambda rows: [row.update(split="test" if n % 2 else "train") for n, row in enumerate(rows)])
    with pytest.raises(DataError, match="patient 'P0' is in train and test"):
        prepare_recordings(folder, tmp_path / "data", read_record_table(path), DataConfig())


def test_one_recording_under_two_names_in_two_splits_is_refused(folder, tmp_path):
    copied = Path(shutil.copytree(folder, tmp_path / "copied"))
    for suffix in (".hea", ".dat"):
        shutil.copy(copied / f"r001{suffix}", copied / f"copy{suffix}")
    (copied / "copy.hea").write_text((copied / "copy.hea").read_text().replace("r001", "copy"))

    def change(rows: list[dict[str, str]]) -> None:
        rows[1]["patient_id"], rows[119] = "P1", {**rows[119], "record": "copy"}
        for n, row in enumerate(rows):
            row |= {"patient_id": f"P{n}", "split": ("train", "validation", "test")[min(n // 50, 2)]}

    table = read_record_table(write_table(tmp_path / "records.csv", change))
    with pytest.raises(DataError, match="1 test records are also in train"):
        prepare_recordings(copied, tmp_path / "data", table, DataConfig())


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / "r007.dat").unlink(), "1 of 120 recordings can't be used, the first is r007"),
        (lambda folder: (folder / "r007.hea").write_text("nonsense"), "the first is r007"),
        (lambda folder: (folder / "r007.dat").write_bytes((folder / "r007.dat").read_bytes()[:-600]), "the first is r007"),
        (
            lambda folder: (folder / "r007.hea").write_text((folder / "r007.hea").read_text().replace("V2", "XX")),
            "lacks V2",
        ),
    ],
)
def test_damaged_recordings_are_refused_by_name_or_dropped_and_counted(folder, tmp_path, harm, message):
    harmed = Path(shutil.copytree(folder, tmp_path / "harmed"))
    harm(harmed)
    table = read_record_table(write_table(tmp_path / "records.csv"))
    with pytest.raises(DamagedRecordError, match=message):
        prepare_recordings(harmed, tmp_path / "data", table, DataConfig())
    assert not (tmp_path / "data").exists()
    manifest = prepare_recordings(harmed, tmp_path / "data", table, DataConfig(), damaged="drop")
    assert (manifest["exclusions"]["damaged"], list(manifest["damaged"])) == (1, ["r007"])


@pytest.mark.parametrize("config", [DataConfig(split="official"), DataConfig(labels="all"), DataConfig(min_likelihood=50)])
def test_a_setting_of_ptbxl_is_refused(folder, tmp_path, config):
    with pytest.raises(ConfigError, match="is for PTB-XL alone"):
        prepare_recordings(folder, tmp_path / "data", read_record_table(write_table(tmp_path / "records.csv")), config)


def test_snomed_codes_of_headers_become_classes(folder, tmp_path, capsys):
    (tmp_path / "map.csv").write_text("code,class\n426783006,normal\n164889003,AF\n")
    assert run(["data", "prepare", str(folder), str(tmp_path / "data"), "--mapping", str(tmp_path / "map.csv"), "--leads", "all"]) == 0
    assert "1 codes that" in (out := capsys.readouterr().out)
    assert "10370003 (24)" in out
    data = open_prepared(tmp_path / "data")
    assert data.class_names == ("normal", "AF")
    assert not data.patients_known
    assert data.manifest["exclusions"]["without a label"] == 0
    assert data.manifest["label_rule"]["text"].startswith("the SNOMED CT codes of the headers, by the mapping to classes; ")
    assert data.train.labels.sum(axis=1).tolist() == [1] * len(data.train)
    number = int(data.train.records["ecg_id"][0]) - 1
    assert (data.train.records["age"][0], data.train.records["sex"][0]) == (20 + number, 1 - number % 2)
    assert data.train.labels[0].tolist() == ([0, 1] if number % 3 else [1, 0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("code,klass\n1,a\n", "no table with the columns code and class"),
        ("code,class\n", "holds no line"),
        ("code,class\n1,a\n1,b\n", "a code twice"),
    ],
)
def test_a_mapping_that_is_none_is_refused(tmp_path, text, message):
    (tmp_path / "map.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_mapping(tmp_path / "map.csv")


def test_headers_without_diagnoses_are_refused(folder, tmp_path):
    with pytest.raises(DataError, match=r"holds no WFDB header"):
        read_headers(tmp_path, {"1": "a"})
    (tmp_path / "a.hea").write_text((folder / "r000.hea").read_text().replace("Dx", "Rx"))
    with pytest.raises(DataError, match=r"no header .* has a line `# Dx"):
        read_headers(tmp_path, {"1": "a"})


def test_a_table_and_a_mapping_are_not_given_together(tmp_path, capsys):
    assert run(["data", "prepare", str(tmp_path), str(tmp_path / "data"), "--table", "a.csv", "--mapping", "b.csv"]) == 2
    assert "give one of them" in capsys.readouterr().err


@pytest.mark.slow
def test_a_download_of_500_hz_serves_100_hz_as_the_publishers_files_do(ptbxl, tmp_path):
    """The two sets of real files agree within a few microvolts, whichever was read."""
    ids = {int(path.stem[:5]) for path in (ptbxl / "records500").rglob("*.dat")}
    for name in ("both", "only"):
        (tmp_path / name).mkdir()
        shutil.copy(ptbxl / "scp_statements.csv", tmp_path / name)
        with (ptbxl / "ptbxl_database.csv").open(encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = [row for row in reader if int(row["ecg_id"]) in ids]
        for number, row in enumerate(rows):
            row |= {"patient_id": str(number), "strat_fold": str(1 + number % 10)}
        with (tmp_path / name / "ptbxl_database.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        (tmp_path / name / "records500").symlink_to(ptbxl / "records500")
    (tmp_path / "both" / "records100").symlink_to(ptbxl / "records100")
    for name in ("both", "only"):
        assert run(["data", "prepare", str(tmp_path / name), str(tmp_path / f"{name}_data"), "--rare-classes", "drop"]) == 0
    both, only = (open_prepared(tmp_path / f"{name}_data") for name in ("both", "only"))
    assert only.manifest["resampled_from_hz"] == 500
    assert "resampled_from_hz" not in both.manifest
    np.testing.assert_array_equal(both.train.labels, only.train.labels)
    difference_uv = both.train.signals_uv.astype(float) - only.train.signals_uv
    assert np.sqrt(np.square(difference_uv[:, 50:-50]).mean()) < 1


def test_files_that_do_not_say_what_they_hold_are_refused_with_the_way_for_arrays(folder, tmp_path):
    table = read_record_table(write_table(tmp_path / "records.csv", lambda rows: rows[0].update(record="r000.csv")))
    with pytest.raises(DamagedRecordError, match=r"r000\.csv does not say its units or rate: give WFDB or EDF files, or arrays"):
        prepare_recordings(folder, tmp_path / "data", table, DataConfig())
