"""All that is used of Ray Tune's private API, in one place: read from the source of Ray `READ_FROM`.

Tune offers no public way to learn why a worker was lost, to see which trials have one, or to take a trial from a worker that
reports nothing any more. `tests/search/test_tune_internals.py` fails when another Ray is installed: read these names again then.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ray.tune import TuneError
from ray.tune.experiment import Trial

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController

READ_FROM = "2.60.0"
NAMES = (
    "_actor_manager", "_process_trial_failure", "_resetting_trials", "_set_trial_status", "_stopping_actors", "_trial_to_actor",
    "_unstage_trial_with_resources",
)  # fmt: skip
"""Private attributes of `TuneController` that are used here."""


def keep_errors(controller: Any, errors: dict[str, Exception]) -> None:
    """Let every failure of a trial's worker be kept by the trial's id before Tune handles it. Calling it twice changes nothing."""
    tune = _controller(controller)
    if "_process_trial_failure" not in vars(tune):
        tune._process_trial_failure = partial(_keep_error, errors, tune._process_trial_failure)  # type: ignore[method-assign]


def on_workers(controller: Any) -> list[Trial]:
    """List the trials that a worker has: those that run, and those that a warm worker is taking over."""
    tune = _controller(controller)
    held = [trial for trial in tune.get_live_trials() if trial in tune._trial_to_actor]
    return [trial for trial in held if trial.status == Trial.RUNNING or trial in tune._resetting_trials]


def without_worker(controller: Any) -> list[Trial]:
    """List the waiting trials for which no worker is starting."""
    tune = _controller(controller)
    return [trial for trial in tune.get_live_trials() if trial.status == Trial.PENDING and trial not in tune._trial_to_actor]


def host_of(trial: Trial) -> str | None:
    """Return the host of a trial's worker, None where Tune does not know it."""
    host: str | None = trial.temporary_state.location.hostname
    return host


def take_from_worker(controller: Any, trial: Trial, error: TuneError) -> None:
    """Take a trial from its worker as if that had failed; Tune itself would wait for ever while Ray believes in the host."""
    tune = _controller(controller)
    worker = tune._trial_to_actor[trial]
    if trial in tune._resetting_trials:  # a warm worker that did not even take it
        tune._resetting_trials.discard(trial)
        tune._set_trial_status(trial, Trial.RUNNING)
        tune._unstage_trial_with_resources(trial)
    tune._process_trial_failure(trial, exception=error)
    tune._actor_manager.remove_actor(worker, kill=True)
    tune._stopping_actors.pop(worker, None)


def _controller(controller: Any) -> TuneController:
    """Return Tune's controller behind the adapter that it hands to schedulers."""
    tune: TuneController = controller._tune_controller
    return tune


def _keep_error(errors: dict[str, Exception], process: Any, trial: Trial, exception: Exception) -> None:
    errors[trial.trial_id] = exception
    process(trial, exception=exception)
