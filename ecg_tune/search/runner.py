"""Run a search: the only place that builds a Tuner."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray import tune

from ecg_tune.cluster.session import ray_session
from ecg_tune.config import SearchSettings
from ecg_tune.errors import WorkFailedError
from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.interrupts import terminate_ray_as_interrupt
from ecg_tune.search.progress.gpus import GpuMeter
from ecg_tune.search.progress.listener import Listener
from ecg_tune.search.progress.stats import SearchStats
from ecg_tune.search.resources import Node, Plan, Slots, plan
from ecg_tune.search.resume import extend, withdraw
from ecg_tune.search.space import SearchSpace
from ecg_tune.search.space_change import end_set_aside
from ecg_tune.search.stall import StallDetector
from ecg_tune.search.stopping.budget import Budget
from ecg_tune.search.stopping.schedulers import SCHEDULERS
from ecg_tune.search.trackers import NO_TUNE_LOGS, Tracker
from ecg_tune.search.tune_adapter import EngineScheduler, EngineSearcher
from ecg_tune.study.retention import CheckpointRetention
from ecg_tune.study.study import Study

MANY = 100_000
TUNE_FILES = "ray"
"""Where Tune keeps its state and logs in a study."""

View = Callable[[SearchStats], AbstractContextManager[Listener]]


@dataclass(frozen=True)
class Outcome:
    """How a search ended.

    Attributes:
        done: It was not interrupted: it has all its trials, or a budget is spent.
        spent: The limit that ended it: "max_hours", "total_epochs", "gpu_hours", "target", "patience_trials" or "min_gain"; None when
            none did.
    """

    done: bool
    spent: str | None = None


def run_search(
    trainable: type[tune.Trainable],
    space: SearchSpace,
    shared: Mapping[str, Any],
    settings: SearchSettings,
    *,
    study: Study,
    view: View,
    measure_shares: Callable[[], Mapping[str, float]] | None = None,
    trackers: Sequence[Tracker] = (),
    may_grow: bool = False,
) -> Outcome:
    """Search until the study has `settings.trials` trials, all finished; call it again to go on after any end.

    Args:
        trainable: Its `setup` takes `shared` beside the config of `EngineSearcher.suggest`; it reports `epoch`, `value`,
            `complete`, `ended_by`, and `fail_reason` when it failed.
        shared: What every trial gets, put into the object store once.
        study: Locked by the caller, as `Study.open_or_create` does.
        view: Makes the progress display.
        measure_shares: Measures each family's share of a GPU, on the cluster that is joined then.
        trackers: What hears of every epoch beside the study.
        may_grow: Machines may join while the search runs, see `Slots`.

    Raises:
        UsageError: One trial asks for more than any machine has.
        WorkFailedError: Ray did not start, or trial after trial failed.
    """
    with study.work_failure_said(), terminate_ray_as_interrupt(), ray_session():
        fits = _planned(settings, measure_shares)
        spent_before = Budget(settings, study.all_trials(), gpus=fits.gpu_share).spent()
        withdraw(study, settings)
        end_set_aside(study)
        extended = [] if spent_before else extend(study, space, settings)
        budget = Budget(settings, study.all_trials(), gpus=fits.gpu_share)
        stats = search_stats(study, settings)
        with view(stats) as listener:
            for tracker in trackers:
                tracker.say = listener.message
            slots = Slots(fits, settings.slots, may_grow=may_grow, nodes=_nodes, changed=partial(_slots_changed, stats, listener))
            stats.slots = slots.number
            _announce_extended(listener, extended)
            engine = SearchEngine(study, space, settings, listener, budget=budget, closed=CheckpointRetention(study).ended)
            stats.rung_counts, stats.gpus, stats.budget_left_s = (lambda: engine.rungs.counts), GpuMeter(), budget.left_s
            if budget.spent():
                engine.settle()
            elif not engine.done:
                with _tune_files(study.folder):
                    _tuner(trainable, shared, engine, fits, slots, trackers).fit()
        if engine.gave_up:
            raise WorkFailedError(f"trial after trial failed, in every family; {study.last_failure()}")
        spent = engine.ended_by
        return Outcome(done=engine.done or (spent is not None and not engine.open), spent=None if engine.done else spent)


def _announce_extended(listener: Listener, extended: Sequence[tuple[int, int, int]]) -> None:
    for old, new, kept in extended:
        how = f"from epoch {kept} on" if kept else "from the start: its schedule depends on the last epoch"
        listener.message(f"trial {old} is extended as trial {new}, {how}")


def _planned(settings: SearchSettings, measure_shares: Callable[[], Mapping[str, float]] | None) -> Plan:
    """Return how trials share the cluster, what can't be refused before anything is measured."""
    nodes = _nodes()
    fits = plan(settings, nodes)
    return plan(settings, nodes, shares=measure_shares()) if measure_shares else fits


def _nodes() -> list[Node]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _slots_changed(stats: SearchStats, listener: Listener, slots: int) -> None:
    listener.message(f"machines came or went: {slots} trials at once, {stats.slots} before")
    stats.slots = slots


@contextmanager
def _tune_files(study: Path | None) -> Iterator[None]:
    """Remove Tune's own files of this run and of those that were killed, which nobody reads, unless the user wants Tune's logs."""
    unwanted = os.environ.setdefault(NO_TUNE_LOGS, "1") == "1" and study is not None
    try:
        yield
    finally:
        if unwanted and study is not None and not (study / TUNE_FILES).is_symlink():
            for run in (study / TUNE_FILES).glob("run_*"):
                if not any(run.glob("trial_*/events*")):  # logs of a run that was to keep them
                    shutil.rmtree(run, ignore_errors=True)
            with suppress(OSError):
                (study / TUNE_FILES).rmdir()


def _tuner(
    trainable: type[tune.Trainable],
    shared: Mapping[str, Any],
    engine: SearchEngine,
    fits: Plan,
    slots: Slots,
    trackers: Sequence[Tracker],
) -> tune.Tuner:
    assert engine.study.folder is not None, "a search on a cluster keeps its study in a folder"
    searcher = EngineSearcher(engine, slots)
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(MANY)  # the searcher bounds them
    os.environ["RAY_TRAIN_COUNT_PREEMPTION_AS_FAILURE"] = "1"  # to the engine, which does not count it; else Tune retries it itself
    return tune.Tuner(
        tune.with_resources(
            tune.with_parameters(trainable, **shared), lambda config: tune.PlacementGroupFactory([fits.request(config["family"])])
        ),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=EngineScheduler(searcher, StallDetector(engine.settings.stall_timeout_s)),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=_trial_folder,
            trial_dirname_creator=_trial_folder,
        ),
        run_config=tune.RunConfig(
            name=f"run_{time.strftime('%Y%m%d_%H%M%S')}_{secrets.token_hex(2)}",  # a clock that was set back would give a name again
            storage_path=str(engine.study.folder.resolve() / TUNE_FILES),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # trainables keep their own, in the study
            # the engine hands lost trials out again: Tune would give one up that it was handing to a warm worker when that died
            failure_config=tune.FailureConfig(max_failures=0),
            callbacks=list(trackers),
            verbose=0,
        ),
    )


def _trial_folder(trial: Any) -> str:
    return f"trial_{trial.config['number']:05d}"


def search_stats(study: Study, settings: SearchSettings) -> SearchStats:
    """Count what the study holds as its search begins: trials that ended, and those that wait from an earlier run."""
    rule = SCHEDULERS[settings.scheduler](settings)
    stats = SearchStats(trials=settings.trials, max_epochs=settings.epochs, pauses=rule.pauses and bool(rule.marks))
    stats.states.update(trial.state for trial in study.newest_trials() if trial.finished and not trial.imported)
    stats.waiting.update(trial.number for trial in study.newest_trials() if trial.paused)
    if (best := study.best) is not None:
        stats.best = (best.values[0], best.number, best.family)
    return stats
