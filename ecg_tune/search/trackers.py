"""Trackers beside the study: MLflow and Weights & Biases through Ray's own callbacks. TensorBoard events Tune writes anyway."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.logger import LoggerCallback

from ecg_tune.errors import UsageError

PACKAGES = {"mlflow": "mlflow-skinny", "wandb": "wandb"}
"""What installs a module. All of MLflow would bring an older pyarrow along, which only its own server and databases need."""
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""Seconds, not MLflow's own minutes, for a server that does not answer: the search waits meanwhile."""


class Tracker(LoggerCallback):
    """Passes a search on to a tracker until that fails. Then the search goes on without it: the study is what counts.

    Attributes:
        say: Is told when it fails; set before the search starts.
    """

    def __init__(self, name: str, callback: LoggerCallback) -> None:
        self.name, self.callback = name, callback
        self.say: Callable[[str], None] = print
        self.failed = False

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune pickles it for `Tuner.restore`, which is not used."""
        return {}

    def log_trial_start(self, trial: Trial) -> None:
        self._pass_on(self.callback.log_trial_start, trial)

    def log_trial_result(self, iteration: int, trial: Trial, result: dict[str, Any]) -> None:
        self._pass_on(self.callback.log_trial_result, iteration, trial, result)

    def log_trial_end(self, trial: Trial, failed: bool = False) -> None:
        self._pass_on(self.callback.log_trial_end, trial, failed)

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        self._pass_on(self.callback.on_experiment_end, trials, **info)

    def _pass_on(self, method: Callable[..., None], *args: Any, **info: Any) -> None:
        if self.failed:
            return
        try:
            method(*args, **info)
        except Exception as error:  # each tracker has its own errors, and they may not be importable here
            self.failed = True
            self.say(f"{self.name} failed: {_first_line(error)}; the search goes on without it, nothing is missing in the study")


def trackers(mlflow: str | None, wandb: str | None, *, folder: Path) -> list[Tracker]:
    """Return Tune's callbacks for the trackers that were asked for. Every epoch's result and every trial's config go there.

    Args:
        mlflow: MLflow's tracking URI; a run a trial, in an experiment named as the study.
        wandb: Weights & Biases' project; a run a trial, in a group named as the study. Its files go to `STUDY/wandb`.
        folder: The study's.

    Raises:
        UsageError: The tracker's package is not installed, or the tracker can't be reached or doesn't let us in.
    """
    chosen: list[Tracker] = []
    folder = folder.resolve()
    if mlflow is not None:
        _check_installed("mlflow")
        for setting, value in PATIENCE.items():
            os.environ.setdefault(setting, value)
        from ray.air.integrations.mlflow import MLflowLoggerCallback  # needs mlflow, which is not installed with us

        chosen.append(_set_up(lambda: MLflowLoggerCallback(tracking_uri=mlflow, experiment_name=folder.name), f"MLflow at {mlflow!r}"))
    if wandb is not None:
        _check_installed("wandb")
        from ray.air.integrations.wandb import WandbLoggerCallback  # needs wandb, which is not installed with us

        class Wandb(WandbLoggerCallback):
            def __del__(self) -> None:
                """Do nothing: `on_experiment_end` has done it, and when Python ends there is no Ray left to ask."""

        chosen.append(_set_up(lambda: Wandb(project=wandb, group=folder.name, dir=str(folder)), f"Weights & Biases project {wandb!r}"))
    return chosen


def _check_installed(module: str) -> None:
    if find_spec(module) is None:
        raise UsageError(f"{module} is not installed: pip install {PACKAGES[module]}")


def _set_up(make: Callable[[], LoggerCallback], name: str) -> Tracker:
    """Connect before the search starts: Tune would do it later and let the search die with a traceback."""
    try:
        callback = make()
        callback.setup()
    except Exception as error:  # as above
        raise UsageError(f"{name} can't be used: {_first_line(error)}") from error
    return Tracker(name, callback)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
