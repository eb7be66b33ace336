"""The search engine: hands out trials, writes their results into the study, decides which trials stop. It knows no Ray."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from optuna.distributions import BaseDistribution

from ecg_tune.config import SearchSettings
from ecg_tune.errors import ConfigError
from ecg_tune.search.assignment import Assignment, assignment_of, last_facts
from ecg_tune.search.progress.listener import Listener
from ecg_tune.search.queue import Queue, suggested
from ecg_tune.search.resume import adopt
from ecg_tune.search.sampling.history import SamplerHistory
from ecg_tune.search.sampling.samplers import trial_seed
from ecg_tune.search.space import SearchSpace
from ecg_tune.search.stopping.budget import Budget
from ecg_tune.search.stopping.forecast import Choice, Forecasts
from ecg_tune.search.stopping.pauses import MOST_WAITING, Decision, pause, resume
from ecg_tune.search.stopping.rungs import rungs_of
from ecg_tune.search.stopping.schedulers import SCHEDULERS
from ecg_tune.study.checkpoints import trial_path
from ecg_tune.study.study import Study
from ecg_tune.study.transactions import check_distributions
from ecg_tune.study.trial import TARGET, State, Trial


class SearchEngine:
    """Everything that a search knows. All of it is in the study: what is held here could be rebuilt from there at any time.

    Args:
        closed: Is given every trial that ends.

    Attributes:
        trials: The open trials, as they are now, by number.
        unfinished: Numbers of those that were interrupted, in the order in which they are handed out again, before all others.
        waiting: Numbers of those that pause at a rung (`--scheduler forecast`). That follows from the study: they are open, no worker
            has them, and their last epoch is a rung.
        dropped: Families that this run samples no more, since trial after trial of theirs failed.
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
        everything, trials = study.all_trials(), study.trials()
        self.budget = budget or Budget(settings, everything)
        self.rule = SCHEDULERS[settings.scheduler](settings)
        self.rungs = rungs_of(trials, self.rule)
        self.forecasts = Forecasts.of(trials, self.rule.levels, settings.epochs, settings.families)
        self.history = SamplerHistory(
            settings.sampler,
            seed=settings.seed,
            families=settings.families,
            directions=study.directions,
            forecasts=self.forecasts if self.rule.pauses else None,
        )
        self.queue = Queue(space, study)
        self.n_added = len(everything)
        self.n_trials = sum(not trial.imported for trial in trials)
        self.families = {trial.number: trial.family for trial in trials}
        self.trials = {trial.number: trial for trial in trials if trial.state == "RUNNING"}
        self.unfinished, self.waiting, self.pausing = list[int](), list[int](), set[int]()
        for number in self.trials:
            self._set_aside(number)
        self.stops: dict[int, str] = {}
        self.announced: set[tuple[int, str]] = set()
        self.losses = Counter[int]()
        self.failures_in_a_row, self.dropped = Counter[str](), list[str]()
        self.distributions: dict[str, BaseDistribution] = {}
        for trial in trials:
            self.history.add(trial)
            check_distributions(self.distributions, trial.distributions)
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
                assignment = self._new(choice.family) if choice.number is None else self._resume(choice)
        self.listener.started(assignment.number, assignment.family, continued_at=assignment.reported)
        return assignment

    def record(self, number: int, result: Mapping[str, Any]) -> bool:
        """Write an epoch's value and return whether the trial stops here. A value that is known already changes nothing."""
        epoch, value, family = int(result["epoch"]), float(result["value"]), self.families[number]
        self._announce_once(number, str(result.get("say", "")))
        if epoch <= self.trials[number].last_epoch:
            return False
        seconds = float(result.get("seconds", 0.0))
        changes: dict[str, Any] = {"seconds": seconds}
        pruned = self.rungs.enter(family, number, epoch, value)
        self.forecasts.report(number, epoch, value)
        self.budget.epoch(number, family, value, seconds)
        if not result["complete"] and (spent := self.budget.spent()):
            self.stops[number] = spent
        elif not result["complete"] and pruned:
            self.stops[number] = changes["ended_by"] = self.settings.scheduler  # a decision is kept: later, others are at the rung
        elif not result["complete"] and (decision := self._pause(number, epoch)):
            self.pausing.add(number)
            changes |= {**last_facts(result), "decisions": (*self.trials[number].decisions, decision.plain())}
            if costs := result.get("costs"):
                changes["objectives"] = (self.rungs.best[number], *costs)
        self._record(number, epochs={epoch: value}, **changes)
        self.listener.epoch(number, family, epoch, value)
        return number in self.stops or number in self.pausing

    def close(self, number: int, result: Mapping[str, Any]) -> None:
        """End a trial by its last result: COMPLETE when it says so or reached the target, FAIL when it failed, else PRUNED."""
        reason = str(result.get("fail_reason") or "")
        if reason == "oom" and self._retry_smaller(number, result):
            return
        if reason:
            self.fail(number, reason, str(result.get("failure", "")), last=result)
            return
        if number in self.pausing:
            self._wait(number)
            return
        ended_by = str(result["ended_by"]) if result.get("complete") else self.stops.pop(number, self.settings.scheduler)
        best = self.rungs.best.get(number, -math.inf)
        objectives = (best, *result.get("costs", ()))
        reached = ended_by == TARGET and self.budget.reaches(best) and len(objectives) == len(self.study.directions)
        complete = bool(result.get("complete")) or reached
        facts = {**last_facts(result), **({"objectives": objectives} if len(objectives) > 1 else {}), "ended_by": ended_by}
        if ended_by == "patience":
            self.rungs.end(self.families[number], number, int(result["epoch"]))
        if complete:
            self._finish(number, "COMPLETE", ended_by, facts, objectives)
        else:
            self._finish(number, "PRUNED", f"epoch {self.trials[number].last_epoch}, {ended_by}", facts)

    def fail(self, number: int, reason: str, failure: str, *, last: Mapping[str, Any] | None = None) -> None:
        """End a trial as FAIL with its reason ("nan", "oom", "error", "timeout" or "preempted"), text and last result."""
        facts = {**last_facts(last or {}), "ended_by": "failed", "fail_reason": reason, "failure": failure}
        self._finish(number, "FAIL", reason, facts)

    def retry_lost(self, number: int, why: str, *, counted: bool) -> bool:
        """Hand a trial whose worker was lost out again, from its checkpoint, unless that happened more often than is retried."""
        self.losses[number] += counted
        if self.losses[number] > self.settings.retries:
            return False
        self.pausing.discard(number)
        self._set_aside(number)
        self.listener.message(f"trial {number}: its worker or node was lost ({why}); it goes on from its checkpoint")
        return True

    def settle(self) -> None:
        """End, for want of budget, the trials that no worker has taken up again."""
        while self.unfinished or self.waiting:
            number = (self.unfinished or self.waiting).pop(0)
            self.stops[number] = str(self.budget.spent())
            self.close(number, {"complete": False, "epochs": self.trials[number].last_epoch})

    @property
    def gave_up(self) -> bool:
        """Whether every family failed so often in a row that the fault is not the trials'."""
        return len(self.dropped) == len(self.settings.families)

    @property
    def open(self) -> bool:
        """Whether a trial has not ended."""
        return any(not trial.finished for trial in self.study.trials())

    @property
    def done(self) -> bool:
        """Whether the study has all its trials and all have ended."""
        return self.n_trials >= self.settings.trials and not self.open

    @property
    def running(self) -> list[int]:
        """Numbers of the trials that a worker has."""
        aside = {*self.unfinished, *self.waiting}
        return [number for number in self.trials if number not in aside]

    def _choose(self, *, pausing: int | None = None) -> Choice | None:
        """Choose what a free worker does; None when nothing is left, or nothing worth its epochs.

        Args:
            pausing: A trial that has just reached a rung, as if it waited already.
        """
        may_add = self.n_trials < self.settings.trials
        if may_add and (not self.rule.pauses or self.queue.items):
            return Choice(None, str(self.queue.params.get("family", "")), "queue")
        if not self.rule.pauses:
            return None
        waiting, running = {*self.waiting, *([] if pausing is None else [pausing])}, [n for n in self.running if n != pausing]
        families = [family for family in self.settings.families if family not in self.dropped]
        return self.forecasts.choose(waiting, running, families=families, may_add=may_add)

    def _pause(self, number: int, epoch: int) -> Decision | None:
        """Return why a trial waits at the epoch that it reached; None when it goes on at once."""
        if not self.rule.pauses or not self.forecasts.at_rung(epoch):
            return None
        choice = self._choose(pausing=number)
        return None if choice is not None and choice.number == number else pause(self.forecasts, number, epoch, choice)

    def _wait(self, number: int) -> None:
        """Let a trial whose worker is free again wait, and end the least promising one when too many do."""
        self.pausing.discard(number)
        trial = self.trials[number]
        self.waiting.append(number)
        self.history.add(trial)
        self.listener.paused(number, trial.family, trial.last_epoch, self._last_decision(number))
        if len(self.waiting) > MOST_WAITING:
            self._prune_waiting(self.forecasts.least_promising(self.waiting))

    def _resume(self, choice: Choice) -> Assignment:
        assert choice.number is not None, "a new trial does not resume"
        number = choice.number
        self.waiting.remove(number)
        trial = self.trials[number]
        self._record(number, decisions=(*trial.decisions, resume(self.forecasts, choice, trial.last_epoch).plain()))
        self.listener.message(self._last_decision(number))
        return assignment_of(self.trials[number])

    def _last_decision(self, number: int) -> str:
        return Decision.stored(self.trials[number].decisions[-1]).text(number, self.settings.epochs)

    def _set_aside(self, number: int) -> None:
        """Let a trial without a worker wait for its forecast when it is at a rung, else be handed out next."""
        waits = self.rule.pauses and self.forecasts.at_rung(self.trials[number].last_epoch) and self.forecasts.known(number)
        (self.waiting if waits else self.unfinished).append(number)

    def _end_waiting(self) -> None:
        """Prune the waiting trials, once no running one could make one of them worth its epochs."""
        while self.waiting and not self.running:
            self._prune_waiting(self.waiting[0])

    def _prune_waiting(self, number: int) -> None:
        self._record(number, forecast=self.forecasts.of_trial(number))
        self.waiting.remove(number)
        self.close(number, {"complete": False, "epochs": self.trials[number].last_epoch})

    def _new(self, family: str) -> Assignment | None:
        """Sample a trial and add it; None when no config takes what was sampled, which is a FAIL trial then.

        Args:
            family: Of the trial; "" leaves the choice to the sampler.
        """
        number, queued = self.n_added, self.queue.next()
        families = [family] if family else [family for family in self.settings.families if family not in self.dropped]
        self.n_added, self.n_trials = self.n_added + 1, self.n_trials + 1
        new = Trial(
            number,
            "RUNNING",
            seed=trial_seed(self.settings.seed, number),
            is_default=queued.is_default,
            path=trial_path(number),
            queued=queued.key,
        )
        try:
            params = self.history.propose(number, self.space.suggest, families=families, fixed=self._fixed(queued.params, family))
            proposal, distributions = suggested(self.space, params)
        except ConfigError as error:
            self._add_failed(new, str(queued.params.get("family", "")), str(error))
            return None
        check_distributions(self.distributions, distributions)
        family, config = proposal.family, proposal.config
        trial = self.study.add(replace(new, family=family, config=config, params=params, distributions=distributions))
        self.n_added, self.families[trial.number], self.trials[trial.number] = trial.number + 1, family, trial
        self.history.add(trial)
        self.forecasts.add(trial)
        return assignment_of(trial)

    def _fixed(self, params: Mapping[str, Any], family: str) -> Mapping[str, Any]:
        """Return the parameters that are not sampled: those that were queued, and the family when it was chosen by its forecasts."""
        return {"family": family, **params} if family and len(self.settings.families) > 1 else params

    def _add_failed(self, new: Trial, family: str, failure: str) -> None:
        """Add a trial whose parameters no config takes."""
        self.families[new.number] = family
        self.forecasts.add(self.study.add(replace(new, state="FAIL", fail_reason="error", failure=failure)))
        self._count_failure(family, failed=True)
        self.listener.finished(new.number, family, "FAIL", None, "error")

    def _retry_smaller(self, number: int, result: Mapping[str, Any]) -> bool:
        """Hand a trial that ran out of memory out once more, from its checkpoint, with half the micro-batch."""
        size = int(result.get("micro_batch") or 0)
        if size <= 1 or self.trials[number].micro_batch_after_oom is not None:
            return False
        self._record(number, micro_batch_after_oom=size // 2)
        self.pausing.discard(number)
        self._set_aside(number)
        self.listener.message(
            f"trial {number} ran out of memory: it is tried once more with micro-batches of {size // 2}, same effective batch"
        )
        return True

    def _finish(self, number: int, state: State, reason: str, facts: Mapping[str, Any], objectives: Sequence[float] = ()) -> None:
        trial, family = self.study.finish(self.trials.pop(number), state, objectives, **facts), self.families[number]
        self.history.add(trial)
        self.forecasts.end(trial)
        self.closed(trial)
        self._count_failure(family, failed=state == "FAIL")
        self.listener.finished(number, family, state, self.rungs.best.get(number) if state != "FAIL" else None, reason)

    def _count_failure(self, family: str, *, failed: bool) -> None:
        self.failures_in_a_row[family] = self.failures_in_a_row[family] + 1 if failed else 0
        if self.failures_in_a_row[family] >= self.settings.family_failures and family not in self.dropped:
            self.dropped.append(family)
            self.listener.message(
                f"{family} is no longer sampled: its last {self.failures_in_a_row[family]} trials failed (see `ecg-tune status`)"
            )

    def _close_decided(self) -> None:
        """End trials that were pruned, or had reached a rung unjudged, when an earlier driver died."""
        for number in list(self.unfinished):
            trial = self.trials[number]
            if trial.ended_by in SCHEDULERS or self.rungs.judge(trial.family, number, trial.last_epoch):
                self.unfinished.remove(number)
                self.close(number, {"complete": False, "epochs": trial.last_epoch})

    def _announce_once(self, number: int, text: str) -> None:
        if text and (number, text) not in self.announced:
            self.announced.add((number, text))
            self.listener.message(f"trial {number}: {text}")

    def _record(self, number: int, *, epochs: Mapping[int, float] = {}, **changes: Any) -> None:
        self.trials[number] = self.study.record(self.trials[number], epochs=epochs, **changes)
