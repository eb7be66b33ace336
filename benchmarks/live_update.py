"""Measure what a live page costs: opening it, one more epoch of a running trial, and asking when nothing has changed.

A part of `dashboard.py` and `scale.py`, not a script of its own.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import analysis.dashboard.live
from analysis.dashboard.live import LiveStudy
from ecg_tune.study.study import Study


class LiveCost(NamedTuple):
    """Seconds of one core, and bytes of what a browser is sent.

    Attributes:
        first_s: Reading and drawing the study for the first time.
        page_bytes: The whole page, plotly.js with it.
        update_s: The same after one more epoch of one trial.
        update_bytes: What is sent then, and `update_packed_bytes` beyond loopback.
        poll_s: Asking when nothing has changed; nothing is sent.
    """

    first_s: float
    page_bytes: int
    update_s: float
    update_bytes: int
    update_packed_bytes: int
    poll_s: float


def live_cost(folder: Path, *, polls: int = 200) -> LiveCost:
    """Measure on a study that may be written to: a trial is added to it, which runs and reports."""
    with patch.multiple(analysis.dashboard.live, CHECK_INTERVAL_S=0.0, CPU_SHARE=float("inf")), Study.open(folder) as study:
        return _live_cost(study, folder, polls=polls)


def _live_cost(study: Study, folder: Path, *, polls: int) -> LiveCost:
    number = study.optuna.ask().number
    _report(study, number, 1)
    live = LiveStudy(folder)
    first_s, page = _timed(live.html)
    version = live.version
    _report(study, number, 2)
    update_s, update = _timed(lambda: live.news(version))
    assert update is not None, "an epoch is an update"
    now = live.version
    poll_s = sum(_timed(lambda: live.news(now))[0] for _ in range(polls)) / polls
    return LiveCost(first_s, len(page.encode()), update_s, len(update.encode()), len(gzip.compress(update.encode(), 4)), poll_s)


def _report(study: Study, number: int, epoch: int) -> None:
    trial = study.trial(number)
    assert trial.state == "RUNNING"
    family = {"family": study.attributes.families[0]} if epoch == 1 else {}
    study.record(trial, epochs={epoch: 0.7 + epoch / 100}, **family)


def _timed(do: Callable[[], Any]) -> tuple[float, Any]:
    started = time.thread_time()
    result = do()
    return time.thread_time() - started, result
