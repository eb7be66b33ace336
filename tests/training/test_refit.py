"""A model refitted on train and validation takes weights from validation and nothing else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from ecg_tune.config import TrainingConfig, TrialConfig
from ecg_tune.data.prepared.dataset import PreparedData, Split
from ecg_tune.models.cnn1d import CNN1DConfig
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.model_file import SavedModel
from ecg_tune.training.refit import refit_model

CONFIG = TrialConfig(
    "cnn1d",
    CNN1DConfig(filters=4, depth=1, kernel_size=5),
    TrainingConfig(batch_size=32, max_epochs=6, learning_rate=1e-2, class_weights=True),
)


@pytest.fixture(scope="module")
def reference(toy_data: PreparedData) -> SavedModel:
    return saved_model(train_model(CONFIG, toy_data, seed=3), toy_data, name="CNN1D", trial=7)


@pytest.fixture(scope="module")
def both(reference: SavedModel, toy_data: PreparedData) -> SavedModel:
    return refit_model(reference, toy_data)


def spoiled(split: Split) -> Split:
    """Return a split with other signals, and labels turned around."""
    rng = np.random.default_rng(0)
    return dataclasses.replace(split, signals_uv=rng.integers(-3000, 3000, split.signals_uv.shape, np.int16), labels=1 - split.labels)


def fitted(model: SavedModel) -> dict[str, object]:
    """Return everything a file says except weights, losses and seconds."""
    facts = {field.name: getattr(model, field.name) for field in dataclasses.fields(model)}
    facts["history"] = [(row["epoch"], row["learning_rate"]) for row in model.history]
    return {name: value for name, value in facts.items() if name not in ("state", "seconds")}


def test_nothing_but_weights_changes_when_validation_is_another(reference: SavedModel, both: SavedModel, toy_data: PreparedData) -> None:
    other = refit_model(reference, dataclasses.replace(toy_data, validation=spoiled(toy_data.validation)))
    assert fitted(other) == fitted(both)
    assert any(not torch.equal(other.state[key], both.state[key]) for key in both.state), "validation records train it"


def test_all_that_validation_decides_comes_from_the_reference_model(reference: SavedModel, both: SavedModel) -> None:
    assert both.trained_on == "train+validation"
    assert both.epochs == len(both.history) == reference.best_epoch
    for name in ("thresholds", "validation_macro_auc", "data", "config", "seed", "trial", "best_epoch"):
        assert getattr(both, name) == getattr(reference, name), name
    assert [row["learning_rate"] for row in both.history] == [row["learning_rate"] for row in reference.history[: reference.best_epoch]]


def test_every_record_of_both_splits_is_trained_on(reference: SavedModel, toy_data: PreparedData) -> None:
    for split in ("train", "validation"):
        other = refit_model(reference, dataclasses.replace(toy_data, **{split: spoiled(getattr(toy_data, split))}))
        assert other.history[0]["train_loss"] != refit_model(reference, toy_data).history[0]["train_loss"], split


def test_thresholds_of_a_model_trained_on_train_do_not_depend_on_training_records(reference: SavedModel, toy_data: PreparedData) -> None:
    fit = train_model(CONFIG, toy_data, seed=3)
    other = saved_model(fit, dataclasses.replace(toy_data, train=spoiled(toy_data.train)), name="CNN1D", trial=7)
    assert other.thresholds == reference.thresholds
