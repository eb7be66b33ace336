"""A data set of the classic shapes: 10 s at 100 Hz, three leads, five classes, images of 224 pixels."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecg_tune.config import DataConfig
from ecg_tune.data.exchange.writer import export_tree
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared
from ecg_tune.data.ptbxl.prepare import prepare
from ecg_tune.data.synthetic.generator import synthesize


@pytest.fixture(scope="session")
def classic_data(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    folder = tmp_path_factory.mktemp("classic")
    synthesize(folder / "ptbxl", n_records=60)
    prepare(folder / "ptbxl", folder / "prepared", DataConfig())
    return open_prepared(folder / "prepared")


@pytest.fixture(scope="session")
def tree(classic_data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data as an exchange tree, batches of 16 records, with the test split."""
    folder = tmp_path_factory.mktemp("tree") / "data"
    export_tree(classic_data, folder, batch_size=16, include_test=True)
    return folder
