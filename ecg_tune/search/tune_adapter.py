"""The seam to Ray Tune: a searcher and a scheduler that only pass on what the engine decides."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable
from textwrap import shorten
from typing import Any, TypeVar

from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune import TuneError
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from ecg_tune.errors import EcgTuneError, WorkFailedError
from ecg_tune.search import tune_internals
from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.stall import StallDetector

LONGEST = 300
"""Characters of a lost worker's reason; Ray's go on with what might be done about it."""
STORAGE = "storage"
"""The `fail_reason` of a trial whose checkpoint can't be written or read: not the trial's own, so it stays open."""
T = TypeVar("T")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class StalledWorkerError(TuneError):
    """A trial's worker reports nothing any more."""


class _NotPickled:
    """Tune pickles its searcher and scheduler for `Tuner.restore`, which is not used: the study holds all there is."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class EngineSearcher(_NotPickled, Searcher):
    """Hands out the engine's assignments and ends their trials.

    Not `OptunaSearch`: that one calls early-stopped trials COMPLETE, drops the value at the stopping step and leaves NaN
    trials RUNNING.

    Args:
        slots: Gives how many trials may be out at once.

    Attributes:
        lost: Why the worker of a Tune trial was lost, and the trial's last result.
        failure: Why the study or its checkpoints can't be written: the search ends, and what is open stays so.
    """

    def __init__(self, engine: SearchEngine, slots: Callable[[], int]) -> None:
        super().__init__()
        self.engine, self.slots = engine, slots
        self.numbers: dict[str, int] = {}
        self.lost: dict[str, tuple[str, str, dict[str, Any]]] = {}
        self.failure: EcgTuneError | None = None

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """Return the next trial's config for the trainable, None for "ask again", or `Searcher.FINISHED`.

        It is not finished while a trial runs: that one may be handed out once more.
        """
        if len(self.numbers) >= self.slots():
            return None
        assignment = self.ask(self.engine.next_assignment, otherwise=None)
        if assignment is None:
            return None if self.numbers else str(Searcher.FINISHED)
        self.numbers[trial_id] = assignment.number
        task = {field.name: getattr(assignment, field.name) for field in dataclasses.fields(assignment)}
        return {**task, "trial": task.pop("config"), "handed_out": time.time()}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """End the trial. The result on which a trial was stopped comes only here."""
        number = self.numbers.pop(trial_id)
        self.ask(lambda: self._end(trial_id, number, result, error=error), otherwise=None)

    def ask(self, action: Callable[[], T], *, otherwise: T) -> T:
        """Let the engine do something. After a failure nothing is asked of it any more."""
        if self.failure is None:
            try:
                with self.engine.study.work_failure_said():
                    return action()
            except EcgTuneError as failure:
                self.failure = failure
        return otherwise

    def record(self, number: int, result: dict[str, Any]) -> bool:
        """Record an epoch and return whether the trial stops."""
        if result.get("fail_reason") == STORAGE:
            self.failure = self.failure or WorkFailedError(str(result["failure"]))
        return not result.get("fail_reason") and self.ask(lambda: self.engine.record(number, result), otherwise=True)

    def _end(self, trial_id: str, number: int, result: dict[str, Any] | None, *, error: bool) -> None:
        if error or result is None:
            reason, text, last = self.lost.pop(trial_id, ("error", "the worker was lost", {}))
            if self.engine.retry_lost(number, text, counted=reason != "preempted"):
                return
            failure = f"lost more often than is retried (--retries): {text}"
            self.engine.close(number, {**last, "fail_reason": reason, "failure": failure, "complete": False})
            return
        self.record(number, result)
        self.ask(lambda: self.engine.close(number, result), otherwise=None)

    def save(self, checkpoint_path: str) -> None:
        """Keep nothing: the study holds all."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: a continued search is a new one on the same study."""


class EngineScheduler(_NotPickled, FIFOScheduler):
    """Starts trials in order, stops those that the engine stops, gives up workers that report nothing any more."""

    def __init__(self, searcher: EngineSearcher, stalls: StallDetector) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.searcher, self.stalls = searcher, stalls
        self.errors: dict[str, Exception] = {}

    def on_trial_add(self, controller: Any, trial: Trial) -> None:
        """Keep the reason why a worker is lost: Tune tells nobody, it leaves files that are read minutes later."""
        super().on_trial_add(controller, trial)
        tune_internals.keep_errors(controller, self.errors)

    def choose_trial_to_run(self, controller: Any) -> Trial | None:
        """Return the next waiting trial: one without a worker first, which a warm one takes at once.

        Tune would have a warm worker take the trial whose own worker is starting, and end that one. A worker that takes longer
        to start than others need for a trial would then never start, and its machine never be used.

        Tune asks in every turn of its loop, the only thing that it does without a result; so stalled trials are looked for here.
        """
        if self.searcher.failure is not None:
            raise self.searcher.failure
        running = {trial.config["number"]: trial for trial in tune_internals.on_workers(controller)}
        for number, seconds in self.stalls.overdue(running):
            host = tune_internals.host_of(running[number]) or "its host"
            error = StalledWorkerError(f"nothing was heard of it on {host} for {seconds:.0f} s")
            tune_internals.take_from_worker(controller, running[number], error)
        waiting = tune_internals.without_worker(controller)
        return min(waiting, key=lambda trial: int(trial.config["number"]), default=None) or super().choose_trial_to_run(controller)

    def on_trial_result(self, controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Return STOP or CONTINUE for a running trial's epoch."""
        self.stalls.report(trial.config["number"])
        stop = self.searcher.record(trial.config["number"], result)
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)

    def on_trial_error(self, controller: Any, trial: Trial) -> None:
        """Remember why a worker was lost for good; Tune calls the searcher right after, without the reason."""
        error = self.errors.pop(trial.trial_id, RuntimeError("the worker was lost"))
        self.searcher.lost[trial.trial_id] = (*_named(error), dict(trial.last_result or {}))


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
