"""Fixtures that many tests share."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecg_tune.config import CLASS_NAMES
from ecg_tune.data.prepared.dataset import SPLIT_NAMES, PreparedData, Split, open_prepared, write_prepared

ROOT = Path(__file__).parents[1]
NO_RAY = "/dev/null/this test starts a Ray - mark it with @pytest.mark.ray"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let only tests with the marker `ray` start one, in any process: elsewhere Ray can't make its folder, whose name is the remedy."""
    with pytest.MonkeyPatch.context() as patch:
        if not item.get_closest_marker("ray"):
            patch.setenv("RAY_TMPDIR", NO_RAY)
        return (yield)


@pytest.fixture(scope="session")
def ptbxl() -> Path:
    """Return the folder with real PTB-XL records, or skip saying where it was looked for."""
    folder = Path(os.environ.get("ECG_TUNE_PTBXL", ROOT.parent / "shared" / "ptbxl"))
    if not (folder / "ptbxl_database.csv").is_file():
        pytest.skip(f"no PTB-XL at {folder} (set ECG_TUNE_PTBXL)")
    return folder


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """Return a prepared data set of random walks in which a class is the strength of its own frequency; learnable in seconds."""
    return make_toy_data(tmp_path_factory.mktemp("toy_data"))


def make_toy_data(folder: Path, *, seed: int = 0, n_records: tuple[int, int, int] = (96, 48, 40)) -> PreparedData:
    """Write and open a toy data set: 2.5 s at 100 Hz, three leads, five classes."""
    rng = np.random.default_rng(seed)
    parts, first = {}, 1
    for name, n in zip(SPLIT_NAMES, n_records, strict=True):
        labels = (rng.random((n, 5)) < 0.4).astype(np.uint8)
        time_s = np.arange(250) / 100
        waves = np.sin(2 * np.pi * np.array([1, 2, 4, 8, 16])[:, None] * time_s)  # (classes, samples)
        signal = (labels[:, :, None] * waves).sum(1)[:, :, None] * [1.0, 0.5, -1.0] * 150
        signals = (signal + rng.normal(0, 60, (n, 250, 3))).astype(np.int16)
        ids = np.arange(first, first + n)
        records: dict[str, Any] = {"ecg_id": ids, "patient_id": ids // 2 + 1000 * first, "age": np.full(n, 60.0), "sex": ids % 2}
        records |= {"device": np.full(n, "toy"), "site": ids % 3, "fold": np.full(n, 1), "flags": np.zeros(n, np.int64)}
        parts[name] = Split(name=name, signals_uv=signals, labels=labels, records=records)
        first += n
    facts: dict[str, Any] = {"class_names": list(CLASS_NAMES), "leads": ["I", "II", "V2"], "sampling_rate_hz": 100, "n_samples": 250}
    facts |= {"split": "official", "label_rule": {"text": "toy", "min_likelihood": 0.0}, "synthetic": True, "source": {"name": "toy"}}
    facts["normalisation"] = {"kind": "global", "scale_mv": float(parts["train"].signals_uv.std() / 1000)}
    write_prepared(folder, parts, facts)
    return open_prepared(folder)
