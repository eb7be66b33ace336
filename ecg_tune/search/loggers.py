"""Trackers beside the study: MLflow and Weights & Biases through Ray's own callbacks. TensorBoard events Tune writes anyway."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from ray import tune
from ray.tune.logger import LoggerCallback

from ecg_tune.errors import UsageError


def callbacks(mlflow: str | None, wandb: str | None, *, name: str) -> list[tune.Callback]:
    """Return Tune's callbacks for the trackers that were asked for. Every epoch's result and every trial's config go there.

    Args:
        mlflow: MLflow's tracking URI; a run a trial, in the experiment `name`.
        wandb: Weights & Biases' project; a run a trial, in the group `name`.

    Raises:
        UsageError: The tracker's package is not installed, or the tracker can't be reached or doesn't let us in.
    """
    chosen: list[tune.Callback] = []
    if mlflow is not None:
        _check_installed("mlflow")
        from ray.air.integrations.mlflow import MLflowLoggerCallback

        chosen.append(_set_up(lambda: MLflowLoggerCallback(tracking_uri=mlflow, experiment_name=name), f"MLflow at {mlflow!r}"))
    if wandb is not None:
        _check_installed("wandb")
        from ray.air.integrations.wandb import WandbLoggerCallback

        chosen.append(_set_up(lambda: WandbLoggerCallback(project=wandb, group=name), f"Weights & Biases project {wandb!r}"))
    return chosen


def _check_installed(package: str) -> None:
    if find_spec(package) is None:
        raise UsageError(f"{package} is not installed: pip install {package}")


def _set_up(make: Callable[[], LoggerCallback], which: str) -> tune.Callback:
    """Connect before the search starts: Tune would do it later and let the search die with a traceback."""
    try:
        callback = make()
        callback.setup()
    except Exception as error:  # each tracker has its own errors, and they may not be importable here
        raise UsageError(f"{which} can't be used: {(str(error) or type(error).__name__).splitlines()[0]}") from error
    return callback
