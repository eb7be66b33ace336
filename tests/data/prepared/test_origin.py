"""What prepared data keep of their source: SCP statements, files, and the way back to all twelve leads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ecg_tune.config import CLASS_NAMES, LEAD_NAMES, DataConfig
from ecg_tune.data.prepared.dataset import open_prepared, open_test
from ecg_tune.data.prepared.origin import ORIGIN, Origin, certainty_of
from ecg_tune.data.prepared.twelve_leads import read_twelve_leads
from ecg_tune.data.ptbxl.labels import LabelSet, multi_hot
from ecg_tune.data.ptbxl.prepare import prepare
from ecg_tune.data.synthetic.generator import synthesize
from ecg_tune.errors import DamagedRecordError, DataError
from ecg_tune.folder_kinds import MANIFEST


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "ptbxl"
    synthesize(folder, n_records=150, seed=3)
    return folder


@pytest.fixture(scope="module")
def folder(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("origin") / "DATA"
    prepare(source, target, DataConfig(split="official"), damaged="drop")
    return target


def test_the_test_split_knows_its_statements_and_they_explain_its_labels(folder: Path) -> None:
    data = open_prepared(folder)
    split = open_test(data, "evaluate")
    assert split.origin is not None
    labels = LabelSet("superclass", data.class_names, data.manifest["class_of"])
    np.testing.assert_array_equal(multi_hot(split.origin.statements, labels), split.labels)
    assert data.manifest["class_names"] == list(CLASS_NAMES)
    assert data.validation.origin is None


def test_train_alone_knows_how_likely_its_labels_are(folder: Path) -> None:
    data = open_prepared(folder)
    assert data.train.origin is None
    assert data.validation.certainty is None
    statements = json.loads((folder / "train" / ORIGIN).read_text())["statements"]
    class_of = data.manifest["class_of"]
    found, learnt = data.train.certainty, data.train.statements
    assert found is not None
    assert learnt is not None
    assert data.validation.statements is None
    assert sorted(learnt.sum(axis=0)) == sorted(
        count
        for code in {code for codes in statements for code in codes}
        if 20 <= (count := sum(code in codes for codes in statements)) < len(statements)
    )
    assert 0 < found.min() < 1
    for row, codes in enumerate(statements):
        for k, name in enumerate(data.class_names):
            known = [percent / 100 or 1.0 for code, percent in codes.items() if class_of.get(code) == name]
            assert found[row, k] == pytest.approx(max(known, default=1.0))


def test_a_likelihood_that_is_none_is_refused() -> None:
    with pytest.raises(DataError, match=r"the likelihood of IMI is 'much', and must be 0 to 100"):
        certainty_of(Origin(({"IMI": "much", "SR": "x"},), ("a",)), {"IMI": "MI"}, ("MI",))  # type: ignore[dict-item]


def test_twelve_leads_are_read_again_and_hold_the_prepared_ones(folder: Path) -> None:
    data = open_prepared(folder)
    split = open_test(data, "evaluate")
    for row in (0, len(split) - 1):
        signal_uv = read_twelve_leads(data, split, row)
        assert signal_uv.shape == (1000, 12)
        np.testing.assert_array_equal(signal_uv[:, [LEAD_NAMES.index(lead) for lead in data.leads]], split.signals_uv[row])


def test_the_origin_is_not_in_the_fingerprint_and_data_without_one_open_as_before(folder: Path, tmp_path: Path) -> None:
    older = Path(shutil.copytree(folder, tmp_path / "older"))
    manifest = json.loads((older / MANIFEST).read_text())
    for key in ("origins", "source_folder", "class_of"):
        del manifest[key]
    (older / MANIFEST).write_text(json.dumps(manifest))
    for split in ("train", "validation", "test"):
        (older / split / ORIGIN).unlink()
    data = open_prepared(older)
    assert data.fingerprint == open_prepared(folder).fingerprint
    split = open_test(data, "evaluate")
    assert split.origin is None
    assert data.train.certainty is None
    assert data.train.statements is None
    with pytest.raises(DamagedRecordError, match="prepare them again into the same folder"):
        read_twelve_leads(data, split, 0)


def test_a_changed_origin_or_a_changed_source_is_refused(folder: Path, source: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(folder, tmp_path / "changed"))
    data = open_prepared(changed)
    split = open_test(data, "evaluate")
    assert split.origin is not None
    moved = Path(shutil.copytree(source, tmp_path / "moved"))
    data.manifest["source_folder"] = str(moved)
    record = moved / f"{split.origin.files[0]}.dat"
    record.write_bytes(b"\x01" + record.read_bytes()[1:])
    with pytest.raises(DamagedRecordError, match="was changed"):
        read_twelve_leads(data, split, 0)
    shutil.rmtree(moved)
    with pytest.raises(DamagedRecordError, match="does not exist"):
        read_twelve_leads(data, split, 0)
    (changed / "test" / ORIGIN).write_text("{}")
    with pytest.raises(DataError, match=r"origin\.json differs from what the manifest recorded"):
        open_test(data, "evaluate")
