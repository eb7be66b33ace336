"""Exported files predict what their models predict: every family, image, attention and cell, on real records, at any batch size."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ecg_tune.config import ImageConfig, TrialConfig
from ecg_tune.errors import UsageError, WorkFailedError
from ecg_tune.export.formats import FORMATS, export
from ecg_tune.export.graph import Graph
from ecg_tune.export.parity import BATCHES, TOLERANCE, largest_differences, model_run, random_signals
from ecg_tune.models import MODELS
from ecg_tune.training.platt import platt_scaled
from ecg_tune.training.predictor import Predictor
from search_spaces.conformance import network_of, small_config

RECORD, GLOBAL = {"kind": "record"}, {"kind": "global", "scale_mv": 0.24}
METADATA = {"name": "X"}
FAMILIES = list(MODELS.built_in)


def predictor_of(config: TrialConfig, normalisation: dict[str, Any]) -> Predictor:
    """Make a model with random weights, and logits as far from 0 as a trained one's."""
    torch.manual_seed(0)
    network = network_of(config).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.weight.uniform_(0.5, 1.5)  # as trained ones are; the non-local block starts as the identity
    predictor = Predictor(network, config, normalisation=normalisation, sampling_rate_hz=100, leads=("I", "II", "V2")).eval()
    last = [module for module in network.modules() if isinstance(module, torch.nn.Linear)][-1]
    with torch.no_grad():
        logits = predictor(torch.randn(4, 1000, 3).cumsum(1) * 0.05)
        last.weight *= 2 / logits.std()
        last.bias *= 0
    return predictor


def check(predictor: Predictor, records_uv: NDArray[np.int16], folder: Path, *, to: str = "onnx") -> None:
    """Export and compare; `export` itself refuses a difference above 1e-4, this test one of a tenth of it."""
    signals = {"random": random_signals(1000, 3), "real": records_uv}
    out = folder / f"model{FORMATS[to].suffix}"
    graph = Graph([predictor], n_samples=1000)
    found = export(graph, METADATA, out, to=FORMATS[to], reference=model_run(predictor), signals_uv=signals)
    assert out.is_file()
    assert max(found.values()) <= 1e-5, found


def changed(family: str, *, model: dict[str, Any] | None = None, image: ImageConfig | None = None, **training: Any) -> TrialConfig:
    config = small_config(family, **training)
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, **(model or {})))
    return dataclasses.replace(config, image=image) if image else config


def test_the_batches_that_are_compared_have_one_two_and_seven_records():
    sizes: list[int] = []

    def run(signal: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        sizes.append(len(signal))
        return [np.zeros((len(signal), 5), np.float32)]

    assert largest_differences(run, run, random_signals(100, 3)) == [0]
    assert sizes == [1, 1, 2, 2, 7, 7]
    assert tuple(sizes[::2]) == BATCHES
    sizes.clear()
    largest_differences(run, run, np.zeros((45, 10, 2), np.int16))
    assert sizes[::2] == [1, 2, 7, 32, 3]
    sizes.clear()
    largest_differences(run, run, np.zeros((2, 10, 2), np.int16))
    assert sizes[::2] == [1, 1]


@pytest.mark.parametrize("normalisation", [RECORD, GLOBAL], ids=["record", "global"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.slow
def test_every_family_predicts_the_same_through_onnxruntime(family, normalisation, records_uv, tmp_path):
    check(predictor_of(small_config(family), normalisation), records_uv, tmp_path)


@pytest.mark.parametrize("kind", ["gasf", "gadf", "mtf", "triple"])
@pytest.mark.parametrize(
    ("size", "scale", "crop_s"),
    [
        pytest.param(33, "series", 2.5, marks=pytest.mark.combinations),
        pytest.param(64, "global", None, marks=pytest.mark.combinations),
        (112, "series", 1.0),
    ],
)
@pytest.mark.slow
def test_every_image_is_the_same_inside_the_file(kind, size, scale, crop_s, records_uv, tmp_path):
    config = changed("alexnet", model={"width": 0.1, "stem": "standard"}, image=ImageConfig(kind, size, scale=scale), crop_s=crop_s)
    check(predictor_of(config, RECORD), records_uv, tmp_path)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("attention", [True, False])
@pytest.mark.slow
@pytest.mark.combinations
def test_every_recurrent_network_is_the_same(cell, bidirectional, attention, records_uv, tmp_path):
    model = {"cell": cell, "bidirectional": bidirectional, "attention": attention, "hidden_size": 8}
    check(predictor_of(changed("cnn1d_rnn", model=model, crop_s=None), RECORD), records_uv, tmp_path)


@pytest.mark.parametrize("attention", ["channel", "spatial", "cbam", "self_attention"])
@pytest.mark.parametrize(
    "family", ["resnet", pytest.param("alexnet", marks=pytest.mark.combinations), pytest.param("vgg", marks=pytest.mark.combinations)]
)
@pytest.mark.slow
def test_every_attention_on_images_is_the_same(attention, family, records_uv, tmp_path):
    check(predictor_of(changed(family, model={"attention": attention}), GLOBAL), records_uv, tmp_path)


@pytest.mark.parametrize("crop_s", [None, 1.0, 2.5, 4.3, 10.0])
@pytest.mark.slow
def test_crops_are_averaged_inside_the_file(crop_s, records_uv, tmp_path):
    check(predictor_of(changed("cnn1d", crop_s=crop_s), GLOBAL), records_uv, tmp_path)


@pytest.mark.parametrize("crop_s", [None, 2.5])
@pytest.mark.slow
def test_a_model_that_is_almost_certain_is_calibrated_the_same_inside_the_file(crop_s, records_uv, tmp_path):
    predictor, platt = predictor_of(changed("cnn1d", crop_s=crop_s), GLOBAL), [[0.5, 5.0], [0.5, -5.0]] * 2 + [[1.0, 0.0]]
    last = [module for module in predictor.modules() if isinstance(module, torch.nn.Linear)][-1]
    with torch.no_grad():
        last.weight *= 0.2
        last.bias += torch.tensor([-15.5, 15.5, -16.0, 16.0, 0.0])  # probabilities around 1e-7 and 1 - 1e-7
    run = model_run(predictor)

    def reference(signal_mv: NDArray[np.float32]) -> list[NDArray[np.floating]]:
        (probabilities,) = run(signal_mv)
        return [probabilities, platt_scaled(probabilities, np.array(platt))]

    graph = Graph([predictor], n_samples=1000, platt=platt)
    found = export(graph, METADATA, tmp_path / "m.onnx", to=FORMATS["onnx"], reference=reference, signals_uv={"real": records_uv})
    assert found["real"] <= 1e-5


@pytest.mark.parametrize("family", ["cnn1d", "fusion"])
@pytest.mark.slow
def test_torchscript_predicts_the_same(family, records_uv, tmp_path):
    check(predictor_of(small_config(family), RECORD), records_uv, tmp_path, to="torchscript")


@pytest.mark.parametrize("family", ["alexnet"])
@pytest.mark.slow
def test_an_exported_program_of_torch_predicts_the_same(family, records_uv, tmp_path):
    check(predictor_of(small_config(family), RECORD), records_uv, tmp_path, to="torch-export")


def test_the_message_names_the_output_that_differs(tmp_path):
    predictor = predictor_of(small_config("cnn1d"), GLOBAL)
    graph, run = Graph([predictor], n_samples=1000, platt=[[1.0, 0.0]] * 5), model_run(predictor)
    with pytest.raises(WorkFailedError, match=r"its output 'calibrated' differs from the model's by 0\.01 on random signals"):
        export(
            graph, METADATA, tmp_path / "model.onnx", to=FORMATS["onnx"],
            reference=lambda signal: [run(signal)[0], run(signal)[0] + 0.01], signals_uv={"random signals": random_signals(1000, 3)},
        )  # fmt: skip


@pytest.mark.parametrize("wrong", [0.01, float("nan")])
def test_a_file_that_predicts_something_else_is_not_written(wrong, tmp_path):
    predictor = predictor_of(small_config("cnn1d"), GLOBAL)
    run = model_run(predictor)
    out = tmp_path / "model.onnx"
    out.write_text("the file of yesterday")
    with pytest.raises(WorkFailedError, match=rf"model\.onnx was not written: its output 'probabilities' differs .* by {wrong} on random"):
        export(
            Graph([predictor], n_samples=1000), METADATA, out, to=FORMATS["onnx"],
            reference=lambda signal: [run(signal)[0] + wrong], signals_uv={"random signals": random_signals(1000, 3)},
        )  # fmt: skip
    assert out.read_text() == "the file of yesterday"
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"], "nothing half-written is left"
    assert TOLERANCE == 1e-4


class WithoutOperator(torch.nn.Module):
    """A network of somebody else's, with an operation that ONNX does not have."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return torch.special.i0e(signal).mean(1)


def test_a_network_that_onnx_can_not_express_is_one_line_with_the_remedy(tmp_path):
    predictor = Predictor(WithoutOperator(), small_config("cnn1d"), normalisation=GLOBAL, sampling_rate_hz=100, leads=("I", "II", "V2"))
    graph, signals = Graph([predictor], n_samples=1000), {"random signals": random_signals(1000, 3)}
    with pytest.raises(UsageError, match=r"ONNX can't express this model .*: use --format torch-export") as caught:
        export(graph, METADATA, tmp_path / "m.onnx", to=FORMATS["onnx"], reference=model_run(predictor), signals_uv=signals)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
    found = export(graph, METADATA, tmp_path / "m.pt2", to=FORMATS["torch-export"], reference=model_run(predictor), signals_uv=signals)
    assert found["random signals"] <= 1e-6
