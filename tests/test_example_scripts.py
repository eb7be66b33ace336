"""The scripts in `examples/python` run and print what they say."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecg_tune.config import TrainingConfig, TrialConfig
from ecg_tune.models.cnn1d import CNN1DConfig
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.model_file import save_model

SCRIPTS = Path(__file__).parents[1] / "examples" / "python"


def main_of(name: str) -> Any:
    return runpy.run_path(str(SCRIPTS / f"{name}.py"))["main"]


@pytest.mark.slow
def test_a_model_predicts_recordings(few_data, tmp_path, capsys):
    config = TrialConfig("cnn1d", CNN1DConfig(filters=4, depth=1, kernel_size=5), TrainingConfig(batch_size=32, max_epochs=1))
    save_model(tmp_path / "CNN1D_best.pth", saved_model(train_model(config, few_data), few_data, name="CNN1D"))
    time_s = np.arange(250) / 100
    lines = [f"{t:.2f},{np.sin(7 * t):.4f},{np.sin(7 * t) / 2:.4f},{np.sin(7 * t) / 3:.4f}" for t in time_s]
    (tmp_path / "one.csv").write_text("\n".join(["time_s,V2 (mV),I (mV),II (mV)", *lines]) + "\n")
    main_of("load_and_predict")(str(tmp_path / "CNN1D_best.pth"), str(tmp_path / "one.csv"))
    first, second = capsys.readouterr().out.splitlines()
    assert first == "takes leads I, II, V2 at 100 Hz; SYNTHETIC training data"
    assert second.startswith("one.csv NORM 0.")


def test_batches_of_all_three_kinds_come_out_of_prepared_data(few_data, capsys):
    main_of("loop_over_batches")(str(few_data.folder))
    assert capsys.readouterr().out.splitlines() == [
        "signal: 2 batches, inputs [(32, 250, 3)], labels (32, 5)",
        "image: 2 batches, inputs [(32, 3, 64, 64)], labels (32, 5)",
        "fusion: 2 batches, inputs [(32, 250, 3), (32, 3, 64, 64)], labels (32, 5)",
    ]


@pytest.mark.ray
@pytest.mark.usefixtures("joined_ray")
def test_a_search_from_python_ends_with_its_best_trials(few_data, tmp_path, capsys):
    main_of("search_and_read")(str(few_data.folder), str(tmp_path / "study"), "2", "1")
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("trial ")
    assert "on validation after 1 epochs" in last
