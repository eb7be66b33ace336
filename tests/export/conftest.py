"""Real records in small numbers, and models of every family to export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ecg_tune.config import CLASS_NAMES
from ecg_tune.data.prepared.dataset import SPLIT_NAMES, PreparedData, Split, open_prepared
from ecg_tune.data.prepared.writer import write_prepared
from ecg_tune.data.ptbxl.records import read_record
from ecg_tune.models import MODELS, n_parameters
from ecg_tune.training.model_file import SavedModel, describe_data, save_model
from search_spaces.conformance import network_of, small_config

N_RECORDS = (6, 12, 4)
"""Of train, validation and test."""


@pytest.fixture(scope="session")
def records_uv(ptbxl: Path) -> NDArray[np.int16]:
    """Read real records: (22, 1000, 3) int16 microvolts of the leads I, II, V2."""
    names = sorted(path.relative_to(ptbxl).with_suffix("").as_posix() for path in (ptbxl / "records100").rglob("*.hea"))[: sum(N_RECORDS)]
    return np.stack([read_record(ptbxl, name, sampling_rate_hz=100)[:, [0, 1, 7]] for name in names])


@pytest.fixture(scope="session")
def real_data(records_uv: NDArray[np.int16], tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """Write and open a data set of the real records, with labels at random."""
    folder, rng, splits, first = tmp_path_factory.mktemp("real_data"), np.random.default_rng(0), {}, 0
    for name, n in zip(SPLIT_NAMES, N_RECORDS, strict=True):
        ids = np.arange(first, first + n)
        records: dict[str, Any] = {"ecg_id": ids, "patient_id": ids, "age": np.full(n, 60.0), "sex": ids % 2, "site": ids % 3}
        records |= {"device": np.full(n, "x"), "fold": np.full(n, 1), "flags": np.zeros(n, np.int64)}
        labels = (rng.random((n, 5)) < 0.5).astype(np.uint8)
        splits[name] = Split(name, records_uv[first : first + n], labels, records)
        first += n
    facts: dict[str, Any] = {"class_names": list(CLASS_NAMES), "leads": ["I", "II", "V2"], "sampling_rate_hz": 100, "n_samples": 1000}
    facts |= {"split": "official", "label_rule": {"text": "random"}, "synthetic": False, "source": {"name": "a few records"}}
    write_prepared(folder, splits, {**facts, "normalisation": {"kind": "global", "scale_mv": 0.24}})
    return open_prepared(folder)


@pytest.fixture(scope="session")
def save_random(real_data: PreparedData) -> Callable[..., Path]:
    """Return a function that writes a model file of a family, with random weights, into a folder."""

    def save(folder: Path, family: str, *, seed: int = 0, data: PreparedData = real_data, **changes: Any) -> Path:
        config, name = small_config(family), MODELS[family].name
        torch.manual_seed(seed)
        network = network_of(config, n_leads=len(data.leads))
        content: dict[str, Any] = {"name": name, "config": config, "data": describe_data(data), "state": network.state_dict(), "seed": seed}
        content |= {"thresholds": {"half": [0.5] * 5, "f1": [0.1, 0.2, 0.3, 0.4, 0.5]}, "trial": None, "validation_macro_auc": 0.5}
        content |= {"best_epoch": 1, "epochs": 1, "seconds": 1.0, "n_parameters": n_parameters(network), "history": []}
        path = folder / f"{name}_best.pth"
        save_model(path, SavedModel(**{**content, **changes}))
        return path

    return save
