"""Measure what a trial of one epoch costs in a study of n trials: the sampler's, the database's and this project's share.

A part of `search.py`, not a script of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import optuna
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from toy_trials import Quiet, sqlite_study

import ecg_tune.study.study as study_module
from ecg_tune.config import SearchSettings
from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.sampling.samplers import trial_seed
from ecg_tune.search.space import SearchSpace
from search_spaces import SpaceContext, search_space

FAMILIES, EPOCHS, ROUNDS = ("rnn", "resnet1d", "resnet", "fusion"), 10, 30
SAMPLING = ("before_trial", "infer_relative_search_space", "sample_relative", "sample_independent", "after_trial")


def four_families() -> SearchSpace:
    """Build the space of four families and 50 parameters in all."""
    return search_space(FAMILIES, SpaceContext("small", EPOCHS))


def ask_tell(sizes: tuple[int, ...], folder: Path) -> dict[int, dict[str, float]]:
    """Measure the milliseconds to suggest a trial, record an epoch and close it, for each size of the study.

    The study is SQLite, filled with random trials, two in three of them pruned; the sampler is TPE.
    """
    study, space = sqlite_study(folder), four_families()
    result = {}
    for size in sizes:
        study.optuna.add_trials(_rows(space, range(len(study.optuna.get_trials(deepcopy=False)), size)))
        settings = SearchSettings(families=FAMILIES, profile="small", max_epochs=EPOCHS, trials=10**6)
        engine = SearchEngine(study, space, settings, Quiet())
        result[size] = _rounds(engine)
    return result


def _rounds(engine: SearchEngine) -> dict[str, float]:
    """Average the milliseconds of `ROUNDS` trials of one epoch each, after one that warms up.

    `database_ms` is Optuna's storage over SQLite, reading rows back and waiting for the disk; `own_ms` is the rest.
    """
    spent = {"ask": 0.0, "record": 0.0, "tell": 0.0, "sampler": 0.0, "database": 0.0}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = call()
        spent[name] += time.perf_counter() - started
        return result

    with _shares_timed(spent):
        for n in range(ROUNDS + 1):
            if n == 1:
                spent.update(dict.fromkeys(spent, 0.0))
            task = timed("ask", engine.next_assignment)
            message = {"epoch": 1, "value": 0.6 + 0.001 * n, "complete": True, "ended_by": "patience", "epochs": 1, "seconds": 1.0}
            timed("record", lambda number=task.number, message=message: engine.record(number, message))
            timed("tell", lambda number=task.number, message=message: engine.close(number, message))
    mean = {f"{name}_ms": seconds / ROUNDS * 1e3 for name, seconds in spent.items()}
    together = mean["ask_ms"] + mean["record_ms"] + mean["tell_ms"]
    return mean | {"ask_tell_ms": together, "own_ms": together - mean["sampler_ms"] - mean["database_ms"]}


@contextmanager
def _shares_timed(spent: dict[str, float]) -> Iterator[None]:
    """Add up the time inside Optuna's sampler and inside the database; a call within another one counts once, for the outer."""
    depth = [0]

    def wrapped(method: Callable[..., Any], share: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            depth[0] += 1
            started = time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                depth[0] -= 1
                spent[share] += 0.0 if depth[0] else time.perf_counter() - started

        return call

    stored = [name for name, method in vars(RDBStorage).items() if callable(method) and not name.startswith("_")]
    with ExitStack() as stack:
        for owner, names, share in (
            (TPESampler, SAMPLING, "sampler"),
            (RDBStorage, stored, "database"),
            (study_module, ["write_trial", "add_trial"], "database"),
        ):
            for name in names:
                stack.enter_context(patch.object(owner, name, wrapped(getattr(owner, name), share)))
        yield


def _rows(space: SearchSpace, numbers: range) -> list[FrozenTrial]:
    """Make finished trials as a search leaves them."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=numbers.start))
    return [_row(study.ask(), space, number) for number in numbers]


def _row(trial: optuna.trial.Trial, space: SearchSpace, number: int) -> FrozenTrial:
    proposal, rng = space.suggest(trial), np.random.default_rng(number)
    epochs = int(rng.choice([1, 3, EPOCHS], p=[0.45, 0.2, 0.35]))
    values = {e: float(v) for e, v in enumerate(0.5 + 0.4 * rng.random() * (1 - 0.7 ** np.arange(1, epochs + 1)), 1)}
    complete = epochs == EPOCHS
    attrs = {"family": proposal.family, "config": proposal.config, "seed": trial_seed(0, number), "is_default": False}
    attrs |= {"path": f"checkpoints/trial_{number:05d}", "epochs": epochs, "seconds": 10.0 * epochs}
    return create_trial(
        state=TrialState.COMPLETE if complete else TrialState.PRUNED,
        value=max(values.values()) if complete else None,
        params=trial.params,
        distributions=trial.distributions,
        intermediate_values=values,
        user_attrs={**attrs, "ended_by": "max_epochs" if complete else "asha"},
    )
