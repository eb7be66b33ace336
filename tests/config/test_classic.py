from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest

from ecg_tune.config import Config, TrainingConfig, classic
from ecg_tune.data.exchange.writer import export_tree
from ecg_tune.errors import ConfigError
from ecg_tune.models.rnn import RNNConfig
from tests.conftest import make_toy_data


def test_the_defaults_are_those_of_the_real_settings() -> None:
    network, training = RNNConfig(), TrainingConfig()
    pairs = {"HIDDEN_SIZE": "hidden_size", "NUM_LAYERS": "num_layers", "DROPOUT": "dropout"}
    assert {old: getattr(Config, old) for old in pairs} == {old: getattr(network, new) for old, new in pairs.items()}
    assert (Config.HIDDEN_SIZE, Config.NUM_LAYERS, Config.DROPOUT, Config.BATCH_SIZE, Config.NUM_EPOCHS) == (128, 2, 0.3, 32, 50)
    assert (Config.LEARNING_RATE, Config.WEIGHT_DECAY, Config.PATIENCE) == (1e-3, 1e-4, 5)
    assert Config().training == training
    assert (Config.SAVE_BEST, Config.NUM_WORKERS, Config.NUM_CLASSES) == (True, 0, 5)
    assert Config.CLASS_NAMES == ("NORM", "MI", "STTC", "CD", "HYP")
    assert Config.DEVICE == Config().DEVICE
    assert Config.DEVICE in ("cpu", "cuda")


def test_a_setting_is_replaced_in_a_subclass_in_the_class_or_in_an_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wide(Config):
        HIDDEN_SIZE = 256
        CLASS_NAMES = ("MI", "CD")
        SAVE_DIR = "elsewhere/"  # type: ignore[assignment]  # as scripts write it

    assert (256, 256, Path("elsewhere"), 2) == (Wide.HIDDEN_SIZE, Wide().HIDDEN_SIZE, Wide().SAVE_DIR, Wide.NUM_CLASSES)
    monkeypatch.setattr(Config, "BATCH_SIZE", 16)
    assert (Config.BATCH_SIZE, Config().training.batch_size, Wide().BATCH_SIZE) == (16, 16, 16)
    config = Config(BATCH_SIZE=8, learning_rate=0.01, device="cpu")
    config.NUM_EPOCHS = 3
    assert config.training == TrainingConfig(batch_size=8, learning_rate=0.01, max_epochs=3)
    assert (config.DEVICE, Config.NUM_EPOCHS, Config.LEARNING_RATE) == ("cpu", 50, 1e-3)


def test_the_example_gives_what_it_shows() -> None:
    tried = doctest.testmod(classic)
    assert (tried.failed, tried.attempted > 0) == (0, True)


def test_unknown_names_and_values_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="unknown setting 'HIDEN_SIZE': did you mean 'HIDDEN_SIZE'"):
        Config(HIDEN_SIZE=64)
    with pytest.raises(ConfigError, match="unknown setting 'BATCHSIZE': did you mean 'BATCH_SIZE'"):
        Config().BATCHSIZE = 3  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"DROPOUT must be 0\.\.1, but got DROPOUT=2"):
        Config(dropout=2)
    with pytest.raises(ConfigError, match="HIDDEN_SIZE must be a whole number, but got HIDDEN_SIZE='64'"):
        Config(HIDDEN_SIZE="64")
    with pytest.raises(ConfigError, match="Config: batch_size: expected int, but got '16'"):
        Config(BATCH_SIZE="16")

    class Endless(Config):
        NUM_EPOCHS = 0

    with pytest.raises(ConfigError, match="max_epochs must be"):
        Endless()


def test_paths_follow_the_layout_of_a_prepared_data_set() -> None:
    config = Config(data_dir="d", save_dir="c", device="cpu")
    for part, folder in (("TRAIN", "train"), ("VAL", "validation"), ("TEST", "test")):
        assert getattr(config, f"{part}_SIGNAL_PATH") == getattr(config, f"{part}_IMAGE_PATH") == Path("d", folder, "signals.npy")
        assert getattr(config, f"{part}_LABEL_PATH") == Path("d", folder, "labels.npy")
    assert (Path("d"), Path("c")) == (config.DATA_DIR, config.SAVE_DIR)
    assert Config("d", "c").TRAIN_SIGNAL_PATH == config.TRAIN_SIGNAL_PATH
    assert Path("data/train/signals.npy") == Config.TRAIN_SIGNAL_PATH


def test_paths_follow_the_layout_of_an_exchange_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_tree(make_toy_data(tmp_path / "prepared", n_records=(10, 5, 4)), tmp_path / "data", image_size=16, batch_size=4)
    monkeypatch.chdir(tmp_path)
    assert Path("data/signals/train/batch_0000.npy") == Config.TRAIN_SIGNAL_PATH
    assert np.load(Config.TRAIN_SIGNAL_PATH).shape == (4, 250, 3)
    assert np.load(Config.VAL_IMAGE_PATH).shape == (4, 3, 16, 16)
    assert np.load(Config().VAL_LABEL_PATH).shape == (5, 5)
    assert Path("data/signals/test/batch_0000.npy") == Config.TEST_SIGNAL_PATH, "sealed, so not written"
    assert not Config.TEST_SIGNAL_PATH.exists()
    assert Path("data/labels/y_test.npy") == Config.TEST_LABEL_PATH
    Config.VAL_SIGNAL_PATH.parent.joinpath("batch_0000.npy").rename("data/signals/validation/batch_0.npy")
    assert Path("data/signals/validation/batch_0.npy") == Config.VAL_SIGNAL_PATH, "numbered as others do"
