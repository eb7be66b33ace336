"""Tables of one's own: what their zeros mean, and how their cells are separated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecg_tune.config import LEAD_NAMES, DataConfig
from ecg_tune.data.exchange.reader import import_tree
from ecg_tune.data.exchange.writer import export_tree
from ecg_tune.data.prepared.dataset import open_prepared, open_test
from ecg_tune.data.prepared.describe import describe, describe_text
from ecg_tune.data.sources.cinc_headers import read_headers, read_mapping
from ecg_tune.data.sources.prepare import prepare_recordings
from ecg_tune.data.sources.record_list import read_record_table
from ecg_tune.errors import DataError

N = 60
TWO_LEADS = DataConfig(leads=("I", "II"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 60 WFDB records at 100 Hz; every third has the code of AF in its header, the others one that nobody maps."""
    folder, rng = tmp_path_factory.mktemp("own"), np.random.default_rng(0)
    for number in range(N):
        signal = np.sin(np.arange(1000) / 20)[:, None] + rng.normal(0, 0.1, (1000, 12))
        comments = [f"Dx: {164889003 if number % 3 == 0 else 426783006}"]
        wfdb.wrsamp(f"r{number:02d}", 100, ["mV"] * 12, list(LEAD_NAMES), signal, fmt=["16"] * 12, comments=comments, write_dir=str(folder))
    return folder


def table(path: Path, has: Callable[[int], bool] = lambda n: n % 3 == 0, *, mark: str = ",", rare: bool = False) -> Path:
    """Write a table of the class AF; the first 40 records are for training, ten each for validation and test."""
    lines = [f"record,patient_id,split,AF,age{',rare' * rare}"]
    for n in range(N):
        split = ("train", "train", "train", "train", "validation", "test")[n // 10]
        lines.append(f"r{n:02d},P{n},{split},{has(n):d},{100 if n < 2 else 50}{f',{n == 0:d}' * rare}")
    path.write_text("\n".join(lines).replace(",", mark) + "\n", encoding="utf-8")
    return path


def counts(folder: Path) -> list[tuple[int, int]]:
    data = open_prepared(folder)
    return [(len(split), int(split.labels.sum())) for split in (data.train, data.validation, open_test(data, "check"))]


def test_records_of_no_class_are_kept_as_negatives(folder: Path, tmp_path: Path) -> None:
    manifest = prepare_recordings(folder, tmp_path / "data", read_record_table(table(tmp_path / "t.csv")), TWO_LEADS)
    assert manifest["class_names"] == ["AF"]
    assert manifest["exclusions"] == {"read": N, "damaged": 0, "kept": N}
    assert counts(tmp_path / "data") == [(40, 14), (10, 3), (10, 3)]
    assert manifest["label_rule"]["text"] == "the columns of t.csv; records without any are kept: they have none of the classes"
    assert "min_likelihood" not in describe_text(describe(tmp_path / "data"))


def test_records_that_have_a_dropped_class_alone_stay(folder: Path, tmp_path: Path) -> None:
    records = read_record_table(table(tmp_path / "t.csv", lambda n: n % 3 == 1, rare=True))
    manifest = prepare_recordings(folder, tmp_path / "data", records, DataConfig(leads=("I",), rare_classes="drop"))
    assert manifest["rare_classes"] == {"rare": "validation has 10 records, none"}
    assert manifest["exclusions"]["kept"] == N


@pytest.mark.parametrize("rare_classes", ["refuse", "drop"])
@pytest.mark.parametrize(
    ("has", "message"),
    [
        (lambda n: True, "train has 40 records, all of class AF"),
        (lambda n: False, "train has 40 records, none of class AF"),
        (lambda n: n < 20, "validation has 10 records, none of class AF"),
        (lambda n: n > 20, "validation has 10 records, all of class AF"),
    ],
)
def test_a_class_that_all_records_have_or_none_is_refused(
    folder: Path, tmp_path: Path, has: Callable[[int], bool], message: str, rare_classes: str
) -> None:
    records = read_record_table(table(tmp_path / "t.csv", has))
    with pytest.raises(DataError, match=message):
        prepare_recordings(folder, tmp_path / "data", records, DataConfig(leads=("I",), rare_classes=rare_classes))


def test_headers_without_a_mapped_code_do_not_count_since_nothing_is_known_of_them(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text("code,class\n164889003,AF\n")
    records, _ = read_headers(folder, read_mapping(tmp_path / "map.csv"))
    with pytest.raises(DataError, match="records, all of class AF"):
        prepare_recordings(folder, tmp_path / "data", records, TWO_LEADS)


def test_one_class_is_exported_and_imported_with_its_negatives_and_flags(folder: Path, tmp_path: Path) -> None:
    prepare_recordings(folder, tmp_path / "data", read_record_table(table(tmp_path / "t.csv")), TWO_LEADS)
    export_tree(open_prepared(tmp_path / "data"), tmp_path / "tree", include_test=True, images=())
    import_tree(tmp_path / "tree", tmp_path / "again")
    assert counts(tmp_path / "again") == counts(tmp_path / "data")
    facts = describe(tmp_path / "again")
    assert facts["quality"] == describe(tmp_path / "data")["quality"]
    assert "Quality flags (kept records)\n  age_over_89  2" in describe_text(facts)


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_table_may_be_separated_by_semicolons_or_tabs(tmp_path: Path, mark: str) -> None:
    plain, other = (read_record_table(table(tmp_path / "t.csv", mark=each)) for each in (",", mark))
    assert (other.files, other.class_names) == (plain.files, ("AF",))
    np.testing.assert_array_equal(other.labels, plain.labels)
    (tmp_path / "map.csv").write_text(f"code{mark}class\n1{mark}a\n")
    assert read_mapping(tmp_path / "map.csv") == {"1": "a"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("record|patient_id|AF\na|b|1\n", "lacks the columns record and patient_id: .* separated by commas, semicolons or tabs"),
        ("record,patient,AF\na,b,1\n", "lacks the column patient_id: "),
        ("record,patient_id,AF,height\na,b,1,180\n", "column height holds '180', .* take the column out if it is no class"),
    ],
)
def test_columns_that_are_missing_or_too_many_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_record_table(tmp_path / "t.csv")
