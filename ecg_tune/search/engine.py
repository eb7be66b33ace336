"""The search engine: hands out trials, writes their results into the study, decides which trials stop. It knows no Ray."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ecg_tune.config import SearchSettings
from ecg_tune.search.additions import Additions
from ecg_tune.search.assignment import Assignment, assignment_of, last_facts, timing_facts
from ecg_tune.search.failures import FamilyFailures
from ecg_tune.search.progress.listener import Listener
from ecg_tune.search.resume import adopt
from ecg_tune.search.space import SearchSpace
from ecg_tune.search.stopping.budget import Budget
from ecg_tune.search.stopping.choice import Choice
from ecg_tune.search.stopping.decision import last_decision
from ecg_tune.search.stopping.early_end import EarlyEnd
from ecg_tune.search.stopping.forecast import Forecasts
from ecg_tune.search.stopping.pauses import PausedTrials
from ecg_tune.search.stopping.rungs import rungs_of
from ecg_tune.search.stopping.schedulers import SCHEDULERS
from ecg_tune.study.extensions import guiding
from ecg_tune.study.study import Study
from ecg_tune.study.trial import TARGET, State, Trial


class SearchEngine:
    """Everything that a search knows. All of it is in the study: what is held here could be rebuilt from there at any time.

    Args:
        closed: Is given every trial that ends.

    Attributes:
        trials: The open trials, as they are now, by number.
        unfinished: Numbers of those that were interrupted, in the order in which they are handed out again, before all others.
        paused: Those that wait at a rung (`--scheduler forecast`).
        failures: Families that this run samples no more, since trial after trial of theirs failed.
    """

    def __init__(
        self,
        study: Study,
        space: SearchSpace,
        settings: SearchSettings,
        listener: Listener,
        *,
        budget: Budget | None = None,
        closed: Callable[[Trial], None] = lambda trial: None,
    ) -> None:
        self.study, self.space, self.settings, self.listener, self.closed = study, space, settings, listener, closed
        adopt(study)
        everything = study.all_trials()
        trials = guiding(everything)
        self.budget = budget or Budget(settings, everything)
        self.rule = SCHEDULERS[settings.scheduler](settings)
        self.rungs = rungs_of(trials, self.rule)
        self.forecasts = Forecasts.of(trials, self.rule.levels, settings.epochs, settings.families)
        self.paused = PausedTrials(self.forecasts, pauses=self.rule.pauses, cost=settings.cost)
        self.additions = Additions(study, space, settings, forecasts=self.forecasts if self.rule.pauses else None)
        self.early_end = EarlyEnd(study, settings, self.forecasts)
        self.families = {trial.number: trial.family for trial in everything}
        self.trials = {trial.number: trial for trial in trials if trial.state == "RUNNING"}
        self.unfinished = list[int]()
        for number in self.trials:
            self._set_aside(number)
        self.stops: dict[int, str] = {}
        self.announced: set[tuple[int, str]] = set()
        self.losses = Counter[int]()
        self.failures = FamilyFailures(settings.families, most=settings.family_failures)
        self._close_decided()

    def next_assignment(self) -> Assignment | None:
        """Hand out an unfinished trial, or a new one; None when the study has all its trials, a budget is spent, or all failed."""
        assignment = None
        while assignment is None:
            if self.budget.spent():
                self.settle()
            if self.budget.spent() or self.gave_up:
                return None
            if self.unfinished:
                assignment = assignment_of(self.trials[self.unfinished.pop(0)])
            elif (choice := self._choose()) is None:
                self._end_waiting()
                return None
            else:
                assignment = self._new(choice.family) if choice.number is None else self._resume(choice.number, choice.reason)
        self.listener.started(assignment.number, assignment.family, continued_at=assignment.reported)
        return assignment

    def record(self, number: int, result: Mapping[str, Any]) -> bool:
        """Write an epoch's value and return whether the trial stops here. A value that is known already changes nothing."""
        epoch, value, family = int(result["epoch"]), float(result["value"]), self.families[number]
        if (text := str(result.get("say", ""))) and (number, text) not in self.announced:
            self.announced.add((number, text))
            self.listener.message(f"trial {number}: {text}")
        if epoch <= self.trials[number].last_epoch:
            return False
        seconds = float(result.get("seconds", 0.0))
        changes: dict[str, Any] = {"seconds": seconds} | timing_facts(result)
        pruned = self.rungs.enter(family, number, epoch, value)
        self.forecasts.report(number, epoch, value, seconds)
        self.budget.epoch(number, family, value, seconds)
        if not result["complete"] and (spent := self.budget.spent()):
            self.stops[number] = spent
        elif not result["complete"] and pruned:
            self.stops[number] = changes["ended_by"] = self.settings.scheduler  # a decision is kept: later, others are at the rung
        elif not result["complete"] and (decision := self.paused.reached(number, epoch, self.running, self.may_add)):
            changes |= last_facts(result, best=self.rungs.best[number])
            changes["decisions"] = (*self.trials[number].decisions, decision.plain())
        self._record(number, epochs={epoch: value}, **changes)
        self.listener.epoch(number, family, epoch, value)
        return number in self.stops or number in self.paused.pausing

    def close(self, number: int, result: Mapping[str, Any]) -> None:
        """End a trial by its last result: COMPLETE when it says so or reached the target, FAIL when it failed, else PRUNED."""
        reason = str(result.get("fail_reason") or "")
        if reason == "oom" and self._retry_smaller(number, result):
            return
        if reason:
            self.fail(number, reason, str(result.get("failure", "")), last=result)
            return
        if number in self.paused.pausing:
            self._wait(number)
            return
        ended_by = str(result["ended_by"]) if result.get("complete") else self.stops.pop(number, self.settings.scheduler)
        best = self.rungs.best.get(number, -math.inf)
        facts = {**last_facts(result, best=best), "ended_by": ended_by}
        objectives = facts.get("objectives", (best,))
        reached = ended_by == TARGET and self.budget.reaches(best) and len(objectives) == len(self.study.directions)
        complete = bool(result.get("complete")) or reached
        if ended_by == "patience":
            self.rungs.end(self.families[number], number, int(result["epoch"]))
        if complete:
            self._finish(number, "COMPLETE", ended_by, facts, objectives)
        else:
            self._finish(number, "PRUNED", f"epoch {self.trials[number].last_epoch}, {ended_by}", facts)

    def fail(self, number: int, reason: str, failure: str, *, last: Mapping[str, Any] | None = None) -> None:
        """End a trial as FAIL with its reason ("nan", "oom", "error", "timeout" or "preempted"), text and last result."""
        facts = {
            **last_facts({**(last or {}), "costs": ()}, best=math.nan),
            "ended_by": "failed",
            "fail_reason": reason,
            "failure": failure,
        }
        self._finish(number, "FAIL", reason, facts)

    def retry_lost(self, number: int, why: str, *, counted: bool) -> bool:
        """Hand a trial whose worker was lost out again, from its checkpoint, unless that happened more often than is retried."""
        self.losses[number] += counted
        if self.losses[number] > self.settings.retries:
            return False
        self._set_aside(number)
        self.listener.message(f"trial {number}: its worker or node was lost ({why}); it goes on from its checkpoint")
        return True

    def settle(self) -> None:
        """End, for want of budget, the trials that no worker has taken up again."""
        while self.unfinished or self.paused.waiting:
            number = (self.unfinished or self.paused.waiting).pop(0)
            self.stops[number] = str(self.budget.spent())
            self.close(number, {"complete": False, "epochs": self.trials[number].last_epoch})

    @property
    def gave_up(self) -> bool:
        """Whether every family failed so often in a row that the fault is not the trials'."""
        return not self.failures.left

    @property
    def open(self) -> bool:
        """Whether a trial has not ended."""
        return any(not trial.finished for trial in self.study.newest_trials())

    @property
    def done(self) -> bool:
        """Whether the study has all its trials and all have ended."""
        return self.complete and not self.open

    @property
    def complete(self) -> bool:
        """Whether the study has all its trials, ended or not."""
        return self.additions.n_trials >= self.settings.trials

    @property
    def ended_by(self) -> str | None:
        """The limit that keeps the search from adding trials; None where none does."""
        return self.budget.spent() or self.early_end.reason

    @property
    def running(self) -> list[int]:
        """Numbers of the trials that a worker has."""
        aside = {*self.unfinished, *self.paused.waiting}
        return [number for number in self.trials if number not in aside]

    @property
    def may_add(self) -> Sequence[str]:
        """The families of which another trial may be added; none when the study has all its trials, or is to get no more."""
        return [] if self.complete or self.early_end.reason else self.failures.left

    def _choose(self) -> Choice | None:
        """Choose what a free worker does; None when nothing is left, or nothing worth its epochs."""
        self.additions.take_up()
        if text := self.early_end.judge(self.paused.waiting, self.may_add, pauses=self.rule.pauses):
            self.listener.message(text)
        queue = self.additions.queue
        if self.may_add and (not self.rule.pauses or queue.items):
            return Choice(None, str(queue.params.get("family", "")), "queue")
        return self.paused.choose(self.running, self.may_add) if self.rule.pauses else None

    def _wait(self, number: int) -> None:
        """Let a trial whose worker is free again wait, and prune the least promising one when too many do."""
        trial = self.trials[number]
        self._set_aside(number)
        self.early_end.changed()
        self.additions.learn(trial)
        self.listener.paused(number, trial.family, trial.last_epoch, last_decision(trial, self.settings.epochs))
        if (surplus := self.paused.surplus()) is not None:
            self._prune_waiting(surplus)

    def _resume(self, number: int, reason: str) -> Assignment:
        trial = self.trials[number]
        self._record(number, decisions=(*trial.decisions, self.paused.resume(trial, reason).plain()))
        self.listener.message(last_decision(self.trials[number], self.settings.epochs))
        return assignment_of(self.trials[number])

    def _set_aside(self, number: int) -> None:
        """Let a trial without a worker wait for its forecast when it is at a rung, else be handed out next."""
        trial = self.trials[number]
        if not self.paused.takes(trial):
            self.unfinished.append(number)
        elif not trial.paused:  # a worker or the driver was lost after it had gone on
            self._record(number, decisions=(*trial.decisions, self.paused.interruption(trial).plain()))

    def _end_waiting(self) -> None:
        """Prune the waiting trials, once no running one could make one of them worth its epochs."""
        while self.paused.waiting and not self.running:
            self._prune_waiting(self.paused.waiting[0])

    def _prune_waiting(self, number: int) -> None:
        self._record(number, forecast=self.forecasts.of_trial(number))
        self.paused.waiting.remove(number)
        self.close(number, {"complete": False, "epochs": self.trials[number].last_epoch})

    def _new(self, family: str) -> Assignment | None:
        """Add a trial; None when no config takes what was sampled, which is a FAIL trial then.

        Args:
            family: Of the trial; "" leaves the choice to the sampler.
        """
        trial = self.additions.add([family] if family else self.failures.left)
        self.families[trial.number] = trial.family
        self.forecasts.add(trial)
        if trial.state == "FAIL":
            self._count_failure(trial.family, failed=True)
            self.listener.finished(trial.number, trial.family, "FAIL", None, "error")
            return None
        self.trials[trial.number] = trial
        return assignment_of(trial)

    def _retry_smaller(self, number: int, result: Mapping[str, Any]) -> bool:
        """Hand a trial that ran out of memory out once more, from its checkpoint, with half the micro-batch."""
        size = int(result.get("micro_batch") or 0)
        if size <= 1 or self.trials[number].micro_batch_after_oom is not None:
            return False
        self._record(number, micro_batch_after_oom=size // 2)
        self._set_aside(number)
        self.listener.message(
            f"trial {number} ran out of memory: it is tried once more with micro-batches of {size // 2}, same effective batch"
        )
        return True

    def _finish(self, number: int, state: State, reason: str, facts: Mapping[str, Any], objectives: Sequence[float] = ()) -> None:
        self.paused.pausing.discard(number)
        trial, family = self.study.finish(self.trials.pop(number), state, objectives, **facts), self.families[number]
        self.additions.learn(trial)
        self.forecasts.end(trial)
        self.early_end.changed()
        self.closed(trial)
        self._count_failure(family, failed=state == "FAIL")
        self.listener.finished(number, family, state, self.rungs.best.get(number) if state != "FAIL" else None, reason)

    def _count_failure(self, family: str, *, failed: bool) -> None:
        if text := self.failures.count(family, failed=failed):
            self.listener.message(text)

    def _close_decided(self) -> None:
        """End trials that were pruned, or had reached a rung unjudged, when an earlier driver died."""
        for number, trial in list(self.trials.items()):
            if trial.ended_by in SCHEDULERS or self.rungs.judge(trial.family, number, trial.last_epoch):
                (self.unfinished if number in self.unfinished else self.paused.waiting).remove(number)
                self.stops[number] = trial.ended_by or self.settings.scheduler
                self.close(number, {"complete": False, "epochs": trial.last_epoch})

    def _record(self, number: int, *, epochs: Mapping[int, float] = {}, **changes: Any) -> None:
        self.trials[number] = self.study.record(self.trials[number], epochs=epochs, **changes)
