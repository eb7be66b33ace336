"""A trial of a study, as everybody reads it: the search, `status`, retraining, imports and the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from optuna.distributions import BaseDistribution

State = Literal["COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING"]
STATES: tuple[State, ...] = ("COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING")

BUDGETS = ("max_hours", "total_epochs", "gpu_hours")
"""Budgets of a search. A trial that was stopped because one was spent has its name in `ended_by`, and keeps its checkpoint."""
TARGET = "target"
"""`ended_by` of the trial that reached the target value, and of those that ran beside it."""
QUEUED = "queue"
"""`superseded_by` of a trial that somebody else left open: the trial that will be made of it is not known yet."""


@dataclass(frozen=True)
class Trial:
    """One trial as its study holds it. A field is None, or empty, where the study does not say.

    Attributes:
        state: COMPLETE, PRUNED (stopped early), FAIL, RUNNING (also when its search was interrupted) or WAITING.
        family: Recorded, else sampled, else read off the parameters' prefix ("rnn.hidden_size"); "" when nothing says it.
        params: Sampled parameters, e.g. {"rnn.hidden_size": 64}.
        distributions: What each parameter was sampled from.
        intermediate: Epoch (from 1) → metric after it, in order of epochs; values that are not finite are left out.
        values: One value an objective, the metric first; () unless the trial is COMPLETE.
        config: The resolved settings that were trained, plain data.
        seed: Of the training.
        path: Folder of its checkpoints, relative to `Study.checkpoints`.
        queued: Key of the queued config that it tries; "" for a sampled trial.
        continued_from: Number of the trial that this one extends: the same config, trained for more epochs.
        resumes: Whether it goes on from that trial's last epoch, and does not start again.
        superseded_by: Number of the finished trial that extends this one, or, of an extension that was withdrawn, of the trial that
            counts again; "queue" when its parameters were taken over by the queue.
        discarded: Why the user took it out; "" for a trial that counts.
        set_aside: Whether it lies outside of the search space since that changed: it keeps its place in results, but guides no search.
        note, tags: What the user noted of it.
        imported_from: "STUDY#NUMBER" of a trial that was taken from another study.
        seconds: Training time so far.
        timing: Part of `ecg_tune.timing.PARTS` → its seconds, under `--timing`; empty where that was off.
        epochs_trained: Epochs that were run, as the worker counted them.
        micro_batch: Records at once, when the batch was split.
        micro_batch_after_oom: Records at once in its second try, after memory ran out.
        per_class_auc: (n_classes,) validation AUC at the best epoch; NaN for a class without positives.
        checkpoint: Its last checkpoint's file.
        objectives: Values of all objectives, also of a trial that was stopped; () in a study of one.
        decisions: Why it paused and resumed, in order, under `--scheduler forecast`; see `ecg_tune.search.stopping.decision`.
        forecast: Of its best value at the last epoch, mean and standard deviation, when it was pruned for it.
        ended_by: "max_epochs", "patience", the scheduler's name, a budget of `BUDGETS`, "target", "failed", "imported", "withdrawn",
            or "space" when it was unfinished and set aside.
        fail_reason: "nan", "oom", "error", "timeout" or "preempted".
        failure: The failure's text.
        start, end: When it began and ended; `end` is None while it has not.
        id: The database's own number of it; -1 for a trial that is not in a database yet.
    """

    number: int
    state: State
    family: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    distributions: Mapping[str, BaseDistribution] = field(default_factory=dict)
    intermediate: Mapping[int, float] = field(default_factory=dict)
    values: tuple[float, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    is_default: bool = False
    path: str | None = None
    queued: str = ""
    continued_from: int | None = None
    resumes: bool = False
    superseded_by: int | str | None = None
    discarded: str = ""
    set_aside: bool = False
    note: str = ""
    tags: tuple[str, ...] = ()
    imported_from: str | None = None
    seconds: float | None = None
    timing: Mapping[str, float] = field(default_factory=dict)
    epochs_trained: int | None = None
    device: str | None = None
    node: str | None = None
    worker: str | None = None
    n_parameters: int | None = None
    micro_batch: int | None = None
    micro_batch_after_oom: int | None = None
    per_class_auc: tuple[float, ...] | None = None
    best_epoch: int | None = None
    checkpoint: str | None = None
    objectives: tuple[float, ...] = ()
    decisions: tuple[Mapping[str, Any], ...] = ()
    forecast: tuple[float, float] | None = None
    ended_by: str | None = None
    fail_reason: str | None = None
    failure: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    id: int = -1

    @property
    def value(self) -> float | None:
        """The metric of a COMPLETE trial, its first objective; None for every other."""
        return self.values[0] if self.values else None

    @property
    def best_value(self) -> float | None:
        """The value, or for a trial without one the best metric of any epoch; None when there is neither."""
        return self.value if self.value is not None else max(self.intermediate.values(), default=None)

    @property
    def epochs(self) -> int:
        """Epochs whose metric the study holds."""
        return len(self.intermediate)

    @property
    def last_epoch(self) -> int:
        """The last epoch whose metric the study holds, 0 before the first."""
        return max(self.intermediate, default=0)

    @property
    def finished(self) -> bool:
        """Whether it has ended, in whichever way."""
        return self.state in ("COMPLETE", "PRUNED", "FAIL")

    @property
    def counts(self) -> bool:
        """Whether it counts at all: nobody discarded it, its parameters did not go to the queue, and it is no withdrawn extension."""
        withdrawn = self.continued_from is not None and self.superseded_by == self.continued_from
        return not (self.discarded or withdrawn or self.handed_on)

    @property
    def handed_on(self) -> bool:
        """Whether somebody else left it open (`ecg-tune enqueue`), and its parameters went to the queue: another trial is made of them."""
        return self.superseded_by == QUEUED

    @property
    def max_epochs(self) -> int | None:
        """The last epoch that it was to be trained to, which a later search may have raised; None where its config doesn't say."""
        training = self.config.get("training")
        planned = training.get("max_epochs") if isinstance(training, Mapping) else None
        return planned if isinstance(planned, int) else None

    @property
    def paused(self) -> bool:
        """Whether it waits at a rung for its turn (`--scheduler forecast`)."""
        last = self.decisions[-1] if self.decisions else {}
        waits = last.get("resumes") is False and last.get("epoch") == self.last_epoch
        return self.state == "RUNNING" and waits and not self.set_aside

    @property
    def imported(self) -> bool:
        """Whether it was trained by another study."""
        return self.imported_from is not None

    @property
    def stopped_by_budget(self) -> bool:
        """Whether it was stopped when a budget was spent or the target reached: it may be extended later."""
        return self.ended_by in (*BUDGETS, TARGET)

    @property
    def failure_line(self) -> str:
        """Which trial failed, why, and the last line of its text."""
        lines = (self.failure or "").strip().splitlines()
        return f"trial {self.number} failed ({self.fail_reason}): {lines[-1] if lines else ''}"
