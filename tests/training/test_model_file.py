"""Model files: whole or refused, and free of code."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ecg_tune.config import TrainingConfig, TrialConfig
from ecg_tune.errors import DataError
from ecg_tune.models import RNNConfig
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.model_file import build_predictor, load_saved, load_weights, save_atomic, save_model
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
    with pytest.raises(DataError, match=r"RNNModel_best\.pth is not a whole checkpoint"):
        load_saved(path)


def test_a_file_with_code_in_it_is_refused_and_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    path = tmp_path / "evil.pth"
    torch.save({"x": Evil()}, path)
    with pytest.raises(DataError, match=r"evil\.pth is not a whole checkpoint"):
        load_weights(path)
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    torch.save({"weights": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(DataError, match="is not a model file of ecg-tune"):
        load_saved(tmp_path / "other.pth")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.pth does not exist"):
        load_saved(tmp_path / "gone.pth")


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
