"""Equal signals under two names: counted, and refused across splits unless they are to be kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecg_tune.config import DataConfig
from ecg_tune.data.prepared.describe import describe, describe_text
from ecg_tune.data.ptbxl.prepare import prepare
from ecg_tune.errors import DataError
from tests.commands import ecg_tune

CONFIG = DataConfig(split="official")
# patients have two records each; their fold is that of their number: records 1, 2, 3, 21 are of training, 17 of validation, 19 of test
CASES = [((1, 2), 1, 0), ((1, 3), 1, 0), ((1, 17), 0, 1), ((3, 19), 0, 1), ((17, 19), 0, 1), ((1, 2, 17), 1, 1)]


@pytest.fixture
def source(tiny_ptbxl: Callable[..., Path], put_record: Callable[..., None], list_again: Callable[[Path], None]) -> Callable[..., Path]:
    def make(equal: tuple[int, ...], *, value: Any = None) -> Path:
        folder = tiny_ptbxl()
        signal = (
            np.random.default_rng(7).integers(-500, 500, (1000, 12)).astype(np.int16)
            if value is None
            else np.full((1000, 12), value, np.int16)
        )
        for number in equal:
            put_record(folder / f"records100/00000/{number:05d}_lr", signal)
        list_again(folder)
        return folder

    return make


@pytest.mark.parametrize(("equal", "within", "across"), CASES)
def test_equal_records_are_counted_and_refused_across_splits(source, tmp_path, equal, within, across):
    folder = source(equal)
    if across:
        with pytest.raises(
            DataError, match=rf"{across} records have exactly the samples of a record in another split.*--equal-records keep"
        ):
            prepare(folder, tmp_path / "data", CONFIG)
        assert not (tmp_path / "data").exists()
        said = ecg_tune("data", "prepare", folder, tmp_path / "data", "--split", "official")
        assert (said.code, said.err.count("\n")) == (2, 1)
    manifest = prepare(folder, tmp_path / "data", CONFIG, equal="keep")
    assert manifest["equal_records"] == {"within a split": within, "across splits": across}
    assert "Records with exactly the samples of another" in describe_text(describe(tmp_path / "data"))


def test_flat_lines_are_no_equal_records(source, tmp_path):
    manifest = prepare(source((1, 3, 17, 19), value=0), tmp_path / "data", CONFIG)
    assert manifest["equal_records"] == {"within a split": 0, "across splits": 0}
    assert "Records with exactly" not in describe_text(describe(tmp_path / "data"))
