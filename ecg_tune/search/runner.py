"""Run a search: the only place that builds a Tuner."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import optuna
import ray
from ray import tune

from ecg_tune.config import SearchSettings
from ecg_tune.errors import WorkFailedError
from ecg_tune.search.book import Book, Listener
from ecg_tune.search.checkpoints import tidy
from ecg_tune.search.progress import Tally
from ecg_tune.search.resources import Plan, plan
from ecg_tune.search.searcher import StudyScheduler, StudySearcher
from ecg_tune.search.space import SearchSpace
from ecg_tune.search.study import best_trials, last_failure, newest_trials

View = Callable[[Tally], AbstractContextManager[Listener]]


def run_search(
    trainable: type[tune.Trainable],
    space: SearchSpace,
    shared: Mapping[str, Any],
    settings: SearchSettings,
    *,
    study: optuna.Study,
    folder: Path,
    view: View,
) -> bool:
    """Search until the study has `settings.trials` rows, none of them open; call it again to go on after any end.

    Args:
        trainable: Its `setup` takes `shared` beside the config of `StudySearcher.suggest`; it reports `epoch`, `value`,
            `complete`, `ended_by`, and `fail_reason` when it failed.
        shared: What every trial gets, put into the object store once.
        folder: The study's folder, on a path that every node reaches; the caller holds it (`hold_study`).
        view: Makes the progress display.

    Returns:
        True when the search is done, False when it was interrupted.

    Raises:
        UsageError: One trial asks for more than the cluster has.
        WorkFailedError: Ray did not start, or trial after trial failed.
    """
    with _ray_session():
        fits = plan(settings, ray.cluster_resources())
        with view(_tally(study, settings, fits)) as listener:
            book = Book(study, space, settings, _Tidying(listener, study, folder))
            if not book.done:
                with _terminate_as_interrupt():
                    _tuner(trainable, shared, book, fits, folder, settings).fit()
        if book.gave_up:
            raise WorkFailedError(f"the last {book.errors_in_a_row} trials ended in an error; {last_failure(study)}")
        return book.done


def _tuner(
    trainable: type[tune.Trainable], shared: Mapping[str, Any], book: Book, fits: Plan, folder: Path, settings: SearchSettings
) -> tune.Tuner:
    return tune.Tuner(
        tune.with_resources(tune.with_parameters(trainable, **shared), fits.request),
        tune_config=tune.TuneConfig(
            search_alg=StudySearcher(book),
            scheduler=StudyScheduler(book),
            num_samples=-1,
            max_concurrent_trials=fits.slots,
            reuse_actors=True,
            trial_dirname_creator=_trial_folder,
        ),
        run_config=tune.RunConfig(
            name=time.strftime("run_%Y%m%d_%H%M%S"),
            storage_path=str(folder.resolve() / "ray"),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # trainables keep their own, in the study
            failure_config=tune.FailureConfig(max_failures=settings.retries),
            verbose=0,
        ),
    )


def _trial_folder(trial: Any) -> str:
    return f"trial_{trial.config['number']:05d}"


def _tally(study: optuna.Study, settings: SearchSettings, fits: Plan) -> Tally:
    tally = Tally(trials=settings.trials, max_epochs=settings.epochs, slots=fits.slots)
    tally.states.update(t.state.name for t in newest_trials(study) if t.state.is_finished())
    for trial in best_trials(study, 1):
        tally.best = (float(trial.value or 0.0), trial.number, str(trial.user_attrs["family"]))
    return tally


class _Tidying:
    """A listener that also removes checkpoints whenever a trial ended."""

    def __init__(self, listener: Listener, study: optuna.Study, folder: Path) -> None:
        self.listener, self.study, self.folder = listener, study, folder

    def started(self, number: int, family: str, *, continued_at: int) -> None:
        self.listener.started(number, family, continued_at=continued_at)

    def epoch(self, number: int, family: str, epoch: int, value: float) -> None:
        self.listener.epoch(number, family, epoch, value)

    def finished(self, number: int, family: str, state: str, value: float | None, reason: str) -> None:
        tidy(self.study, self.folder)
        self.listener.finished(number, family, state, value, reason)


@contextmanager
def _ray_session() -> Iterator[None]:
    """Use the Ray that runs in this process, or start one on this machine for the time of the search."""
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # failures are rows of the study, not tracebacks
    try:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError) as error:
        raise WorkFailedError(f"Ray could not be started: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end a search as Ctrl-C does: Tune handles SIGINT only."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
