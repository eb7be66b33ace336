"""The book of a search: hands out trials, writes every result into the study, decides who stops. Knows no Ray.

Attributes of a trial's row. At its start: family, config (resolved, plain data), seed, is_default, path (of its checkpoints,
relative to the study). At its end: epochs, seconds, device, node, worker, n_parameters, per_class_auc, best_epoch, micro_batch, ended_by
("max_epochs", "patience", "asha" or "failed"); for failures fail_reason and failure (text).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import optuna
from optuna.trial import TrialState

from ecg_tune.config import SearchSettings
from ecg_tune.errors import ConfigError
from ecg_tune.search.asha import rungs_of
from ecg_tune.search.samplers import make_sampler, trial_seed
from ecg_tune.search.schedulers import SCHEDULERS
from ecg_tune.search.space import SearchSpace
from ecg_tune.search.study import newest_trials

MOST_ERRORS_IN_A_ROW = 10
LAST_FACTS = ("epochs", "seconds", "device", "node", "worker", "n_parameters", "per_class_auc", "best_epoch", "micro_batch")


class Listener(Protocol):
    """Is told what happens, as it happens."""

    def started(self, number: int, family: str, *, continued_at: int) -> None:
        """A trial begins, or goes on after `continued_at` epochs."""

    def epoch(self, number: int, family: str, epoch: int, value: float) -> None:
        """A trial finished an epoch."""

    def finished(self, number: int, family: str, state: str, value: float | None, reason: str) -> None:
        """A trial's row was closed."""


@dataclass(frozen=True)
class Assignment:
    """One trial for a worker.

    Attributes:
        path: Folder of its checkpoints, relative to the study.
        reported: Epochs whose values the study already holds.
    """

    number: int
    family: str
    config: dict[str, Any]
    seed: int
    path: str
    reported: int


class Book:
    """Everything the engine knows, kept in the study; the rungs are a copy that could be rebuilt at any time."""

    def __init__(self, study: optuna.Study, space: SearchSpace, settings: SearchSettings, listener: Listener) -> None:
        self.study, self.space, self.settings, self.listener = study, space, settings, listener
        self.rule = SCHEDULERS[settings.scheduler](settings)
        rows = newest_trials(study)
        self.rungs = rungs_of(rows, self.rule.levels)
        self.n_trials = sum(row.state != TrialState.WAITING for row in rows)
        self.reported = {row.number: max(row.intermediate_values, default=0) for row in rows if row.state == TrialState.RUNNING}
        self.families = {row.number: str(row.user_attrs.get("family", "")) for row in rows}
        self.unfinished = [row.number for row in rows if row.state == TrialState.RUNNING]
        self.errors_in_a_row = 0
        self._close_decided()

    def next_assignment(self) -> Assignment | None:
        """Hand out an unfinished trial, or a new one; None when the study has all its trials or too many failed in a row."""
        assignment = None
        while assignment is None and not self.gave_up:
            if self.unfinished:
                assignment = self._assignment(self.unfinished.pop(0))
            elif self.n_trials < self.settings.trials:
                assignment = self._ask()
            else:
                return None
        if assignment is None:
            return None
        self.listener.started(assignment.number, assignment.family, continued_at=assignment.reported)
        return assignment

    def record(self, number: int, result: Mapping[str, Any]) -> bool:
        """Write an epoch's value and return whether the trial stops here. A value that is known already changes nothing."""
        epoch, value = int(result["epoch"]), float(result["value"])
        if epoch <= self.reported.get(number, 0):
            return False
        family = self.families[number]
        self._storage.set_trial_intermediate_value(self._id(number), epoch, value)
        self.reported[number] = epoch
        self.listener.epoch(number, family, epoch, value)
        standing = self.rungs.enter(family, number, epoch, value)
        if standing is None or result["complete"] or not self.rule.cuts(standing, self.rungs.best[number]):
            return False
        self._set(number, {"ended_by": self.settings.scheduler})
        return True

    def close(self, number: int, result: Mapping[str, Any]) -> None:
        """Close a row by its last result: COMPLETE when the trial says so, FAIL when it failed, else PRUNED."""
        if result.get("fail_reason"):
            self.fail(number, str(result["fail_reason"]), str(result.get("failure", "")), facts=result)
            return
        facts = {name: result[name] for name in LAST_FACTS if name in result}
        family = self.families[number]
        if result.get("complete"):
            ended_by = str(result["ended_by"])
            self._set(number, {**facts, "ended_by": ended_by})
            if ended_by == "patience":
                self.rungs.end(family, number, int(result["epoch"]))
            self.study.tell(number, self.rungs.best[number])
            self.errors_in_a_row = 0
            self.listener.finished(number, family, "COMPLETE", self.rungs.best[number], ended_by)
        else:
            self._set(number, {**facts, "ended_by": self.settings.scheduler})
            self.study.tell(number, state=TrialState.PRUNED)
            self.errors_in_a_row = 0
            self.listener.finished(number, family, "PRUNED", self.rungs.best.get(number), f"epoch {self.reported.get(number, 0)}")

    def fail(self, number: int, reason: str, failure: str, *, facts: Mapping[str, Any] | None = None) -> None:
        """Close a row as FAIL with its reason ("nan", "oom", "error", "timeout" or "preempted") and text."""
        kept = {name: (facts or {})[name] for name in LAST_FACTS if name in (facts or {})}
        self._set(number, {**kept, "ended_by": "failed", "fail_reason": reason, "failure": failure})
        self.study.tell(number, state=TrialState.FAIL)
        self.errors_in_a_row += reason == "error"
        self.listener.finished(number, self.families[number], "FAIL", None, reason)

    @property
    def gave_up(self) -> bool:
        """Whether so many trials in a row ended in an error that the fault is not theirs."""
        return self.errors_in_a_row >= MOST_ERRORS_IN_A_ROW

    @property
    def done(self) -> bool:
        """Whether nothing is left to hand out or to close."""
        open_rows = any(t.state in (TrialState.RUNNING, TrialState.WAITING) for t in newest_trials(self.study))
        return self.n_trials >= self.settings.trials and not open_rows

    def _ask(self) -> Assignment | None:
        rows = self.study.get_trials(deepcopy=False)
        number = next((row.number for row in rows if row.state == TrialState.WAITING), len(rows))
        self.study.sampler = make_sampler(self.settings.sampler, seed=self.settings.seed, number=number)
        if number == len(rows) and number < len(self.space.defaults):
            self.study.enqueue_trial(self.space.defaults[number])
        self.n_trials += 1
        return self._assignment(self.study.ask().number)

    def _assignment(self, number: int) -> Assignment | None:
        """Return what a row stands for; None after closing it as FAIL when no config takes its parameters."""
        row = self._storage.get_trial(self._id(number))
        if "config" not in row.user_attrs:
            try:
                self._describe(number)
            except ConfigError as error:
                self.families[number] = str(row.params.get("family", ""))
                self.fail(number, "error", str(error))
                return None
            row = self._storage.get_trial(self._id(number))
        attrs = row.user_attrs
        self.families[number] = attrs["family"]
        return Assignment(number, attrs["family"], attrs["config"], attrs["seed"], attrs["path"], max(row.intermediate_values, default=0))

    def _describe(self, number: int) -> None:
        """Draw what is not drawn yet and write down what the row stands for; the config last, as the sign that all is there."""
        proposal = self.space.suggest(optuna.trial.Trial(self.study, self._id(number)))
        facts = {"family": proposal.family, "seed": trial_seed(self.settings.seed, number), "is_default": number < len(self.space.defaults)}
        self._set(number, {**facts, "path": f"checkpoints/trial_{number:05d}", "config": proposal.config})

    def _close_decided(self) -> None:
        """Close rows that were cut, or stood at a rung unjudged, when an earlier driver died."""
        for number in list(self.unfinished):
            row = self._storage.get_trial(self._id(number))
            rung = self.rungs.values.get((self.families[number], self.reported[number]), {})
            others = [value for other, value in rung.items() if other != number]
            unjudged = number in rung and self.rule.cuts(others, self.rungs.best[number])
            if row.user_attrs.get("ended_by") in SCHEDULERS or unjudged:
                self.unfinished.remove(number)
                self.close(number, {"complete": False, "epochs": self.reported[number]})

    def _set(self, number: int, attributes: Mapping[str, Any]) -> None:
        for name, value in attributes.items():
            plain = None if isinstance(value, float) and not math.isfinite(value) else value
            self._storage.set_trial_user_attr(self._id(number), name, plain)

    def _id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self.study._study_id, number)

    @property
    def _storage(self) -> optuna.storages.BaseStorage:
        return self.study._storage
