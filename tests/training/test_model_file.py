"""Model files: whole or refused, and free of code."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ecg_tune.config import TrainingConfig, TrialConfig
from ecg_tune.errors import ConfigError, DataError
from ecg_tune.models import RNNConfig
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.model_file import build_predictor, load_model, load_saved, load_weights, save_atomic, save_model
from ecg_tune.training.platt import platt_parameters
from ecg_tune.training.predictor import predict_probabilities


@pytest.fixture(scope="module")
def trained(toy_data):
    config = TrialConfig("rnn", RNNConfig(hidden_size=8, num_layers=1), TrainingConfig(max_epochs=1, crop_s=1.0))
    fit = train_model(config, toy_data, seed=0)
    return fit, saved_model(fit, toy_data, name="RNNModel")


def test_a_loaded_model_predicts_exactly_as_the_saved_one(trained, toy_data, tmp_path):
    fit, saved = trained
    save_model(tmp_path / "RNNModel_best.pth", saved)
    loaded = load_saved(tmp_path / "RNNModel_best.pth")
    assert loaded.config == fit.config
    assert {k: v for k, v in vars(loaded).items() if k != "state"} == {k: v for k, v in vars(saved).items() if k != "state"}
    signals = toy_data.validation.signals_uv
    np.testing.assert_array_equal(predict_probabilities(build_predictor(loaded), signals), predict_probabilities(fit.model, signals))


def test_a_cut_file_is_refused_by_name(trained, tmp_path):
    path = tmp_path / "RNNModel_best.pth"
    save_model(path, trained[1])
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"RNNModel_best\.pth is not a whole checkpoint, it was cut off or changed: name a"):
        load_saved(path)


def test_a_file_with_code_in_it_is_refused_and_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    path = tmp_path / "evil.pth"
    torch.save({"x": Evil()}, path)
    with pytest.raises(DataError, match=r"evil\.pth is not a whole checkpoint, it holds more than weights: name a model"):
        load_weights(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content", [b"", b"I,II\n0.1,0.2\n", b"family: cnn1d\n", b"\x80\x02.", b"PK\x03\x04", bytes(range(256)) * 40, b"(lp0\n."]
)
def test_bytes_that_are_no_checkpoint_are_refused_in_one_line(tmp_path, content):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.pth is not a (whole )?checkpoint.*: name a model file that") as caught:
        load_weights(tmp_path / "a.pth")
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    torch.save({"weights": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(DataError, match="is not a model file of ecg-tune"):
        load_saved(tmp_path / "other.pth")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.pth does not exist"):
        load_saved(tmp_path / "gone.pth")


@pytest.mark.parametrize("place", ["", "models", "models/ResNet_best.pth"], ids=["the study", "its folder", "another model"])
def test_where_other_models_are_they_are_named(trained, tmp_path, place):
    save_model(tmp_path / "models" / "RNNModel_best.pth", trained[1])
    with pytest.raises(DataError, match=r"name a model file, e\.g\. .*models/RNNModel_best\.pth$"):
        load_model(tmp_path / place)


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_that_no_model_file_may_hold_is_refused_before_training(toy_data, seed):
    config = TrialConfig("rnn", RNNConfig(hidden_size=8, num_layers=1), TrainingConfig(max_epochs=1))
    with pytest.raises(ConfigError, match="seed must be 0"):
        train_model(config, toy_data, seed=seed)


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    save_atomic(path, {"epoch": 1})

    def die(*_args, **_kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", die)
    with pytest.raises(OSError, match="disk full"):
        save_atomic(path, {"epoch": 2})
    monkeypatch.undo()
    assert load_weights(path) == {"epoch": 1}


def test_a_saved_model_is_scaled_as_its_validation_predictions_say(trained, toy_data):
    fit, saved = trained
    probabilities = predict_probabilities(fit.model, toy_data.validation.signals_uv)
    np.testing.assert_allclose(saved.platt, platt_parameters(toy_data.validation.labels, probabilities))


def test_a_file_without_scaling_as_older_versions_wrote_is_loaded(trained, tmp_path):
    save_model(tmp_path / "a.pth", trained[1])
    content = load_weights(tmp_path / "a.pth")
    del content["platt"]
    torch.save(content, tmp_path / "a.pth")
    assert load_model(tmp_path / "a.pth").platt.shape == (0, 2)


@pytest.mark.parametrize(
    "change",
    [
        {"data": {}},
        {"data": None},
        {"data": {"class_names": ["a"] * 5}},
        {"class_names": ["NORM"]},
        {"class_names": ["NORM", "MI", "STTC", "CD", "\x1b[31mHYP"]},
        {"class_names": []},
        {"leads": ["I", "II", "V9"]},
        {"leads": ["I", "II"]},
        {"leads": 7},
        {"sampling_rate_hz": 250},
        {"sampling_rate_hz": "100"},
        {"n_samples": 10**12},
        {"n_samples": None},
        {"normalisation": None},
        {"normalisation": {"kind": "global", "scale_mv": 0.0}},
        {"thresholds": {"f1": [0.5]}},
        {"thresholds": {"f1": [float("nan")] * 5}},
        {"thresholds": ["f1"]},
        {"platt": [[1.0, 0.0]]},
        {"platt": "none"},
        {"data": torch.zeros(2)},
        {"normalisation": torch.zeros(2)},
        {"config": torch.zeros(2)},
        {"config": "x"},
        {"state": {}},
        {"state": None},
        {"name": None},
    ],
    ids=repr,
)
def test_a_file_whose_content_does_not_fit_together_is_refused_in_one_line(trained, tmp_path, change):
    save_model(tmp_path / "a.pth", trained[1])
    content = load_weights(tmp_path / "a.pth")
    for name, value in change.items():
        (content if name in content else content["data"])[name] = value
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(DataError, match=r"a\.pth (does not hold what a model of its kind needs|is not a model file)") as caught:
        load_model(tmp_path / "a.pth")
    assert "\n" not in str(caught.value)


def test_the_file_of_an_ensemble_is_refused_with_what_loads_it():
    with pytest.raises(DataError, match=r"models/Ensemble_best\.json is the file of an ensemble: analysis\.load_model loads it"):
        load_model("models/Ensemble_best.json")
