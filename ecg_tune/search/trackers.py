"""Trackers beside the study: MLflow and Weights & Biases through Ray's own callbacks, and TensorBoard."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ray.tune.experiment import Trial
from ray.tune.logger import LoggerCallback

from ecg_tune.errors import UsageError
from ecg_tune.search.callbacks import in_one_line
from ecg_tune.search.tracker_records import TrialRecord, epoch_numbers, study_facts
from ecg_tune.study.attributes import StudyAttributes

PACKAGES = {"mlflow": "mlflow-skinny", "wandb": "wandb"}
"""What installs a module. All of MLflow would bring an older pyarrow along, which only its own server and databases need."""
NO_TUNE_LOGS = "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"
"""Environment variable, 0 or 1, by which Tune is told to write no logs."""
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""Seconds, not MLflow's own minutes, for a server that does not answer: the search waits meanwhile."""


class Tracker(LoggerCallback):
    """Passes a search on to a tracker until that fails. Then the search goes on without it: the study is what counts.

    Args:
        name: What messages call it.
        callback: Ray's callback for it.
        attributes: Of the study.
        facts: Of the study, which every trial's config gets.

    Attributes:
        say: Is told when it fails; set before the search starts.
    """

    def __init__(self, name: str, callback: LoggerCallback, attributes: StudyAttributes, facts: Mapping[str, Any]) -> None:
        self.name, self.callback, self.attributes, self.facts = name, callback, attributes, facts
        self.records: dict[str, TrialRecord] = {}
        self.broken = set[str]()
        self.say: Callable[[str], None] = print
        self.failed = False

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune pickles it for `Tuner.restore`, which is not used."""
        return {}

    def log_trial_start(self, trial: Trial) -> None:
        self._pass_on(self.callback.log_trial_start, self._record(trial))

    def log_trial_result(self, iteration: int, trial: Trial, result: dict[str, Any]) -> None:
        if numbers := epoch_numbers(result, self.attributes):
            self._pass_on(self.callback.log_trial_result, numbers["training_iteration"], self._record(trial), numbers)
        elif result.get("fail_reason"):
            self.broken.add(trial.trial_id)

    def log_trial_end(self, trial: Trial, failed: bool = False) -> None:
        self._pass_on(self.callback.log_trial_end, self._record(trial), failed or trial.trial_id in self.broken)
        self.records.pop(trial.trial_id, None)

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        self._pass_on(self.callback.on_experiment_end, trials, **info)

    def _record(self, trial: Trial) -> TrialRecord:
        """Return the one record that stands for a trial: trackers know their runs by it."""
        return self.records.setdefault(trial.trial_id, TrialRecord(trial, self.facts))

    def _pass_on(self, method: Callable[..., None], *args: Any, **info: Any) -> None:
        if self.failed:
            return
        try:
            method(*args, **info)
        except Exception as error:  # each tracker has its own errors, and they may not be importable here
            self.failed = True
            self.say(f"{self.name} failed: {in_one_line(error)}; the search goes on without it, nothing is missing in the study")


def trackers(
    mlflow: str | None, wandb: str | None, tensorboard: bool = False, *, folder: Path, attributes: StudyAttributes
) -> list[Tracker]:
    """Return callbacks for the trackers that were asked for. Every epoch's numbers and every trial's config, once, go there.

    Args:
        mlflow: MLflow's tracking URI; a run a trial, in an experiment named as the study.
        wandb: Weights & Biases' project; a run a trial, in a group named as the study. Its files go to `STUDY/wandb`.
        tensorboard: Write TensorBoard's events to `STUDY/tensorboard`, a folder a trial.
        folder: The study's.
        attributes: The study's.

    Raises:
        UsageError: The tracker's package is not installed, or the tracker can't be reached or doesn't let us in; or a URI with a
            password, which every process list and log would show.
    """
    chosen: list[Tracker] = []
    folder = folder.resolve()
    facts = study_facts(folder.name, attributes) if tensorboard or mlflow is not None or wandb is not None else {}

    def add(make: Callable[[], LoggerCallback], name: str) -> None:
        chosen.append(Tracker(name, _set_up(make, name), attributes, facts))

    if tensorboard:
        from ecg_tune.search.tensorboard import TensorBoardEvents  # its package imports torch, which a driver does without

        add(lambda: TensorBoardEvents(folder), "TensorBoard")
    if mlflow is not None:
        _check_without_password(mlflow)
        _check_installed("mlflow")
        for setting, value in PATIENCE.items():
            os.environ.setdefault(setting, value)
        from ray.air.integrations.mlflow import MLflowLoggerCallback  # needs mlflow, which is not installed with us

        add(lambda: MLflowLoggerCallback(tracking_uri=mlflow, experiment_name=folder.name), f"MLflow at {mlflow!r}")
    if wandb is not None:
        _check_installed("wandb")
        from ray.air.integrations.wandb import WandbLoggerCallback  # needs wandb, which is not installed with us

        class Wandb(WandbLoggerCallback):
            def __del__(self) -> None:
                """Do nothing: `on_experiment_end` has done it, and when Python ends there is no Ray left to ask."""

        add(lambda: Wandb(project=wandb, group=folder.name, dir=str(folder)), f"Weights & Biases project {wandb!r}")
    return chosen


def _check_without_password(uri: str) -> None:
    """Refuse a URI that holds what lets one in, without repeating it.

    Raises:
        UsageError: Names the variables that MLflow reads instead.
    """
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise UsageError(f"--mlflow is no address: {error}") from error
    if "@" in parts.netloc:
        remedy = "leave them out and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        raise UsageError(f"--mlflow holds a name or a password for {parts.hostname}: {remedy}")


def _check_installed(module: str) -> None:
    if find_spec(module) is None:
        raise UsageError(f"{module} is not installed: pip install {PACKAGES[module]}")


def _set_up(make: Callable[[], LoggerCallback], name: str) -> LoggerCallback:
    """Connect before the search starts: Tune would do it later and let the search die with a traceback."""
    try:
        callback = make()
        callback.setup()
    except Exception as error:  # as above
        raise UsageError(f"{name} can't be used: {in_one_line(error)}") from error
    return callback
