"""The tables of a PTB-XL folder: read when they are right, refused by row and remedy when they are not."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecg_tune.data.ptbxl.labels import label_set, multi_hot
from ecg_tune.data.ptbxl.tables import read_ptbxl
from ecg_tune.errors import DataError

Row = dict[str, Any]
PER_FOLD = {  # fold: records, with a superclass, NORM, MI, STTC, CD, HYP (shared/ptbxl/README.md)
    1: (258, 254, 122, 51, 66, 51, 32),
    2: (306, 299, 153, 74, 57, 56, 40),
    3: (305, 298, 153, 60, 69, 62, 34),
    4: (266, 265, 128, 62, 69, 49, 29),
    5: (306, 301, 154, 62, 76, 57, 32),
    6: (281, 274, 132, 65, 67, 52, 38),
    7: (287, 281, 141, 63, 62, 66, 26),
    8: (313, 307, 140, 79, 75, 64, 40),
    9: (330, 320, 156, 68, 75, 74, 35),
    10: (328, 321, 150, 79, 84, 69, 38),
}


def test_the_real_slice_has_the_documented_counts_in_every_fold(ptbxl: Path) -> None:
    table = read_ptbxl(ptbxl)
    labels = multi_hot(table.scp_codes, label_set("superclass", table.statements))
    found = {}
    for fold in np.unique(table.fold).tolist():
        of_fold = labels[table.fold == fold]
        found[fold] = (len(of_fold), int(of_fold.any(axis=1).sum()), *of_fold.sum(axis=0, dtype=int).tolist())
    assert found == PER_FOLD
    assert (len(table), int(labels.any(axis=1).sum())) == (2980, 2920)


def test_the_real_slice_has_44_diagnostic_statements_and_says_it_is_a_part(ptbxl: Path) -> None:
    table = read_ptbxl(ptbxl)
    assert Counter(label_set("superclass", table.statements).class_of.values()) == {"NORM": 1, "MI": 14, "STTC": 13, "CD": 11, "HYP": 5}
    assert table.version == "a part of 2980 records"
    assert not table.synthetic


@pytest.mark.parametrize(
    ("level", "n_classes"), [("superclass", 5), ("subclass", 23), ("diagnostic", 44), ("form", 19), ("rhythm", 12), ("all", 71)]
)
def test_the_real_table_has_the_published_number_of_classes_at_every_level(ptbxl: Path, level: str, n_classes: int) -> None:
    assert len(label_set(level, read_ptbxl(ptbxl).statements).class_names) == n_classes


def test_columns_are_cleaned_and_sorted_by_ecg_id(tiny_ptbxl: Callable[..., Path]) -> None:
    def change(rows: list[Row]) -> None:
        rows.reverse()
        rows[0] |= {"age": "300.0", "sex": "", "site": "", "device": "", "pacemaker": "ja, pacemaker"}

    table = read_ptbxl(tiny_ptbxl(20, change=change))
    assert table.ecg_id.tolist() == list(range(1, 21))
    assert table.filenames[100][4] == "records100/00000/00005_lr"
    assert (table.age[-1], table.sex[-1], table.site[-1], table.device[-1]) == (300, -1, -1, "unknown")
    assert table.device[0] == "CS-12 E"
    assert table.notes["pacemaker"].tolist() == [False] * 19 + [True]
    assert table.scp_codes[0] == {"IMI": 100.0, "SR": 0.0}


MARKS = {
    "beside its table": lambda folder: (folder / "SYNTHETIC.txt").write_text("made up\n"),
    "in the folder around it": lambda folder: (folder.parent / "SYNTHETIC.txt").write_text("made up\n"),
    "a pipe": lambda folder: os.mkfifo(folder / "SYNTHETIC.txt"),
    "a link to nothing": lambda folder: (folder / "SYNTHETIC.txt").symlink_to("gone"),
    "only listed, and gone": lambda folder: (folder / "SHA256SUMS.txt").write_text(f"{'0' * 64}  SYNTHETIC.txt\n"),
}


@pytest.mark.parametrize("mark", MARKS)
def test_a_folder_marked_synthetic_says_so(mark: str, tiny_ptbxl: Callable[..., Path]) -> None:
    folder = tiny_ptbxl(10)
    MARKS[mark](folder)
    assert read_ptbxl(folder).synthetic


def test_a_missing_folder_is_refused_with_the_commands_that_make_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder .*data download"):
        read_ptbxl(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["ptbxl_database.csv", "scp_statements.csv"])
def test_a_missing_or_empty_table_is_refused(tiny_ptbxl: Callable[..., Path], name: str) -> None:
    folder = tiny_ptbxl(10)
    (folder / name).write_text("")
    with pytest.raises(DataError, match=f"{name} can't be read as a table"):
        read_ptbxl(folder)
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"{name} is missing: .*data download .*--table FILE or --mapping FILE"):
        read_ptbxl(folder)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_table_saved_by_a_spreadsheet_with_other_separators_is_refused(tiny_ptbxl: Callable[..., Path], separator: str) -> None:
    folder = tiny_ptbxl(10)
    path = folder / "ptbxl_database.csv"
    path.write_text(path.read_text().replace(",", separator))
    with pytest.raises(DataError, match="not separated by commas, so a spreadsheet saved it again: fetch the file again"):
        read_ptbxl(folder)


def test_a_table_in_another_encoding_is_refused(tiny_ptbxl: Callable[..., Path]) -> None:
    folder = tiny_ptbxl(10, change=lambda rows: rows[0].update(report="Überleitung"))
    path = folder / "ptbxl_database.csv"
    path.write_bytes(path.read_text(encoding="utf-8").encode("cp1252"))
    with pytest.raises(DataError, match="can't be read as a table"):
        read_ptbxl(folder)


def test_missing_columns_are_named(tiny_ptbxl: Callable[..., Path]) -> None:
    folder = tiny_ptbxl(10)
    path = folder / "ptbxl_database.csv"
    path.write_text(path.read_text().replace("strat_fold", "fold").replace("scp_codes", "codes"))
    with pytest.raises(DataError, match="lacks the columns scp_codes, strat_fold"):
        read_ptbxl(folder)


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("scp_codes", "100.0", r"row 4 \(ecg_id 4\): scp_codes '100.0' is not a list of statements"),
        ("scp_codes", "{'NORM': 100,0}", "scp_codes .* is not a list of statements"),
        ("scp_codes", "{'NORM': 1_00.0}", "scp_codes .* is not a list of statements"),
        ("scp_codes", "{\u2018NORM\u2019: 100.0}", "scp_codes .* is not a list of statements"),
        ("scp_codes", "{'NORM': 1000.0}", "holds a likelihood outside"),
        ("scp_codes", "{'NROM': 100.0}", "ecg_id 4 has the statement 'NROM', which scp_statements.csv does not list"),
        ("patient_id", "15709,0", r"row 4 \(ecg_id 4\): patient_id '15709,0' is not a whole number"),
        ("patient_id", "", "patient_id '' is not a whole number"),
        ("patient_id", "1.5", "patient_id '1.5' is not a whole number"),
        ("age", "56.0 years", "age '56.0 years' is not a number"),
        ("age", "-3", "age '-3' is not a number in 0..300"),
        ("sex", "2", "sex '2' is not a number in 0..1"),
        ("strat_fold", "11", "strat_fold '11' is not a number in 1..10"),
        ("ecg_id", "3", "ecg_id 3 stands in several rows"),
        ("ecg_id", "4.00E+00x", "ecg_id '4.00E"),
    ],
)
def test_a_garbled_cell_is_refused_by_row_and_value(tiny_ptbxl: Callable[..., Path], column: str, value: str, problem: str) -> None:
    folder = tiny_ptbxl(10, change=lambda rows: rows[3].update({column: value}))
    with pytest.raises(DataError, match=problem) as refusal:
        read_ptbxl(folder)
    assert "\n" not in str(refusal.value)
    assert "fetch" in str(refusal.value)


def test_a_table_cut_in_the_middle_of_a_row_is_refused(tiny_ptbxl: Callable[..., Path]) -> None:
    folder = tiny_ptbxl(10)
    path = folder / "ptbxl_database.csv"
    path.write_text(path.read_text()[:-200])
    with pytest.raises(DataError, match=r"can't be read as a table|another number of cells"):
        read_ptbxl(folder)


def test_rows_with_a_cell_too_many_are_refused(tiny_ptbxl: Callable[..., Path]) -> None:
    folder = tiny_ptbxl(10)
    path = folder / "ptbxl_database.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *(f"0,{row}" for row in rows)]) + "\n")
    with pytest.raises(DataError, match="another number of cells"):
        read_ptbxl(folder)


def test_a_changed_table_is_refused_when_its_hash_is_listed(tiny_ptbxl: Callable[..., Path]) -> None:
    folder = tiny_ptbxl(10)
    path = folder / "ptbxl_database.csv"
    path.write_text(path.read_text().replace("CS-12   E", "CS-12 E"))
    with pytest.raises(DataError, match=r"ptbxl_database\.csv was changed .*remove its line from SHA256SUMS\.txt"):
        read_ptbxl(folder)
    (folder / "SHA256SUMS.txt").unlink()
    assert len(read_ptbxl(folder)) == 10


@pytest.mark.parametrize("text", [b"<html>404</html>", b"0" * 64, b"g" * 64 + b" a", b"\xff\x00", b"%b a\n%b a" % (b"0" * 64, b"1" * 64)])
def test_a_listing_that_is_none_is_refused(text: bytes, tiny_ptbxl: Callable[..., Path]) -> None:
    folder = tiny_ptbxl(10)
    (folder / "SHA256SUMS.txt").write_bytes(text)
    with pytest.raises(DataError, match=r"is not a listing of SHA-256 sums.* fetch it again, or remove it"):
        read_ptbxl(folder)


def test_an_unknown_superclass_is_refused(tiny_ptbxl: Callable[..., Path]) -> None:
    folder = tiny_ptbxl(10)
    path = folder / "scp_statements.csv"
    path.write_text(path.read_text().replace("STTC", "ST/T"))
    with pytest.raises(DataError, match="statement NDT has the unknown diagnostic_class 'ST/T'"):
        read_ptbxl(folder)
