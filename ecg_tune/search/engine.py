"""The book of a search: hands out trials, writes every result into the study, decides who stops. Knows no Ray.

Attributes of a trial's row. From its start: family, config (resolved, plain data), seed, is_default, path (of its checkpoints,
relative to where the study keeps them), and for some queued (given parameters), continued_from, goes_on, imported_from. During: seconds. At
its end: epochs, device, node, worker, n_parameters, per_class_auc, best_epoch, micro_batch, checkpoint (its name holds the
digest), objectives (of several), ended_by ("max_epochs", "patience", the scheduler, a budget, "target" or "failed"); for
failures fail_reason and failure (text). Of a row that was lengthened: superseded_by.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from ecg_tune.config import SearchSettings
from ecg_tune.errors import ConfigError
from ecg_tune.search.assignment import Assignment
from ecg_tune.search.progress.listener import Listener
from ecg_tune.search.queue import Queue, suggested
from ecg_tune.search.resume import add_running, adopt, trial_path
from ecg_tune.search.sampling.history import SamplerHistory
from ecg_tune.search.sampling.samplers import trial_seed
from ecg_tune.search.space import SearchSpace
from ecg_tune.search.stopping.budget import TARGET, Budget
from ecg_tune.search.stopping.rungs import rungs_of
from ecg_tune.search.stopping.schedulers import SCHEDULERS
from ecg_tune.study.study import newest_trials
from ecg_tune.study.transactions import check_distributions, write_row

LAST_FACTS = ("epochs", "seconds", "device", "node", "worker", "n_parameters", "per_class_auc", "best_epoch", "micro_batch", "checkpoint")


class SearchEngine:
    """Everything the engine knows, kept in the study; what is kept here could be rebuilt from it at any time.

    Args:
        closed: Is given every row that is closed.

    Attributes:
        rows: The open rows, as they stand, by number.
        dropped: Families that this run draws no more, since trial after trial of theirs failed.
    """

    def __init__(
        self,
        study: optuna.Study,
        space: SearchSpace,
        settings: SearchSettings,
        listener: Listener,
        *,
        budget: Budget | None = None,
        closed: Callable[[FrozenTrial], None] = lambda row: None,
    ) -> None:
        self.study, self.space, self.settings, self.listener, self.closed = study, space, settings, listener, closed
        adopt(study)
        everything, rows = study.get_trials(deepcopy=False), newest_trials(study)
        self.budget = budget or Budget(settings, everything)
        self.rule = SCHEDULERS[settings.scheduler](settings)
        self.rungs = rungs_of(rows, self.rule)
        directions = [direction.name.lower() for direction in study.directions]
        self.view = SamplerHistory(settings.sampler, seed=settings.seed, families=settings.families, directions=directions)
        self.queue = Queue(space, everything)
        self.n_rows = len(everything)
        self.n_trials = sum("imported_from" not in row.user_attrs for row in rows)
        self.families = {row.number: str(row.user_attrs.get("family", "")) for row in rows}
        self.rows = {row.number: row for row in rows if row.state == TrialState.RUNNING}
        self.unfinished = list(self.rows)
        self.stops: dict[int, str] = {}
        self.told: set[tuple[int, str]] = set()
        self.losses = Counter[int]()
        self.in_a_row, self.dropped = Counter[str](), list[str]()
        self.distributions: dict[str, BaseDistribution] = {}
        for row in rows:
            self.view.add(row)
            check_distributions(self.distributions, row)
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
                assignment = _assignment(self.rows[self.unfinished.pop(0)])
            elif self.n_trials < self.settings.trials:
                assignment = self._new()
            else:
                return None
        self.listener.started(assignment.number, assignment.family, continued_at=assignment.reported)
        return assignment

    def record(self, number: int, result: Mapping[str, Any]) -> bool:
        """Write an epoch's value and return whether the trial stops here. A value that is known already changes nothing."""
        epoch, value, family = int(result["epoch"]), float(result["value"]), self.families[number]
        self._say_once(number, str(result.get("say", "")))
        if epoch <= _last_epoch(self.rows[number]):
            return False
        seconds, facts = float(result.get("seconds", 0.0)), {}
        cut = self.rungs.enter(family, number, epoch, value)
        self.budget.epoch(number, family, value, seconds)
        if not result["complete"] and (spent := self.budget.spent()):
            self.stops[number] = spent
        elif not result["complete"] and cut:
            self.stops[number] = facts["ended_by"] = self.settings.scheduler  # a decision is kept: later others stand there
        self._write(number, {"seconds": seconds, **facts}, epochs={epoch: value})
        self.listener.epoch(number, family, epoch, value)
        return number in self.stops

    def close(self, number: int, result: Mapping[str, Any]) -> None:
        """Close a row by its last result: COMPLETE when the trial says so or reached the target, FAIL when it failed, else PRUNED."""
        reason = str(result.get("fail_reason") or "")
        if reason == "oom" and self._retry_smaller(number, result):
            return
        if reason:
            self.fail(number, reason, str(result.get("failure", "")), facts=result)
            return
        ended_by = str(result["ended_by"]) if result.get("complete") else self.stops.pop(number, self.settings.scheduler)
        best = self.rungs.best.get(number, -math.inf)
        objectives = [best, *result.get("costs", ())]
        reached = ended_by == TARGET and self.budget.reaches(best) and len(objectives) == len(self.study.directions)
        complete = bool(result.get("complete")) or reached
        facts = {name: result[name] for name in LAST_FACTS if name in result}
        facts |= {**({"objectives": objectives} if len(objectives) > 1 else {}), "ended_by": ended_by}
        if ended_by == "patience":
            self.rungs.end(self.families[number], number, int(result["epoch"]))
        if complete:
            self._close(number, TrialState.COMPLETE, ended_by, facts, objectives)
        else:
            self._close(number, TrialState.PRUNED, f"epoch {_last_epoch(self.rows[number])}, {ended_by}", facts)

    def fail(self, number: int, reason: str, failure: str, *, facts: Mapping[str, Any] | None = None) -> None:
        """Close a row as FAIL with its reason ("nan", "oom", "error", "timeout" or "preempted") and text."""
        kept = {name: (facts or {})[name] for name in LAST_FACTS if name in (facts or {})}
        self._close(number, TrialState.FAIL, reason, {**kept, "ended_by": "failed", "fail_reason": reason, "failure": failure})

    def retry_lost(self, number: int, why: str, *, counted: bool) -> bool:
        """Hand a trial whose worker was lost out again, from its checkpoint, unless that happened more often than is retried."""
        self.losses[number] += counted
        if self.losses[number] > self.settings.retries:
            return False
        self.unfinished.append(number)
        self.listener.message(f"trial {number}: its worker or node was lost ({why}); it goes on from its checkpoint")
        return True

    def settle(self) -> None:
        """Close, for want of budget, the rows that no worker has taken up again."""
        while self.unfinished:
            number = self.unfinished.pop(0)
            self.stops[number] = str(self.budget.spent())
            self.close(number, {"complete": False, "epochs": _last_epoch(self.rows[number])})

    @property
    def gave_up(self) -> bool:
        """Whether every family failed so often in a row that the fault is not the trials'."""
        return len(self.dropped) == len(self.settings.families)

    @property
    def open(self) -> bool:
        """Whether a row is not closed."""
        return any(not row.state.is_finished() for row in newest_trials(self.study))

    @property
    def done(self) -> bool:
        """Whether the study has all its trials and none is open."""
        return self.n_trials >= self.settings.trials and not self.open

    def _new(self) -> Assignment | None:
        """Draw a trial and write its row; None when no config takes what was drawn, which is a FAIL row then."""
        number, item = self.n_rows, self.queue.next()
        families = [family for family in self.settings.families if family not in self.dropped]
        self.n_rows, self.n_trials = self.n_rows + 1, self.n_trials + 1
        attrs: dict[str, Any] = {"seed": trial_seed(self.settings.seed, number), "is_default": item.is_default}
        attrs |= {"path": trial_path(number), **({"queued": item.key} if item.key else {})}
        try:
            params = self.view.propose(number, self.space.suggest, families=families, fixed=item.params)
            proposal, distributions = suggested(self.space, params)
        except ConfigError as error:
            self.families[number] = str(item.params.get("family", ""))
            self.study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={**attrs, "fail_reason": "error", "failure": str(error)}))
            self._count_failure(self.families[number], failed=True)
            self.listener.finished(number, self.families[number], "FAIL", None, "error")
            return None
        known = self.distributions
        row = add_running(self.study, params, distributions, {**attrs, "family": proposal.family, "config": proposal.config}, known=known)
        self.n_rows, self.families[row.number], self.rows[row.number] = row.number + 1, proposal.family, row
        self.view.add(row)
        return _assignment(row)

    def _retry_smaller(self, number: int, result: Mapping[str, Any]) -> bool:
        """Hand a trial that ran out of memory out once more, from its checkpoint, with half the micro-batch."""
        size = int(result.get("micro_batch") or 0)
        if size <= 1 or "micro_batch_after_oom" in self.rows[number].user_attrs:
            return False
        self._write(number, {"micro_batch_after_oom": size // 2})
        self.unfinished.append(number)
        self.listener.message(
            f"trial {number} ran out of memory: it is tried once more with micro-batches of {size // 2}, same effective batch"
        )
        return True

    def _close(
        self, number: int, state: TrialState, reason: str, facts: Mapping[str, Any], objectives: Sequence[float] | None = None
    ) -> None:
        self._write(number, facts, state=state, values=objectives)
        row, family = self.rows.pop(number), self.families[number]
        self.view.add(row)
        self.closed(row)
        self._count_failure(family, failed=state == TrialState.FAIL)
        self.listener.finished(number, family, state.name, self.rungs.best.get(number) if state != TrialState.FAIL else None, reason)

    def _count_failure(self, family: str, *, failed: bool) -> None:
        self.in_a_row[family] = self.in_a_row[family] + 1 if failed else 0
        if self.in_a_row[family] >= self.settings.family_failures and family not in self.dropped:
            self.dropped.append(family)
            self.listener.message(f"{family} is drawn no more: its last {self.in_a_row[family]} trials failed (see `ecg-tune status`)")

    def _close_decided(self) -> None:
        """Close rows that were cut, or stood at a rung unjudged, when an earlier driver died."""
        for number in list(self.unfinished):
            decided = self.rows[number].user_attrs.get("ended_by") in SCHEDULERS
            if decided or self.rungs.judge(self.families[number], number, _last_epoch(self.rows[number])):
                self.unfinished.remove(number)
                self.close(number, {"complete": False, "epochs": _last_epoch(self.rows[number])})

    def _say_once(self, number: int, text: str) -> None:
        if text and (number, text) not in self.told:
            self.told.add((number, text))
            self.listener.message(f"trial {number}: {text}")

    def _write(self, number: int, attributes: Mapping[str, Any], **changes: Any) -> None:
        self.rows[number] = write_row(self.study, self.rows[number], attributes, **changes)


def _assignment(row: FrozenTrial) -> Assignment:
    attrs = row.user_attrs
    smaller = attrs.get("micro_batch_after_oom")
    return Assignment(row.number, attrs["family"], attrs["config"], attrs["seed"], attrs["path"], _last_epoch(row), smaller)


def _last_epoch(row: FrozenTrial) -> int:
    return max(row.intermediate_values, default=0)
