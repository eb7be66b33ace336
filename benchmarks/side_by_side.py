"""What the speed benchmarks share: records to work on, and times of several ways of doing the same, taken in turns.

Needs torch and numpy; `--ptbxl` also what reads PTB-XL.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecg_tune.data.prepared.dataset import PreparedData, Split, open_prepared

MADE_UP = "made-up series, SYNTHETIC"
LEADS, N_SAMPLES, RATE_HZ, N_CLASSES = 3, 1000, 100, 5


@dataclass(frozen=True)
class Records:
    """Train and validation records, and where they come from."""

    train: Split
    validation: Split
    normalisation: dict[str, Any]
    sampling_rate_hz: int
    source: str

    def repeated(self, n_train: int, n_validation: int) -> Records:
        """Take so many records, from the first one again where there are fewer."""
        return replace(self, train=_repeated(self.train, n_train), validation=_repeated(self.validation, n_validation))


def add_records(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which records are measured."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--data", type=Path, help="prepared data")
    source.add_argument("--ptbxl", type=Path, help="PTB-XL folder, whole or a part [default of both: made-up series, SYNTHETIC]")


def read_records(arguments: argparse.Namespace, *, n_made_up: int = 256) -> Records:
    """Read the records that the command names, or make some up."""
    if arguments.data:
        return _records(open_prepared(arguments.data))
    if arguments.ptbxl:
        from ecg_tune.config import DataConfig
        from ecg_tune.data.ptbxl.prepare import prepare  # needs wfdb and pandas

        with tempfile.TemporaryDirectory() as folder:
            prepare(arguments.ptbxl, Path(folder) / "data", DataConfig(split="official"))
            return _records(open_prepared(Path(folder) / "data").in_memory())
    return made_up(n_made_up)


def made_up(n_records: int) -> Records:
    """Make random walks with random labels; every class has records with and without it, a quarter of the records validates."""
    rng = np.random.default_rng(0)
    splits = []
    for name, n in (("train", n_records), ("validation", max(8, n_records // 4))):
        walks = np.cumsum(rng.normal(0, 60, (n, N_SAMPLES, LEADS)), axis=1)
        labels = (np.arange(n)[:, None] % np.arange(2, 2 + N_CLASSES) == 0).astype(np.uint8)
        splits.append(Split(name=name, signals_uv=np.clip(walks, -10_000, 10_000).astype(np.int16), labels=labels, records={}))
    return Records(splits[0], splits[1], {"kind": "global", "scale_mv": 1.0}, RATE_HZ, MADE_UP)


def alternating_seconds(
    works: Mapping[str, Callable[[], object]], *, repeats: int, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Time each work once to warm up, then all of them in turns; the shortest of each.

    Args:
        clock: The default counts the seconds in which this process computes, so that other work on the machine disturbs least. It is
            wrong for several threads, for other processes and devices, and where a disk is waited for.
    """
    for work in works.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            started = clock()
            work()
            times[name].append(clock() - started)
    return {name: min(own) for name, own in times.items()}


def product_flops_per_s(device: torch.device, dtype: torch.dtype = torch.float32, *, size: int = 2048, repeats: int = 5) -> float:
    """Measure the floating-point operations a second of a large matrix product, the most that a network could reach here."""
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))

    def product() -> None:
        left @ right
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    clock = time.perf_counter if device.type == "cuda" else time.thread_time
    return 2 * size**3 / alternating_seconds({"product": product}, repeats=repeats, clock=clock)["product"]


def _records(data: PreparedData) -> Records:
    source = f"data {data.fingerprint[:12]}" + (", SYNTHETIC" if data.synthetic else "")
    return Records(data.train, data.validation, data.normalisation, data.sampling_rate_hz, source)


def _repeated(split: Split, n_records: int) -> Split:
    rows = np.arange(n_records) % len(split)
    return replace(split, signals_uv=split.signals_uv[rows], labels=split.labels[rows])
