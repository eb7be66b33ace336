"""PTB-XL tables and files as people have them, or as somebody made them up: each fault is one line, and nothing hangs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb

from ecg_tune.config import LEAD_NAMES
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.data.ptbxl.records import read_record
from tests.commands import ecg_tune

FIRST = "records100/00000/00001_lr"

CELLS = [
    ("scp_codes", "{'NORM': 1" + "0" * 400 + "}", "scp_codes"),
    ("scp_codes", "{'NORM': " + "-" * 3000 + "1}", "scp_codes"),
    ("scp_codes", "{'NORM': " + "-" * 200_000 + "1}", "scp_codes"),
    ("scp_codes", "{'NORM': " + "(" * 3000 + ")" * 3000 + "}", "scp_codes"),
    ("scp_codes", "{'NORM': 1e999}", "outside 0..100"),
    ("scp_codes", "{'NORM': float('nan')}", "scp_codes"),
    ("scp_codes", "[" * 3000, "scp_codes"),
    ("scp_codes", "__import__('os').system('true')", "scp_codes"),
    ("ecg_id", "1e30", "is not a whole number"),
    ("ecg_id", "99999999999999999999", "of at most 63 bits"),
    ("ecg_id", "9" * 5000, "is not a whole number"),
    ("ecg_id", "-3", "is not a whole number"),
    ("ecg_id", "0", "is not a number >= 1"),
    ("ecg_id", "1.5", "is not a whole number"),
    ("ecg_id", "٣", "is not a whole number"),
    ("ecg_id", "", "is not a whole number"),
    ("patient_id", "1e300", "is not a whole number"),
    ("patient_id", "9223372036854775808", "of at most 63 bits"),
    ("patient_id", "nan", "is not a whole number"),
    ("strat_fold", "11", "in 1..10"),
    ("sex", "2", "in 0..1"),
    ("age", "inf", "in 0..300"),
    ("filename_lr", "/etc/passwd", "does not name a record in this folder"),
    ("filename_lr", "../elsewhere/00002_lr", "does not name a record in this folder"),
    ("filename_lr", "records100/../../x", "does not name a record in this folder"),
    ("filename_lr", "~/x", "does not name a record in this folder"),
    ("filename_lr", "records100\\..\\x", "does not name a record in this folder"),
    ("filename_lr", "records100/\nx", "does not name a record in this folder"),
    ("filename_lr", "records100/\x1b[31mx", "does not name a record in this folder"),
    ("filename_lr", "x" * 5000, "does not name a record in this folder"),
    ("filename_lr", "records100/00000/00002_lr", "is named by ecg_id"),
    ("filename_lr", "Records100/00000/00002_LR", "is named by ecg_id"),
]


@pytest.mark.parametrize(("column", "value", "message"), CELLS, ids=[f"{column} {value[:30]!r}" for column, value, _ in CELLS])
def test_a_cell_that_no_table_has_is_one_line(column, value, message, tiny_ptbxl, tmp_path):
    def change(rows: list[Any]) -> None:
        rows[0][column] = value

    folder = tiny_ptbxl(change=change)
    (folder / "SHA256SUMS.txt").unlink()
    refused(folder, tmp_path, message)


def refused(folder: Path, tmp_path: Path, message: str) -> None:
    said = ecg_tune("data", "prepare", folder, tmp_path / "out")
    assert said.code == 2, said.err
    assert message in said.err
    assert said.err.startswith("ecg-tune: ")
    assert said.err.count("\n") == 1
    assert len(said.err) < 640
    assert not (tmp_path / "out").exists()


def test_pseudonyms_of_63_bits_stay_different(tiny_ptbxl, tmp_path):
    def change(rows: list[Any]) -> None:
        for row in rows:
            row["patient_id"] = str(2**62 + int(float(row["patient_id"])))

    assert ecg_tune("data", "prepare", tiny_ptbxl(change=change), tmp_path / "out").code == 0
    data = open_prepared(tmp_path / "out")
    assert len(np.unique(data.train.records["patient_id"])) == len({int(number) for number in data.train.records["patient_id"]}) > 1


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def text(old: str, new: str) -> Any:
    return lambda path: path.write_text(path.read_text().replace(old, new))


FILES = [
    (f"{FIRST}.dat", pipe, "00001_lr.dat in"),
    (f"{FIRST}.hea", pipe, "00001_lr.hea in"),
    (f"{FIRST}.hea", text("1000.0(0)/mV", "0(0)/mV"), "states no gain for signal 1"),
    (f"{FIRST}.hea", text("00001_lr.dat", "../00002_lr.dat"), "names another record's file"),
    (f"{FIRST}.hea", lambda path: path.write_bytes(b"\xff\xfe\x00"), "its first line is"),
    ("SHA256SUMS.txt", lambda path: path.write_bytes(b""), "is empty"),
    ("SHA256SUMS.txt", lambda path: path.write_bytes(b"\xff\xfe"), "is empty"),
    ("SHA256SUMS.txt", lambda path: path.write_bytes(b"\x00" * 100), "is not a listing"),
    ("SHA256SUMS.txt", pipe, "is no file"),
    ("ptbxl_database.csv", text("ecg_id,patient_id", "ecg_id,ecg_id"), "two columns 'ecg_id'"),
    ("ptbxl_database.csv", pipe, "is missing"),
    ("ptbxl_database.csv", lambda path: path.write_bytes(path.read_bytes().replace(b"\n", b"\n\x00", 3)), "ptbxl_database.csv"),
]


@pytest.mark.parametrize(("name", "change", "message"), FILES, ids=[f"{name}: {message}" for name, _, message in FILES])
def test_a_file_that_is_none_or_says_something_else_is_one_line(name, change, message, tiny_ptbxl, tmp_path):
    folder = tiny_ptbxl()
    if name != "SHA256SUMS.txt":
        (folder / "SHA256SUMS.txt").unlink()
    change(folder / name)
    refused(folder, tmp_path, message)


def test_a_listing_that_windows_wrote_is_read(tiny_ptbxl, tmp_path):
    folder = tiny_ptbxl()
    listing = folder / "SHA256SUMS.txt"
    listing.write_bytes((listing.read_text() + f"{'0' * 64}  Überblick.txt\r\n").encode("utf-16"))
    said = ecg_tune("data", "prepare", folder, tmp_path / "out")
    assert said.code == 0, said.err
    assert "200 of 200 record files listed and verified" in said.out


def test_a_record_of_several_files_is_read(tmp_path):
    digital = np.random.default_rng(0).integers(-2000, 2000, size=(1000, 12))
    wfdb.wrsamp(
        "00001_lr", fs=100, units=["mV"] * 12, sig_name=list(LEAD_NAMES), d_signal=digital, fmt=["516"] * 12, adc_gain=[1000.0] * 12,
        baseline=[0] * 12, write_dir=str(tmp_path),
    )  # fmt: skip
    assert (read_record(tmp_path, "00001_lr", sampling_rate_hz=100) == digital).all()
