"""The class that Ray Tune sees, without a cluster: the right class for each trial, clean changes between classes, failures."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

import trainables.base
from ecg_tune.config import ImageConfig, TrainingConfig, TrialConfig, to_dict
from ecg_tune.models import ResNetConfig, RNNConfig
from ecg_tune.storage import LocalStorage
from trainables import FamilyTrainable, LearnerTrainable, Shared

TRAINING = TrainingConfig(max_epochs=3, crop_s=1.0)
CONFIGS = {
    "rnn": TrialConfig("rnn", RNNConfig(hidden_size=8, num_layers=1, dropout=0.1), TRAINING),
    "resnet": TrialConfig("resnet", ResNetConfig(layers=(1,), width=4, stem="small"), TRAINING, ImageConfig(size=32)),
}


class ImageTrainable(LearnerTrainable):
    """A family's own class: its results say so."""

    def step(self) -> dict[str, Any]:
        return {**super().step(), "told": "by the family's own class"}


class BrokenTrainable(LearnerTrainable):
    """A family's own class that raises where `problem` says."""

    def setup(self, config: dict[str, Any], shared: Shared) -> None:
        if config["seed"] == 1:
            raise ValueError("no setup today")
        super().setup(config, shared)

    def step(self) -> dict[str, Any]:
        raise ValueError("no step today")


CLASSES = {"rnn": LearnerTrainable, "resnet": ImageTrainable}


def task(family: str, number: int, *, seed: int = 7) -> dict[str, Any]:
    path = f"checkpoints/trial_{number:05d}"
    return {"number": number, "family": family, "trial": to_dict(CONFIGS[family]), "seed": seed, "path": path, "reported": 0}


@pytest.fixture
def shared(few_data, tmp_path) -> Shared:
    return Shared(data=few_data, checkpoints=LocalStorage(tmp_path), metric="macro_auc", threads=1)


def worker(shared: Shared, config: dict[str, Any], classes: dict[str, type[LearnerTrainable]] = CLASSES) -> FamilyTrainable:
    trainable = object.__new__(FamilyTrainable)  # Ray's own constructor wants a cluster
    trainable.setup(config, shared, classes)
    return trainable


def test_each_trial_runs_in_its_familys_class_whatever_the_worker_ran_before(shared):
    trainable, ran = worker(shared, task("rnn", 0)), []
    for number, family in enumerate(("rnn", "resnet", "resnet", "rnn")):
        if number:
            trainable.reset_config(task(family, number))
        result = trainable.step()
        ran.append((type(trainable.trainable), "told" in result, result["epoch"]))
    assert ran == [(CLASSES[family], family == "resnet", 1) for family in ("rnn", "resnet", "resnet", "rnn")]


def test_trials_of_one_class_keep_the_object_and_another_class_drops_it_with_its_model(shared):
    trainable = worker(shared, task("rnn", 0))
    trainable.step()
    first = trainable.trainable
    trainable.reset_config(task("rnn", 1))
    assert trainable.trainable is first
    trainable.step()
    assert first is not None
    assert first.learner is not None
    model = weakref.ref(first.learner.model)
    kept = weakref.ref(first)
    del first
    gc.disable()  # it must be gone before the next trial begins, not when Python happens to look
    try:
        trainable.reset_config(task("resnet", 2))
        assert (kept(), model()) == (None, None)
    finally:
        gc.enable()


def test_the_data_set_stays_on_the_device_when_the_class_changes(shared, monkeypatch):
    copies = []
    real = trainables.base.learning_data
    monkeypatch.setattr(trainables.base, "learning_data", lambda data, device: copies.append(device) or real(data, device))
    trainables.base._on_device.clear()
    trainable = worker(shared, task("rnn", 0))
    for number, family in enumerate(("resnet", "rnn"), start=1):
        trainable.step()
        trainable.reset_config(task(family, number))
    trainable.step()
    assert len(copies) == 1


def test_a_trial_gives_the_same_values_after_another_class_as_on_a_new_worker(shared, tmp_path):
    used = worker(shared, task("resnet", 0))
    used.step()
    used.reset_config(task("rnn", 1))
    fresh = worker(Shared(shared.data, LocalStorage(tmp_path / "fresh"), "macro_auc", 1), task("rnn", 1))
    assert [used.step()["value"] for _ in range(2)] == [fresh.step()["value"] for _ in range(2)]


@pytest.mark.parametrize(("seed", "text"), [(1, "ValueError: no setup today"), (2, "ValueError: no step today")])
def test_an_error_in_a_familys_own_class_fails_its_trial_and_the_worker_takes_the_next(shared, seed, text):
    trainable = worker(shared, task("resnet", 0, seed=seed), {**CLASSES, "resnet": BrokenTrainable})
    result = trainable.step()
    assert (result["fail_reason"], result["done"], result["complete"], result["epochs"]) == ("error", True, False, 0)
    assert text in result["failure"]
    assert result["worker"]
    trainable.reset_config(task("rnn", 1))
    assert trainable.step()["epoch"] == 1
    trainable.cleanup()
    assert trainable.trainable is None
