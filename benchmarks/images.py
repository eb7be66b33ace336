"""Compare the speed of images with pyts on one thread, beside the memory traffic that every method needs.

python benchmarks/images.py [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from pyts.image import GramianAngularField, MarkovTransitionField

from ecg_tune.transforms.images import gadf, gasf, mtf

N_IMAGES, REPEATS = 96, 5


def seconds(work: Callable[[], object]) -> float:
    """Return the median time of a call after one that warms up."""
    work()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def measure(size: int) -> list[dict[str, float | str]]:
    """Return one row an image kind: milliseconds an image, and ratios."""
    series = np.cumsum(np.random.default_rng(0).normal(size=(N_IMAGES, 1000)), axis=1)
    signal = torch.from_numpy(series.astype(np.float32))
    target, source = torch.empty(N_IMAGES, size, size), torch.ones(N_IMAGES, size, size)
    write = seconds(lambda: target.copy_(source)) / N_IMAGES * 1e3
    pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "gasf": (lambda: gasf(signal, size), lambda: GramianAngularField(size).transform(series)),
        "gadf": (lambda: gadf(signal, size), lambda: GramianAngularField(size, method="difference").transform(series)),
        "mtf": (lambda: mtf(signal, size), lambda: MarkovTransitionField(size, n_bins=8).transform(series)),
    }
    rows: list[dict[str, float | str]] = []
    for kind, (ours, theirs) in pairs.items():
        mine, reference = (seconds(work) / N_IMAGES * 1e3 for work in (ours, theirs))
        rows.append(
            {"kind": kind, "size": size, "ours_ms": mine, "pyts_ms": reference, "times_faster": reference / mine, "over_copy": mine / write}
        )
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for size in (48, 224) for row in measure(size)]
    if arguments.json:
        print(json.dumps(rows))
        return
    print(f"{'image':6}{'px':>5}{'ours ms':>10}{'pyts ms':>10}{'faster':>9}{'over a copy':>13}")
    for r in rows:
        print(f"{r['kind']:6}{r['size']:>5}{r['ours_ms']:>10.4f}{r['pyts_ms']:>10.3f}{r['times_faster']:>8.0f}×{r['over_copy']:>12.1f}×")


if __name__ == "__main__":
    main()
