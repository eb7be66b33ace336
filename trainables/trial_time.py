"""The stopwatch of a trial on its worker, under `--timing`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import ray
import torch

from ecg_tune.timing import OFF, NoStopwatch, Stopwatch

_last_result_at: list[float] = []
"""When this process returned its last result, in seconds of the clock on the wall; empty before the first. One entry at most."""


def start_stopwatch(task: Mapping[str, Any], *, wanted: bool) -> NoStopwatch:
    """Start a trial's stopwatch when its worker takes the trial.

    The time since the trial was handed out counts as `start`; the time before, in which this process had no trial, as `idle`.

    Args:
        task: `handed_out` is when the search did so (seconds of its own clock), `timing` the seconds of earlier workers.
        wanted: Whether time is measured.
    """
    if not wanted:
        return OFF
    on_gpu = torch.cuda.is_available() and bool(ray.get_gpu_ids())
    stopwatch = Stopwatch(task.get("timing"), part="start", synchronise=torch.cuda.synchronize if on_gpu else lambda: None)
    now = time.time()
    handed_out = float(task.get("handed_out", now))
    free_since = _last_result_at[0] if _last_result_at else handed_out
    stopwatch.add("idle", handed_out - free_since)
    stopwatch.add("start", now - max(handed_out, free_since))
    return stopwatch


def timed(stopwatch: NoStopwatch, result: dict[str, Any]) -> dict[str, Any]:
    """Put the seconds so far into a result; from now on time counts as `report`, until the next epoch begins.

    They go as pairs: Tune flattens mappings in a result.
    """
    seconds = stopwatch.seconds()
    stopwatch.begin("report")
    _last_result_at[:] = [time.time()]
    return {**result, "timing": list(seconds.items())} if seconds else result
