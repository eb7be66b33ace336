"""Trackers beside the study: what Tune writes anyway, and those asked for."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from mlflow import MlflowClient
from ray import tune
from ray.tune.logger import LoggerCallback
from tensorboardX.proto.event_pb2 import Event

from ecg_tune.errors import UsageError
from ecg_tune.search import trackers as loggers
from ecg_tune.search.tracker_records import epoch_numbers, git_revision
from ecg_tune.search.trackers import Tracker, trackers
from ecg_tune.study.attributes import StudyAttributes
from tests.faults.processes import wait_for

ATTRIBUTES = StudyAttributes(metric="macro_f1", split="official", data_fingerprint="abc123", class_names=("NORM", "MI"), leads=("I", "II"))
TASK = {
    "number": 7, "family": "cnn1d", "seed": 3, "path": "checkpoints/trial_00007", "reported": 0,
    "trial": {"family": "cnn1d", "model": {"depth": 4}, "training": {"learning_rate": 0.003}, "image": None},
}  # fmt: skip
TRIAL: Any = SimpleNamespace(trial_id="t", config=TASK)


class Toy(tune.Trainable):
    """Reports what the real trainables report."""

    def setup(self, config: dict[str, Any]) -> None:
        self.epoch = 0

    def step(self) -> dict[str, Any]:
        self.epoch += 1
        losses = {"train": 1 / self.epoch, "validation": 2 / self.epoch}
        facts = {"per_class_auc": [0.5, 0.75], "best_epoch": self.epoch, "device": "cpu", "complete": self.epoch == 3, "epochs": self.epoch}
        return {"epoch": self.epoch, "value": 0.25 * self.epoch, "losses": losses, "done": self.epoch == 3, **facts}


def events(path: Path) -> Iterator[Event]:
    """Read a file of TensorBoard events: records of length (8 bytes), its checksum (4), the event, its checksum (4)."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        yield Event.FromString(data[at + 12 : at + 12 + length])
        at += 12 + length + 4


@pytest.mark.ray
def test_every_epoch_is_in_tensorboard_mlflow_and_weights_and_biases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    for name, value in {
        "RAY_AIR_NEW_OUTPUT": "0",
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "WANDB_MODE": "offline",
    }.items():
        monkeypatch.setenv(name, value)
    study, store = tmp_path / "study", (tmp_path / "mlruns").as_uri()
    study.mkdir()
    chosen = trackers(store, "project", True, folder=study, attributes=ATTRIBUTES)
    # its own: the process of W&B's callback takes its settings from the environment of its Ray
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        kept = tune.CheckpointConfig(checkpoint_at_end=False)
        run = tune.RunConfig(name="run", storage_path=str(tmp_path), verbose=0, callbacks=list(chosen), checkpoint_config=kept)
        tune.Tuner(Toy, param_space=TASK, tune_config=tune.TuneConfig(num_samples=1), run_config=run).fit()
    finally:
        ray.shutdown()
    assert not any(tracker.failed for tracker in chosen)

    (path,) = study.glob("tensorboard/trial_00007/events.out.tfevents.*")
    scalars = {(value.tag, event.step): value.simple_value for event in events(path) for value in event.summary.value}
    for epoch in (1, 2, 3):
        assert scalars["macro_f1", epoch] == pytest.approx(0.25 * epoch)
        assert scalars["train_loss", epoch] == pytest.approx(1 / epoch)
        assert scalars["validation_loss", epoch] == pytest.approx(2 / epoch)
        assert scalars["best_epoch_auc/MI", epoch] == pytest.approx(0.75)
    names = ("macro_f1", "train_loss", "validation_loss", "best_epoch_auc/NORM", "best_epoch_auc/MI", "best_epoch")
    assert {tag for tag, _ in scalars if not tag.startswith("_hparams_")} == set(names)
    for word in (b"study/data_fingerprint", b"abc123", b"training/learning_rate"):
        assert word in path.read_bytes()

    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("study")
    assert experiment
    (logged,) = client.search_runs([experiment.experiment_id])
    assert logged.info.status == "FINISHED"
    history = client.get_metric_history(logged.info.run_id, "macro_f1")
    assert [(metric.step, metric.value) for metric in history] == [(1, 0.25), (2, 0.5), (3, 0.75)]
    assert set(logged.data.metrics) == {*names, "training_iteration"}
    params = logged.data.params
    assert (params["family"], params["number"], params["training/learning_rate"]) == ("cnn1d", "7", "0.003")
    assert (params["study/data_fingerprint"], params["study/split"], params["study/metric"]) == ("abc123", "official", "macro_f1")
    assert params["study/git_revision"] == git_revision()
    assert not any(name.startswith(("path", "trial")) for name in params)

    (offline,) = study.glob("wandb/offline-run-*/*.wandb")
    for word in (b"macro_f1", b"best_epoch_auc/MI", b"data_fingerprint", b"abc123", b"learning_rate"):
        assert wait_for(lambda word=word: word in offline.read_bytes(), at_most_s=180)  # W&B's own process writes it
    assert b"per_class_auc" not in offline.read_bytes()


@pytest.mark.parametrize("link", ["tensorboard", "tensorboard/trial_00007"])
def test_events_are_not_written_through_a_link_of_a_study(link: str, tmp_path: Path) -> None:
    study, elsewhere, message = tmp_path / "study", tmp_path / "elsewhere", list[str]()
    (study / link).parent.mkdir(parents=True)
    elsewhere.mkdir()
    (study / link).symlink_to(elsewhere)
    with suppress(UsageError):
        (tracker,) = trackers(None, None, True, folder=study, attributes=ATTRIBUTES)
        tracker.say = message.append
        tracker.log_trial_start(TRIAL)
        assert "leads out of the study" in message[0]
    assert list(elsewhere.iterdir()) == []


def test_no_tracker_is_used_unless_asked_for() -> None:
    assert trackers(None, None, folder=Path("study"), attributes=ATTRIBUTES) == []


@pytest.mark.parametrize(("module", "package"), [("mlflow", "mlflow-skinny"), ("wandb", "wandb")])
def test_a_tracker_that_is_not_installed_is_refused_with_the_remedy(module: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    asked = {"mlflow": None, "wandb": None, module: "somewhere"}
    with pytest.raises(UsageError, match=rf"^{module} is not installed: pip install {package}$"):
        trackers(**asked, folder=Path("study"), attributes=ATTRIBUTES)


def test_a_tracker_that_can_not_be_reached_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        address = f"http://127.0.0.1:{closed_soon.getsockname()[1]}"
    with pytest.raises(UsageError, match=rf"^MLflow at '{address}' can't be used: .*Connection refused[^\n]*$"):
        trackers(address, None, folder=Path("study"), attributes=ATTRIBUTES)


@pytest.mark.parametrize(
    "uri", ["http://me:s3cret@host/", "https://me:s3cret@host:5000", "http://:s3cret@host/path", "databricks://s3cret@host"]
)
def test_an_address_with_a_password_is_refused_without_repeating_it(uri: str) -> None:
    with pytest.raises(UsageError, match=r"^--mlflow holds a name or a password for host: .*MLFLOW_TRACKING_PASSWORD$") as refused:
        trackers(uri, None, folder=Path("study"), attributes=ATTRIBUTES)
    assert "s3cret" not in str(refused.value)


class Broken(LoggerCallback):
    """A tracker whose server went away."""

    tries = 0

    def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
        self.tries += 1
        raise ConnectionError("no route to host\nand forty lines more")


def test_a_tracker_that_fails_during_a_search_is_given_up_aloud() -> None:
    message: list[str] = []
    broken = Broken()
    tracker = Tracker("MLflow at 'there'", broken, ATTRIBUTES, {})
    tracker.say = message.append
    for iteration in (1, 2, 3):
        tracker.log_trial_result(iteration, TRIAL, {"epoch": iteration, "value": 0.5})
    assert message == ["MLflow at 'there' failed: no route to host; the search goes on without it, nothing is missing in the study"]
    assert broken.tries == 1


def test_a_trial_that_failed_gives_no_numbers_and_ends_as_failed() -> None:
    ends: list[bool] = []

    class Run(LoggerCallback):
        def log_trial_end(self, trial: Any, failed: bool = False) -> None:
            ends.append(failed)

    tracker = Tracker("MLflow", Run(), ATTRIBUTES, {})
    tracker.log_trial_start(TRIAL)
    tracker.log_trial_result(1, TRIAL, {"fail_reason": "nan", "failure": "loss is nan", "epochs": 0})
    tracker.log_trial_end(TRIAL)
    assert ends == [True]
    assert epoch_numbers({"fail_reason": "nan"}, ATTRIBUTES) == {}


def test_code_outside_of_a_repository_has_no_revision(tmp_path: Path) -> None:
    assert git_revision(tmp_path) == ""
    assert git_revision(tmp_path / "gone") == ""
