from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.evaluation.statistics.cost_table import FEWEST, MOST, cost_lines, cost_table, latency_s
from analysis.retraining.candidates import find_candidates
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.models.cost import cost
from ecg_tune.training.model_file import SavedModel, build_predictor, save_model


class SteadyClock:
    """A clock on which every pass takes `step` seconds."""

    def __init__(self, step: float) -> None:
        self.ticks = count()
        self.step = step

    def __call__(self) -> float:
        return next(self.ticks) * self.step


def test_size_and_arithmetic_are_the_networks_own_times_the_crops_of_a_record(
    toy_data: PreparedData, toy_model: Callable[..., SavedModel], tmp_path: Path
) -> None:
    for name, crop_s in (("RNNModel", None), ("CNN1D", 1.0)):
        save_model(tmp_path / f"{name}_best.pth", toy_model(toy_data, name, crop_s=crop_s))
    table = cost_table(find_candidates(tmp_path), toy_data, device="cpu").set_index("Model")
    whole, cropped = table.loc["RNNModel"], table.loc["CNN1D"]
    saved = toy_model(toy_data, "RNNModel", crop_s=None)
    assert whole["MACs_per_record"] == cost(saved.config, n_samples=250).macs
    n_crops = int(cropped["Input"].split(" x (")[0])
    assert n_crops > 1
    assert cropped["MACs_per_record"] == n_crops * cost(saved.config, n_samples=100).macs
    assert whole["Parameters"] == saved.n_parameters
    assert (whole["Training_s"], whole["Seeds"], whole["Epochs_mean"]) == (12.5, 1, 3)
    assert (table["Latency_ms_batch_1_q25"] <= table["Latency_ms_batch_1_q75"]).all()
    text = "\n".join(cost_lines(table.reset_index()))
    assert f"{saved.n_parameters:,}" in text
    assert "Latency on cpu" in text
    assert "from a record in memory to probability" in " ".join(text.split())  # a signal, or stored images


@pytest.mark.parametrize(("step", "passes"), [(10.0, FEWEST), (0.1, 5), (1e-6, MOST)])
def test_slow_models_are_timed_a_few_times_and_fast_ones_often(
    toy_data: PreparedData, toy_model: Callable[..., SavedModel], step: float, passes: int
) -> None:
    predictor = build_predictor(toy_model(toy_data, "RNNModel", crop_s=None))
    found = latency_s(predictor, toy_data.validation, device="cpu", batch=2, clock=SteadyClock(step))
    np.testing.assert_allclose(found, np.full(passes, step))


def test_a_batch_larger_than_the_validation_part_repeats_its_records(toy_data: PreparedData) -> None:
    sizes = []

    class Watched(torch.nn.Module):
        stored_images = False

        def forward(self, signal: torch.Tensor) -> torch.Tensor:
            sizes.append(len(signal))
            return signal.mean(dim=(1, 2))

    few = replace(toy_data.validation, signals_uv=toy_data.validation.signals_uv[:5], labels=toy_data.validation.labels[:5])
    latency_s(Watched(), few, device="cpu", batch=64, clock=SteadyClock(1.0))  # type: ignore[arg-type]
    assert set(sizes) == {64}
