"""The seam to Ray Tune: a searcher and a scheduler that only pass on what the book says."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from functools import partial
from textwrap import shorten
from typing import Any

from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune import TuneError
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.stall import StallDetector

LONGEST = 300
"""Characters of a lost worker's reason; Ray's go on with what might be done about it."""
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class StalledWorkerError(TuneError):
    """A trial's worker reports nothing any more."""


class _NotPickled:
    """Tune pickles its searcher and scheduler for `Tuner.restore`, which is not used: the study holds all there is."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class EngineSearcher(_NotPickled, Searcher):
    """Hands out the book's assignments and closes their rows.

    Not `OptunaSearch`: that one calls early-stopped trials COMPLETE, drops the value at the stopping step and leaves NaN
    trials RUNNING.

    Args:
        slots: Gives how many trials may be out at once.

    Attributes:
        lost: Why the worker of a Tune trial was lost, and the trial's last result.
    """

    def __init__(self, engine: SearchEngine, slots: Callable[[], int]) -> None:
        super().__init__()
        self.engine, self.slots = engine, slots
        self.numbers: dict[str, int] = {}
        self.lost: dict[str, tuple[str, str, dict[str, Any]]] = {}

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """Return the next trial's config for the trainable, None for "ask again", or `Searcher.FINISHED`.

        It is not finished while a trial runs: that one may be handed out once more.
        """
        if len(self.numbers) >= self.slots():
            return None
        assignment = self.engine.next_assignment()
        if assignment is None:
            return None if self.numbers else str(Searcher.FINISHED)
        self.numbers[trial_id] = assignment.number
        task = {field.name: getattr(assignment, field.name) for field in dataclasses.fields(assignment)}
        return {**task, "trial": task.pop("config")}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Close the row. The result on which a trial was stopped comes only here."""
        number = self.numbers.pop(trial_id)
        if error or result is None:
            reason, text, last = self.lost.pop(trial_id, ("error", "the worker was lost", {}))
            if self.engine.retry_lost(number, text, counted=reason != "preempted"):
                return
            failure = f"lost more often than is retried (--retries): {text}"
            self.engine.close(number, {**last, "fail_reason": reason, "failure": failure, "complete": False})
            return
        if not result.get("fail_reason"):
            self.engine.record(number, result)
        self.engine.close(number, result)

    def save(self, checkpoint_path: str) -> None:
        """Keep nothing: the study holds all."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: a continued search is a new one on the same study."""


class EngineScheduler(_NotPickled, FIFOScheduler):
    """Starts trials in order, stops those that the book cuts, gives up workers that report nothing any more."""

    def __init__(self, searcher: EngineSearcher, silence: StallDetector) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.searcher, self.silence = searcher, silence
        self.errors: dict[str, Exception] = {}

    def on_trial_add(self, controller: Any, trial: Trial) -> None:
        """See to it that why workers are lost is heard of: Tune tells nobody, it leaves files that are read minutes later."""
        super().on_trial_add(controller, trial)
        tune: TuneController = controller._tune_controller
        if "_process_trial_failure" not in vars(tune):
            tune._process_trial_failure = partial(self._failed, tune._process_trial_failure)  # type: ignore[method-assign]

    def _failed(self, process: Callable[..., None], trial: Trial, exception: Exception) -> None:
        self.errors[trial.trial_id] = exception
        process(trial, exception=exception)

    def choose_trial_to_run(self, controller: Any) -> Trial | None:
        """Return the next waiting trial: one without a worker first, which a warm one takes at once.

        Tune would have a warm worker take the trial whose own worker is starting, and end that one. A worker that takes longer
        to start than others need for a trial would then never start, and its machine never be used.

        Tune asks in every turn of its loop, the only thing that it does without a result.
        """
        tune: TuneController = controller._tune_controller
        running = {trial.config["number"]: trial for trial in tune.get_live_trials() if _on_worker(tune, trial)}
        for number, seconds in self.silence.overdue(running):
            host = running[number].temporary_state.location.hostname or "its host"
            _give_up(tune, running[number], StalledWorkerError(f"nothing was heard of it on {host} for {seconds:.0f} s"))
        waiting = [trial for trial in tune.get_live_trials() if trial.status == Trial.PENDING and trial not in tune._trial_to_actor]
        return min(waiting, key=lambda trial: int(trial.config["number"]), default=None) or super().choose_trial_to_run(controller)

    def on_trial_result(self, controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Return STOP or CONTINUE for a running trial's epoch."""
        self.silence.report(trial.config["number"])
        cut = not result.get("fail_reason") and self.searcher.engine.record(trial.config["number"], result)
        return str(TrialScheduler.STOP if cut else TrialScheduler.CONTINUE)

    def on_trial_error(self, controller: Any, trial: Trial) -> None:
        """Remember why a worker was lost for good; Tune calls the searcher right after, without the reason."""
        error = self.errors.pop(trial.trial_id)
        self.searcher.lost[trial.trial_id] = (*_named(error), dict(trial.last_result or {}))


def _on_worker(tune: TuneController, trial: Trial) -> bool:
    return trial in tune._trial_to_actor and (trial.status == Trial.RUNNING or trial in tune._resetting_trials)


def _give_up(tune: TuneController, trial: Trial, error: StalledWorkerError) -> None:
    """Take a trial from its worker as if that had failed; Tune itself would wait for ever while Ray believes in the host."""
    worker = tune._trial_to_actor[trial]
    if trial in tune._resetting_trials:  # a warm worker that did not even take it
        tune._resetting_trials.discard(trial)
        tune._set_trial_status(trial, Trial.RUNNING)
        tune._unstage_trial_with_resources(trial)
    tune._process_trial_failure(trial, exception=error)
    tune._actor_manager.remove_actor(worker, kill=True)
    tune._stopping_actors.pop(worker, None)


def _named(error: Exception) -> tuple[str, str]:
    """Return an exception of Ray as one of the study's reasons, and the line of it that says most."""
    lines = [line.strip() for line in COLOURS.sub("", str(error)).splitlines() if line.strip()] or [type(error).__name__]
    if isinstance(error, OutOfMemoryError):
        return "oom", lines[0]
    text = shorten(lines[-1], LONGEST, placeholder=" …")  # before it: which actor, and where
    if isinstance(error, RayActorError) and error.preempted:
        return "preempted", text
    if isinstance(error, StalledWorkerError):
        return "timeout", text
    return "error", text
