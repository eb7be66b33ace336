"""Compare the speed of images with pyts on the same signals and threads, beside the mere writing of the output as the limit.

    python benchmarks/images.py [--data DATA | --ptbxl PTBXL] [--threads 1] [--json]

Needs torch, numpy and pyts, whose import takes half a minute.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from command_line import run_script
from numpy.typing import NDArray
from side_by_side import add_records, alternating_seconds, read_records

from ecg_tune.training.freed_memory import keep_freed_memory
from ecg_tune.transforms.images import gadf, gasf, mtf

OURS: dict[str, Callable[[torch.Tensor, int], torch.Tensor]] = {"gasf": gasf, "gadf": gadf, "mtf": mtf}
Reference = Callable[[str, NDArray[np.float64], int], NDArray[np.float64]]


def load_pyts(threads: int) -> Reference:
    """Import pyts, and return its images by kind, series and size."""
    from pyts.image import GramianAngularField, MarkovTransitionField
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    warnings.filterwarnings("ignore", message="Some quantiles are equal", category=UserWarning)

    def make(kind: str, series: NDArray[np.float64], size: int) -> NDArray[np.float64]:
        method = "summation" if kind == "gasf" else "difference"
        field = MarkovTransitionField(size, n_bins=8) if kind == "mtf" else GramianAngularField(size, method=method)
        return np.asarray(field.transform(series))

    return make


def measure(series: NDArray[np.float64], size: int, pyts: Reference, *, repeats: int) -> list[dict[str, Any]]:
    """Measure one size.

    Args:
        series: (n_images, n_samples), millivolts.

    Returns:
        One row an image kind: microseconds an image, ratios, and the largest difference.
    """
    signal = torch.from_numpy(series.astype(np.float32))
    exact = signal.double().numpy()
    output = torch.empty(len(series), size, size)
    rows = []
    for kind, make in OURS.items():
        times = alternating_seconds(
            {"ours": partial(make, signal, size), "pyts": partial(pyts, kind, exact, size), "write": partial(output.fill_, 1)},
            repeats=repeats,
            clock=time.process_time if torch.get_num_threads() == 1 else time.perf_counter,
        )
        difference = float(np.abs(make(signal, size).numpy() - pyts(kind, exact, size)).max())
        us = {f"{name}_us": seconds / len(series) * 1e6 for name, seconds in times.items()}
        ratios = {"speedup": times["pyts"] / times["ours"], "over_write": times["ours"] / times["write"]}
        rows.append({"kind": kind, "size": size, "n_samples": series.shape[1], **us, **ratios, "max_abs_diff": difference})
    return rows


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Reduce the rows to the figures of the goals; those of one size are of the largest image and the longest series."""
    largest = [row for row in rows if (row["size"], row["n_samples"]) == max((r["size"], r["n_samples"]) for r in rows)]
    wide = [row for row in rows if row["size"] >= 112] or rows
    return {
        **{f"{row['kind']}_speedup": row["speedup"] for row in largest},
        "worst_speedup": min(row["speedup"] for row in rows),
        "max_abs_diff_gaf": max(row["max_abs_diff"] for row in rows if row["kind"] != "mtf"),
        "max_abs_diff_mtf": max(row["max_abs_diff"] for row in rows if row["kind"] == "mtf"),
        "write_floor_ratio": max(row["over_write"] for row in wide),
        "write_floor_ratio_gaf": max(row["over_write"] for row in wide if row["kind"] != "mtf"),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_records(parser)
    parser.add_argument("--sizes", type=int, nargs="+", default=[48, 112, 224], help="pixels a side")
    parser.add_argument("--samples", type=int, nargs="+", default=[250, 1000], help="samples of a series, cut from the records")
    parser.add_argument("--images", type=int, default=96, help="images of a batch: 32 records of 3 leads")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--keep-memory", action="store_true", help="keep freed memory, as a training does; it serves pyts too")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.keep_memory:
        keep_freed_memory()
    records = read_records(arguments)
    pyts = load_pyts(arguments.threads)
    leads = records.train.signals_uv[: arguments.images].swapaxes(1, 2)  # (records, leads, samples)
    series = leads.reshape(-1, leads.shape[2])[: arguments.images] / 1000
    rows = [
        row for n in arguments.samples for size in arguments.sizes for row in measure(series[:, :n], size, pyts, repeats=arguments.repeats)
    ]
    if arguments.json:
        print(json.dumps({**summary(rows), "source": records.source, "threads": arguments.threads, "rows": rows}))
        return
    print(f"{records.source}, {len(series)} images, {arguments.threads} threads")
    print(f"{'image':6}{'samples':>8}{'px':>5}{'ours µs':>10}{'pyts µs':>10}{'faster':>9}{'over writing':>14}{'difference':>12}")
    for r in rows:
        print(
            f"{r['kind']:6}{r['n_samples']:>8}{r['size']:>5}{r['ours_us']:>10.1f}{r['pyts_us']:>10.1f}{r['speedup']:>8.1f}×"
            f"{r['over_write']:>13.1f}×{r['max_abs_diff']:>12.1e}"
        )


if __name__ == "__main__":
    run_script(main)
