"""Train several trials at once on one device, each in a process of its own, as a search does on a shared GPU."""

from __future__ import annotations

import dataclasses
import multiprocessing
import time
from collections.abc import Callable
from typing import Any

import torch
from default_configs import read_defaults
from side_by_side import Records

from ecg_tune.config import TrialConfig
from ecg_tune.data.loaders import to_device
from ecg_tune.models import trial_config
from ecg_tune.training.learner import Learner, LearningData

LONGEST_WAIT_S = 300


def waiting(device: torch.device, work: Callable[[], object]) -> Callable[[], None]:
    """Make a work end when the device is done."""

    def wait() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return wait


def epoch_of(config: TrialConfig, records: Records, device: torch.device) -> Callable[[], None]:
    """Copy records to the device, and return what trains and validates one epoch a call, five at most."""
    splits = (to_device(split, device) for split in (records.train, records.validation))
    short = dataclasses.replace(config, training=dataclasses.replace(config.training, max_epochs=5))
    data = LearningData(*splits, records.normalisation, records.sampling_rate_hz)
    return waiting(device, Learner(short, data, seed=0).step)


def measure_packed(family: str, records: Records, sizes: tuple[int, int], device: torch.device, n_trials: int) -> dict[str, Any]:
    """Measure the epochs a second of some trials of a family's small default that train at once.

    Args:
        sizes: Training and validation records, repeated in each process.
    """
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(n_trials), context.Queue()
    arguments = (family, records, sizes, str(device), start, results)
    processes = [context.Process(target=_train, args=arguments) for _ in range(n_trials)]
    for process in processes:
        process.start()
    seconds = [results.get(timeout=LONGEST_WAIT_S) for _ in processes]
    for process in processes:
        process.join()
    return {"trials": n_trials, "epoch_s": max(seconds), "epochs_per_s": n_trials / max(seconds)}


def _train(family: str, records: Records, sizes: tuple[int, int], device: str, start: Any, results: Any) -> None:
    """Train an epoch to warm up, then one at the same time as the others."""
    torch.set_num_threads(1)
    step = epoch_of(trial_config(read_defaults("small")[family]), records.repeated(*sizes), torch.device(device))
    step()
    start.wait(LONGEST_WAIT_S)
    started = time.perf_counter()
    step()
    results.put(time.perf_counter() - started)
