"""What `data describe` says, and that it says so without opening the test split."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecg_tune.config import DataConfig
from ecg_tune.data.prepared.dataset import open_prepared, open_test
from ecg_tune.data.prepared.describe import describe, describe_text
from ecg_tune.data.ptbxl.prepare import prepare
from ecg_tune.errors import DataError

OFFICIAL = DataConfig(split="official")


def _no_superclass_in_the_first(rows: list[dict[str, Any]]) -> None:
    rows[0] |= {"scp_codes": "{'SR': 0.0}"}
    rows[1] |= {"pacemaker": "ja"}


@pytest.fixture
def folder(tiny_ptbxl: Callable[..., Path], tmp_path: Path) -> Path:
    prepare(tiny_ptbxl(change=_no_superclass_in_the_first), tmp_path / "data", OFFICIAL)
    return tmp_path / "data"


def test_the_facts_are_plain_data_with_counts_of_every_split(folder: Path) -> None:
    facts = describe(folder)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["counts"]["train"]["records"] == 79
    assert facts["counts"]["test"]["records"] == 10
    assert facts["exclusions"]["without superclass"] == 1
    assert facts["test_openings"] == []


def test_describing_opens_no_part_and_writes_no_ledger_line(folder: Path) -> None:
    for name in ("train", "validation", "test"):
        shutil.rmtree(folder / name)
    assert describe(folder)["counts"]["test"]["patients"] == 5
    assert not (folder / "test_ledger.jsonl").exists()


def test_the_page_shows_split_exclusions_quality_and_fingerprint(folder: Path) -> None:
    facts = describe(folder)
    page = describe_text(facts)
    rows = [line.split() for line in page.splitlines()]
    assert ["split", "official", "records", "patients", "NORM", "MI", "STTC", "CD", "HYP"] in rows
    assert ["test", *map(str, facts["counts"]["test"].values())] in rows
    assert ["without", "superclass", "1"] in rows
    assert ["pacemaker", "1"] in rows
    assert facts["fingerprint"] in page
    assert "min_likelihood 0" in page
    assert "sealed, never opened" in page
    assert "SYNTHETIC" not in page


def test_the_page_lists_the_openings_of_the_test_split(folder: Path) -> None:
    data = open_prepared(folder)
    open_test(data, "evaluate", "runs/a")
    assert "opened once" in describe_text(describe(folder))
    open_test(data, "export")
    page = describe_text(describe(folder))
    assert "opened 2 times" in page
    assert "evaluate  for runs/a" in page


def test_synthetic_data_say_so_first(tiny_ptbxl: Callable[..., Path], tmp_path: Path) -> None:
    source = tiny_ptbxl()
    (source / "SYNTHETIC.txt").write_text("made up\n")
    prepare(source, tmp_path / "data", OFFICIAL)
    assert describe_text(describe(tmp_path / "data")).startswith("SYNTHETIC")


def test_dropped_records_are_named(tiny_ptbxl: Callable[..., Path], tmp_path: Path) -> None:
    source = tiny_ptbxl(120)
    for ecg_id in range(21, 33):
        (source / f"records100/00000/{ecg_id:05d}_lr.dat").unlink()
    prepare(source, tmp_path / "data", OFFICIAL, damaged="drop")
    page = describe_text(describe(tmp_path / "data"))
    assert "Damaged and dropped: ecg_id 21, ecg_id 22" in page
    assert "ecg_id 30 and 2 more" in page


def test_a_folder_without_prepared_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no prepared data"):
        describe(tmp_path)
