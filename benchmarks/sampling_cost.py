"""Measure what a trial of one epoch costs in a study of n trials: the sampler's, the database's and this project's share.

A part of `scale.py`, not a script of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from optuna.samplers import TPESampler
from optuna.storages import RDBStorage

import ecg_tune.study.study as study_module
from ecg_tune.search.engine import SearchEngine

ROUNDS = 30
SAMPLING = ("before_trial", "infer_relative_search_space", "sample_relative", "sample_independent", "after_trial")


def trial_costs(engine: SearchEngine, *, rounds: int = ROUNDS) -> dict[str, float]:
    """Average what it costs to suggest a trial, record an epoch and close it, over some trials of one epoch, after one that warms up.

    Returns:
        Seconds of the processor: "suggest", "record", "close", and how much of their sum is the "sampler"'s and the "database"'s, which is
        Optuna's storage over SQLite, reading rows back.
    """
    spent = {"suggest": 0.0, "record": 0.0, "close": 0.0, "sampler": 0.0, "database": 0.0}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        started = time.process_time()
        result = call()
        spent[name] += time.process_time() - started
        return result

    with _shares_timed(spent):
        for n in range(rounds + 1):
            if n == 1:
                spent.update(dict.fromkeys(spent, 0.0))
            task = timed("suggest", engine.next_assignment)
            message = {"epoch": 1, "value": 0.6 + 0.001 * n, "complete": True, "ended_by": "patience", "epochs": 1, "seconds": 1.0}
            timed("record", lambda number=task.number, message=message: engine.record(number, message))
            timed("close", lambda number=task.number, message=message: engine.close(number, message))
    return {name: seconds / rounds for name, seconds in spent.items()}


@contextmanager
def _shares_timed(spent: dict[str, float]) -> Iterator[None]:
    """Add up the time inside Optuna's sampler and inside the database; a call within another one counts once, for the outer."""
    depth = [0]

    def wrapped(method: Callable[..., Any], share: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            depth[0] += 1
            started = time.process_time()
            try:
                return method(*args, **kwargs)
            finally:
                depth[0] -= 1
                spent[share] += 0.0 if depth[0] else time.process_time() - started

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
