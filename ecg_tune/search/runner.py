"""Run a search: the only place that builds a Tuner."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import ray
from ray import tune

from ecg_tune.cluster.session import ray_session
from ecg_tune.config import SearchSettings
from ecg_tune.errors import WorkFailedError
from ecg_tune.search.book import Book
from ecg_tune.search.budget import Budget
from ecg_tune.search.checkpoints import Keeper
from ecg_tune.search.continued import lengthen
from ecg_tune.search.gpus import GpuMeter
from ecg_tune.search.interrupts import terminate_as_interrupt
from ecg_tune.search.listener import Listener
from ecg_tune.search.loggers import Tracker
from ecg_tune.search.resources import Node, Plan, Slots, plan
from ecg_tune.search.searcher import StudyScheduler, StudySearcher
from ecg_tune.search.silence import Silence
from ecg_tune.search.space import SearchSpace
from ecg_tune.search.study import best_trials, last_failure, newest_trials, objective
from ecg_tune.search.tally import Tally

MANY = 100_000

View = Callable[[Tally], AbstractContextManager[Listener]]


@dataclass(frozen=True)
class Outcome:
    """How a search ended.

    Attributes:
        done: It was not interrupted: it has all its trials, or a budget is spent.
        spent: The budget that ended it ("max_hours", "total_epochs", "gpu_hours", "target"), None when no one did.
    """

    done: bool
    spent: str | None = None


def run_search(
    trainable: type[tune.Trainable],
    space: SearchSpace,
    shared: Mapping[str, Any],
    settings: SearchSettings,
    *,
    study: optuna.Study,
    folder: Path,
    view: View,
    measure_shares: Callable[[], Mapping[str, float]] | None = None,
    trackers: Sequence[Tracker] = (),
    may_grow: bool = False,
) -> Outcome:
    """Search until the study has `settings.trials` rows, none of them open; call it again to go on after any end.

    Args:
        trainable: Its `setup` takes `shared` beside the config of `StudySearcher.suggest`; it reports `epoch`, `value`,
            `complete`, `ended_by`, and `fail_reason` when it failed.
        shared: What every trial gets, put into the object store once.
        folder: The study's folder; the caller holds it (`hold_study`).
        view: Makes the progress display.
        measure_shares: Measures each family's share of a GPU, on the cluster that is joined then.
        trackers: What hears of every epoch beside the study.
        may_grow: Machines may join while the search runs, see `Slots`.

    Raises:
        UsageError: One trial asks for more than any machine has.
        WorkFailedError: Ray did not start, or trial after trial failed.
    """
    with terminate_as_interrupt(), ray_session():
        fits = _planned(settings, measure_shares)
        spent_before = Budget(settings, study.get_trials(deepcopy=False), gpus=fits.gpu_share).spent()
        lengthened = [] if spent_before else lengthen(study, space, settings)
        budget = Budget(settings, study.get_trials(deepcopy=False), gpus=fits.gpu_share)
        tally = _tally(study, settings)
        with view(tally) as listener:
            for tracker in trackers:
                tracker.say = listener.said
            slots = Slots(fits, settings.slots, may_grow=may_grow, nodes=_nodes, changed=partial(_slots_changed, tally, listener))
            tally.slots = slots.number
            _say_lengthened(listener, lengthened)
            book = Book(study, space, settings, listener, budget=budget, closed=Keeper(study, folder).ended)
            tally.standing, tally.gpus, tally.budget_left_s = (lambda: book.rungs.standing), GpuMeter(), budget.left_s
            if budget.spent():
                book.settle()
            elif not book.done:
                _tuner(trainable, shared, book, fits, slots, folder, trackers).fit()
        if book.gave_up:
            raise WorkFailedError(f"trial after trial failed, in every family; {last_failure(study)}")
        spent = budget.spent()
        return Outcome(done=book.done or (spent is not None and not book.open), spent=None if book.done else spent)


def _say_lengthened(listener: Listener, lengthened: Sequence[tuple[int, int, int]]) -> None:
    for old, new, kept in lengthened:
        how = f"from epoch {kept} on" if kept else "from the start: its schedule depends on the last epoch"
        listener.said(f"trial {old} is lengthened as trial {new}, {how}")


def _planned(settings: SearchSettings, measure_shares: Callable[[], Mapping[str, float]] | None) -> Plan:
    """Return how trials share the cluster, what can't be refused before anything is measured."""
    nodes = _nodes()
    fits = plan(settings, nodes)
    return plan(settings, nodes, shares=measure_shares()) if measure_shares else fits


def _nodes() -> list[Node]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _slots_changed(tally: Tally, listener: Listener, slots: int) -> None:
    listener.said(f"machines came or went: {slots} trials at once, {tally.slots} before")
    tally.slots = slots


def _tuner(
    trainable: type[tune.Trainable],
    shared: Mapping[str, Any],
    book: Book,
    fits: Plan,
    slots: Slots,
    folder: Path,
    trackers: Sequence[Tracker],
) -> tune.Tuner:
    searcher = StudySearcher(book, slots)
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(MANY)  # the searcher bounds them
    os.environ["RAY_TRAIN_COUNT_PREEMPTION_AS_FAILURE"] = "1"  # to the book, which does not count it; else Tune itself tries again, unsaid
    return tune.Tuner(
        tune.with_resources(
            tune.with_parameters(trainable, **shared), lambda config: tune.PlacementGroupFactory([fits.request(config["family"])])
        ),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=StudyScheduler(searcher, Silence(book.settings.silence_s)),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=_trial_folder,
            trial_dirname_creator=_trial_folder,
        ),
        run_config=tune.RunConfig(
            name=time.strftime("run_%Y%m%d_%H%M%S"),
            storage_path=str(folder.resolve() / "ray"),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # trainables keep their own, in the study
            # the book hands lost trials out again: Tune would give one up that it was handing to a warm worker when that died
            failure_config=tune.FailureConfig(max_failures=0),
            callbacks=list(trackers),
            verbose=0,
        ),
    )


def _trial_folder(trial: Any) -> str:
    return f"trial_{trial.config['number']:05d}"


def _tally(study: optuna.Study, settings: SearchSettings) -> Tally:
    tally = Tally(trials=settings.trials, max_epochs=settings.epochs)
    tally.states.update(t.state.name for t in newest_trials(study) if t.state.is_finished() and "imported_from" not in t.user_attrs)
    for trial in best_trials(study, 1):
        tally.best = (objective(trial), trial.number, str(trial.user_attrs["family"]))
    return tally
