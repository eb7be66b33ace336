from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ecg_tune.config import Config, TrainingConfig
from ecg_tune.errors import ConfigError
from ecg_tune.models.rnn import RNNConfig


def test_the_defaults_are_those_of_the_real_settings() -> None:
    config, training, network = Config(), TrainingConfig(), RNNConfig()
    pairs = {"HIDDEN_SIZE": "hidden_size", "NUM_LAYERS": "num_layers", "DROPOUT": "dropout"}
    assert {old: getattr(config, old) for old in pairs} == {old: getattr(network, new) for old, new in pairs.items()}
    pairs = {"BATCH_SIZE": "batch_size", "NUM_EPOCHS": "max_epochs", "PATIENCE": "patience", "LEARNING_RATE": "learning_rate"}
    pairs["WEIGHT_DECAY"] = "weight_decay"
    assert {old: getattr(config, old) for old in pairs} == {old: getattr(training, new) for old, new in pairs.items()}
    assert (config.SAVE_BEST, config.NUM_WORKERS, config.NUM_CLASSES) == (True, 0, 5)
    assert config.CLASS_NAMES == ("NORM", "MI", "STTC", "CD", "HYP")
    assert config.DEVICE in ("cpu", "cuda")


def test_paths_follow_the_layout_of_a_prepared_data_set() -> None:
    config = Config(data_dir="d", save_dir="c", device="cpu")
    for part, folder in (("TRAIN", "train"), ("VAL", "validation"), ("TEST", "test")):
        assert getattr(config, f"{part}_SIGNAL_PATH") == getattr(config, f"{part}_IMAGE_PATH") == Path("d", folder, "signals.npy")
        assert getattr(config, f"{part}_LABEL_PATH") == Path("d", folder, "labels.npy")
    assert str(config.SAVE_DIR) == "c"
    assert config.DEVICE == "cpu"


def test_it_is_frozen_and_refuses_values_out_of_range() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="hidden_size"):
        Config().hidden_size = 3  # type: ignore[misc]
    with pytest.raises(ConfigError, match=r"dropout must be 0\.\.1, but got dropout=2"):
        Config(dropout=2)
