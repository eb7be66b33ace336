"""Trackers beside the study: what Tune writes anyway, and those asked for."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from mlflow import MlflowClient
from ray import tune
from ray.tune.logger import LoggerCallback
from tensorboardX.proto.event_pb2 import Event

from ecg_tune.errors import UsageError
from ecg_tune.search import trackers as loggers
from ecg_tune.search.trackers import Tracker, trackers


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


@pytest.mark.ray
def test_every_epoch_is_in_tensorboard_mlflow_and_weights_and_biases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RAY_AIR_NEW_OUTPUT": "0", "MLFLOW_ALLOW_FILE_STORE": "true", "WANDB_MODE": "offline"}.items():
        monkeypatch.setenv(name, value)
    study, store = tmp_path / "study", (tmp_path / "mlruns").as_uri()
    study.mkdir()
    chosen = trackers(store, "project", folder=study)
    # its own: the process of W&B's callback takes its settings from the environment of its Ray
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        kept = tune.CheckpointConfig(checkpoint_at_end=False)
        run = tune.RunConfig(name="run", storage_path=str(tmp_path), verbose=0, callbacks=list(chosen), checkpoint_config=kept)
        tune.Tuner(Toy, tune_config=tune.TuneConfig(num_samples=1), run_config=run).fit()
    finally:
        ray.shutdown()
    assert not any(tracker.failed for tracker in chosen)

    (path,) = tmp_path.glob("run/*/events.out.tfevents.*")
    scalars = {(value.tag, event.step): value.simple_value for event in events(path) for value in event.summary.value}
    for epoch in (1, 2, 3):
        assert scalars["ray/tune/value", epoch] == pytest.approx(0.25 * epoch)
        assert scalars["ray/tune/losses/train", epoch] == pytest.approx(1 / epoch)
        assert scalars["ray/tune/losses/validation", epoch] == pytest.approx(2 / epoch)

    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("study")
    assert experiment
    (logged,) = client.search_runs([experiment.experiment_id])
    assert logged.info.status == "FINISHED"
    assert [metric.value for metric in client.get_metric_history(logged.info.run_id, "value")] == [0.25, 0.5, 0.75]

    (offline,) = study.glob("wandb/offline-run-*/*.wandb")
    assert offline.stat().st_size


def test_no_tracker_is_used_unless_asked_for() -> None:
    assert trackers(None, None, folder=Path("study")) == []


@pytest.mark.parametrize(("module", "package"), [("mlflow", "mlflow-skinny"), ("wandb", "wandb")])
def test_a_tracker_that_is_not_installed_is_refused_with_the_remedy(module: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    asked = {"mlflow": None, "wandb": None, module: "somewhere"}
    with pytest.raises(UsageError, match=rf"^{module} is not installed: pip install {package}$"):
        trackers(**asked, folder=Path("study"))


def test_a_tracker_that_can_not_be_reached_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        address = f"http://127.0.0.1:{closed_soon.getsockname()[1]}"
    with pytest.raises(UsageError, match=rf"^MLflow at '{address}' can't be used: .*Connection refused[^\n]*$"):
        trackers(address, None, folder=Path("study"))


class Broken(LoggerCallback):
    """A tracker whose server went away."""

    tries = 0

    def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
        self.tries += 1
        raise ConnectionError("no route to host\nand forty lines more")


def test_a_tracker_that_fails_during_a_search_is_given_up_aloud() -> None:
    message: list[str] = []
    broken = Broken()
    tracker = Tracker("MLflow at 'there'", broken)
    tracker.say = message.append
    for iteration in (1, 2, 3):
        tracker.log_trial_result(iteration, None, {})
    assert message == ["MLflow at 'there' failed: no route to host; the search goes on without it, nothing is missing in the study"]
    assert broken.tries == 1
