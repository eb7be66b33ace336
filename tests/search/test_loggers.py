"""Trackers beside the study: what Tune writes anyway, and those asked for."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import tune
from tensorboardX.proto.event_pb2 import Event

from ecg_tune.errors import UsageError
from ecg_tune.search import loggers
from ecg_tune.search.loggers import callbacks

STUB = """
calls = []

def set_tracking_uri(uri):
    calls.append(uri)

def set_registry_uri(uri): ...

def get_experiment_by_name(name):
    if "nowhere" in calls[-1]:
        raise ConnectionError("no route to host\\nand forty lines more")

def create_experiment(name, artifact_location):
    calls.append(name)
    return "7"
"""


class Toy(tune.Trainable):
    """Reports what the real trainables report."""

    def setup(self, config: dict[str, Any]) -> None:
        self.epoch = 0

    def step(self) -> dict[str, Any]:
        self.epoch += 1
        losses = {"train": 1 / self.epoch, "validation": 2 / self.epoch}
        return {"epoch": self.epoch, "value": 0.25 * self.epoch, "losses": losses, "done": self.epoch == 3}


def events(path: Path) -> Iterator[Event]:
    """Read a file of TensorBoard events: records of length (8 bytes), its checksum (4), the event, its checksum (4)."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        yield Event.FromString(data[at + 12 : at + 12 + length])
        at += 12 + length + 4


def test_tune_writes_every_epochs_value_and_losses_as_tensorboard_events(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AIR_NEW_OUTPUT", "0")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        run = tune.RunConfig(name="run", storage_path=str(tmp_path), verbose=0, callbacks=callbacks(None, None, name="study"))
        tune.Tuner(Toy, tune_config=tune.TuneConfig(num_samples=1), run_config=run).fit()
    finally:
        ray.shutdown()
    (path,) = tmp_path.glob("run/*/events.out.tfevents.*")
    scalars = {(value.tag, event.step): value.simple_value for event in events(path) for value in event.summary.value}
    for epoch in (1, 2, 3):
        assert scalars["ray/tune/value", epoch] == pytest.approx(0.25 * epoch)
        assert scalars["ray/tune/losses/train", epoch] == pytest.approx(1 / epoch)
        assert scalars["ray/tune/losses/validation", epoch] == pytest.approx(2 / epoch)


@pytest.fixture
def mlflow(tmp_path, monkeypatch) -> Any:
    """Return a stand-in for MLflow as far as Ray's callback goes before a trial starts."""
    (tmp_path / "mlflow.py").write_text(STUB)
    monkeypatch.syspath_prepend(str(tmp_path))
    import importlib
    import sys

    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    yield importlib.import_module("mlflow")
    sys.modules.pop("mlflow", None)


def test_no_tracker_is_used_unless_asked_for():
    assert callbacks(None, None, name="study") == []


@pytest.mark.parametrize("package", ["mlflow", "wandb"])
def test_a_tracker_that_is_not_installed_is_refused_with_the_remedy(package, monkeypatch):
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    asked = {"mlflow": None, "wandb": None, package: "somewhere"}
    with pytest.raises(UsageError, match=rf"^{package} is not installed: pip install {package}$"):
        callbacks(**asked, name="study")


def test_mlflow_gets_its_address_and_the_studys_name(mlflow):
    (callback,) = callbacks("http://tracker:5000", None, name="study")
    assert isinstance(callback, tune.Callback)
    assert mlflow.calls == ["http://tracker:5000", "study"]


def test_a_tracker_that_can_not_be_reached_is_refused_in_one_line(mlflow):
    with pytest.raises(UsageError, match=r"^MLflow at 'http://nowhere' can't be used: no route to host$"):
        callbacks("http://nowhere", None, name="study")
