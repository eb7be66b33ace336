"""Virtual time: a search driven by simulated workers, so that its course is known before anything is paid.

The engine, its sampler and its stopping rule are the real ones; only the epochs are made up. What the engine does here it would
do in a real search whose trials had these curves.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ecg_tune.config import SearchSettings
from ecg_tune.search.assignment import Assignment
from ecg_tune.search.engine import SearchEngine

Curve = Sequence[tuple[float, float]]
"""What a trial would report if nothing stopped it: (value, seconds) of each epoch. A value that is not finite ends it as failed."""


class Driven(Protocol):
    """What a simulated cluster drives: a `SearchEngine`, or another engine behind its three methods."""

    @property
    def settings(self) -> SearchSettings: ...

    def next_assignment(self) -> Assignment | None: ...

    def record(self, number: int, result: Mapping[str, Any]) -> bool: ...

    def close(self, number: int, result: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True)
class Step:
    """One finished epoch.

    Attributes:
        value: What it reported; not finite when the trial failed in it.
        seconds: What it cost.
        at_s: When it ended, in virtual seconds since the start.
        ended: Whether the trial was closed here, or waits.
    """

    assignment: Assignment
    epoch: int
    value: float
    seconds: float
    at_s: float
    ended: bool

    @property
    def new(self) -> bool:
        """Whether it gave a value that the study did not hold."""
        return self.epoch > self.assignment.reported and math.isfinite(self.value)


@dataclass(frozen=True)
class Timeline:
    """A search in virtual time.

    Attributes:
        epochs: Epochs that gave a value, all trials together; those of an earlier run are not among them.
        elapsed_s: Virtual seconds from the start to the last trial's end.
        busy_s: Virtual seconds of all workers together.
        states: Trials of the study by state, at the end.
        reached: Family → epoch → trials that finished it.
    """

    epochs: int
    elapsed_s: float
    busy_s: float
    states: Mapping[str, int]
    reached: Mapping[str, Mapping[int, int]]

    @property
    def epochs_by_family(self) -> dict[str, int]:
        return {family: sum(counts.values()) for family, counts in self.reached.items()}


class Silent:
    """A listener that keeps everything to itself."""

    def started(self, number: int, family: str, *, continued_at: int) -> None: ...

    def epoch(self, number: int, family: str, epoch: int, value: float) -> None: ...

    def paused(self, number: int, family: str, epoch: int, reason: str) -> None: ...

    def finished(self, number: int, family: str, state: str, value: float | None, reason: str) -> None: ...

    def message(self, text: str) -> None: ...


class Clock:
    """Virtual seconds since the start, for a `Budget` that limits the time of a search."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def simulate(engine: SearchEngine, curve: Callable[[Assignment], Curve], *, slots: int, clock: Clock | None = None) -> Timeline:
    """Run a whole search in virtual time.

    Args:
        curve: What a trial would report, from its first epoch on; called once, when the trial is handed out first.
        slots: Trials that run at once.
        clock: Is kept at the virtual time; the one that the engine's budget looks at.
    """
    epochs, elapsed_s, busy_s = 0, 0.0, 0.0
    reached: dict[str, Counter[int]] = {}
    for step in steps(engine, curve, slots=slots, clock=clock):
        elapsed_s, busy_s = step.at_s, busy_s + step.seconds
        if step.new:
            epochs += 1
            reached.setdefault(step.assignment.family, Counter())[step.epoch] += 1
    states = Counter(str(trial.state) for trial in engine.study.newest_trials())
    return Timeline(epochs, elapsed_s, busy_s, dict(states), {family: dict(counts) for family, counts in reached.items()})


def steps(engine: Driven, curve: Callable[[Assignment], Curve], *, slots: int, clock: Clock | None = None) -> Iterator[Step]:
    """Yield the epochs of a search in the order in which they would end; the engine knows each before it is yielded."""
    workers: list[_Worker] = []
    curves: dict[int, Curve] = {}
    started = 0
    clock = clock or Clock()
    while True:
        while len(workers) < slots and (assignment := engine.next_assignment()):
            if assignment.number not in curves:
                curves[assignment.number] = curve(assignment)
            heapq.heappush(workers, _begun(assignment, curves[assignment.number], clock.now_s, started))
            started += 1
        if not workers:
            return
        worker = workers[0]
        clock.now_s = worker.due_s
        step = _finish_epoch(engine, worker)
        if step.ended:
            heapq.heappop(workers)
        else:
            worker.epoch, worker.due_s = step.epoch, worker.due_s + worker.curve[step.epoch][1]
            heapq.heapreplace(workers, worker)
        yield step


@dataclass(order=True)
class _Worker:
    """A trial that runs: ordered by when its epoch ends, ties by who started first."""

    due_s: float
    started: int
    assignment: Assignment = field(compare=False)
    curve: Curve = field(compare=False)
    epoch: int = field(compare=False)


def _begun(assignment: Assignment, curve: Curve, now_s: float, started: int) -> _Worker:
    """Start a trial. One whose last epoch the study knows already reports it again, in no time, as the real trainable does."""
    epoch = min(assignment.reported, len(curve) - 1)
    seconds = curve[epoch][1] if epoch == assignment.reported else 0.0
    return _Worker(now_s + seconds, started, assignment, curve, epoch)


def _finish_epoch(engine: Driven, worker: _Worker) -> Step:
    """Tell the engine what the worker's epoch gave, as `EngineScheduler` and `EngineSearcher` do with real results."""
    assignment, epoch = worker.assignment, worker.epoch + 1
    value, seconds = worker.curve[worker.epoch]
    seconds = seconds if epoch > assignment.reported else 0.0
    failed, complete = not math.isfinite(value), epoch == len(worker.curve)
    result: dict[str, Any] = {"epoch": epoch, "value": value, "epochs": epoch, "complete": complete and not failed}
    result["seconds"] = sum(cost for _, cost in worker.curve[:epoch])
    if failed:
        result |= {"fail_reason": "nan", "failure": f"value is {value} in epoch {epoch}", "epochs": worker.epoch}
    elif complete:
        result["ended_by"] = "max_epochs" if epoch == engine.settings.epochs else "patience"
    stopped = not failed and engine.record(assignment.number, result)
    ended = failed or complete or stopped
    if ended:
        engine.close(assignment.number, result)
    return Step(assignment, epoch, value, seconds, worker.due_s, ended)
