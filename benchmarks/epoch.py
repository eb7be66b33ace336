"""Compare one epoch of training and validation with the classic pipeline of this field: the same network, batch, records and threads.

    python benchmarks/epoch.py [--data DATA | --ptbxl PTBXL] [--families cnn1d,resnet] [--profile small] [--records 160 24] [--json]

Classic (`classic.py`): whole records, images by pyts of whole records stored as batch_*.npy, a DataLoader with workers, single precision.
Ours: the family's default config, with its crops, and images made from the crops of each batch. Both train in a process of their own,
in turns; each has one epoch to warm up, then the shortest of `--repeats` counts.

* faster: the classic epoch's seconds, by ours. `when made`: the same with the making of all images before it (once for a training).
* same crops: the classic epoch on our crops (signal families). What is left is the loader's and the precision's part.
* CPU: the same ratio as faster by CPU seconds, loader workers included: what it is worth where the other cores have work.
* of peak: floating-point operations a second of our networks, by those of a large matrix product here.

Needs torch and numpy; families with images also pyts, whose import takes half a minute.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from classic import Classic, store
from command_line import names_of, run_script
from default_configs import read_defaults
from side_by_side import Records, add_records, product_flops_per_s, read_records

from ecg_tune.config import TrialConfig
from ecg_tune.data.loaders import to_device
from ecg_tune.models import MODELS, trial_config
from ecg_tune.models.cost import cost
from ecg_tune.training.freed_memory import keep_freed_memory
from ecg_tune.training.learner import Learner, LearningData
from ecg_tune.transforms.signals import n_evaluation_crops

CPU = torch.device("cpu")


def cpu_seconds() -> float:
    """Sum the CPU time of this process and of its finished children, the loaders' workers."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def timed(make: Callable[[], Callable[[], object]]) -> dict[str, float]:
    """Warm up with one epoch and time a second one, in a new process.

    Args:
        make: Builds, there, what trains an epoch a call.

    Returns:
        Seconds, CPU seconds with the loaders' workers, and by how many MB memory grew at its peak (without the workers).
    """

    def work(results: Any) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        step = make()
        step()
        started, computed = time.perf_counter(), cpu_seconds()
        step()
        seconds = {"s": time.perf_counter() - started, "cpu_s": cpu_seconds() - computed}
        results.send({**seconds, "peak_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024})

    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(sender,))
    process.start()
    sender.close()
    result: dict[str, float] = receiver.recv()
    process.join()
    return result


def epoch_flops(config: TrialConfig, records: Records) -> float:
    """Count the floating-point operations of one epoch: three forward passes a training crop, one a validation crop."""
    n_samples, n_leads = records.train.signals_uv.shape[1:]
    rate = records.sampling_rate_hz
    macs = cost(config, n_leads=n_leads, n_samples=n_samples, sampling_rate_hz=rate, n_classes=records.train.labels.shape[1]).macs
    length = None if config.training.crop_s is None else round(config.training.crop_s * rate)
    n_crops = n_evaluation_crops(n_samples, length)
    return 2.0 * macs * (3 * len(records.train) + n_crops * len(records.validation))


def measure(family: str, records: Records, *, profile: str, workers: int, repeats: int, same_crops: bool) -> dict[str, Any]:
    """Measure one family."""
    config = trial_config(read_defaults(profile)[family])
    kind = MODELS[family].inputs

    def ours() -> Callable[[], object]:
        keep_freed_memory()
        splits = (to_device(split, CPU) for split in (records.train, records.validation))
        return Learner(config, LearningData(*splits, records.normalisation, records.sampling_rate_hz), seed=0).step

    def classic(crops: bool) -> Callable[[], Callable[[], object]]:
        return lambda: Classic(config, records, folder, workers=workers, crops=crops, device=CPU).step

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if kind != "signal":
            import pyts.image  # noqa: F401  before the clock starts
        started = time.perf_counter()
        n_bytes = store(records, config, folder)
        stored_s = time.perf_counter() - started if n_bytes else 0.0
        ways = {"ours": ours, "classic": classic(False)} | ({"crops": classic(True)} if kind == "signal" and same_crops else {})
        runs = [{name: timed(make) for name, make in ways.items()} for _ in range(repeats)]
    best = {name: {key: min(run[name][key] for run in runs) for key in runs[0][name]} for name in ways}
    return {
        "family": family,
        **ratios(best, stored_s),
        "disk_bytes": 0,
        "classic_disk_bytes": n_bytes,
        "flops": epoch_flops(config, records),
    }


def ratios(best: Mapping[str, Mapping[str, float]], stored_s: float) -> dict[str, float | None]:
    """Compare the shortest times of each way.

    Args:
        stored_s: Seconds in which the classic way made its images.
    """
    ours, classic = best["ours"], best["classic"]
    return {
        "epoch_s": ours["s"],
        "classic_epoch_s": classic["s"],
        "epoch_speedup": classic["s"] / ours["s"],
        "epoch_speedup_when_made": (classic["s"] + stored_s) / ours["s"],
        "epoch_speedup_cpu": classic["cpu_s"] / ours["cpu_s"],
        "epoch_speedup_same_crops": best["crops"]["s"] / ours["s"] if "crops" in best else None,
        "peak_memory_mb": ours["peak_mb"],
        "classic_peak_memory_mb": classic["peak_mb"],
        "cpu_s": ours["cpu_s"],
    }


def print_head() -> None:
    """Print the names of the columns."""
    print(f"{'family':<11}{'ours s':>7}{'classic s':>11}{'faster':>8}{'when made':>11}{'same crops':>12}{'CPU':>7}{'of peak':>9}", end="")
    print(f"{'peak MB':>9}{'classic':>9}{'disk MB':>9}{'classic':>9}")


def print_line(r: dict[str, Any]) -> None:
    """Print one family."""
    made = f"{r['epoch_speedup_when_made']:.1f}×" if r["classic_disk_bytes"] else "–"
    crops = "–" if r["epoch_speedup_same_crops"] is None else f"{r['epoch_speedup_same_crops']:.1f}×"
    print(f"{r['family']:<11}{r['epoch_s']:>7.2f}{r['classic_epoch_s']:>11.2f}{r['epoch_speedup']:>7.1f}×{made:>11}{crops:>12}", end="")
    print(f"{r['epoch_speedup_cpu']:>6.1f}×{r['of_peak']:>9.0%}{r['peak_memory_mb']:>9.0f}{r['classic_peak_memory_mb']:>9.0f}", end="")
    print(f"{r['disk_bytes'] / 1e6:>9.0f}{r['classic_disk_bytes'] / 1e6:>9.0f}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_records(parser)
    parser.add_argument("--families", type=names_of(MODELS.built_in), default=list(MODELS.built_in), help="comma-separated")
    parser.add_argument("--profile", choices=("small", "full"), default="small")
    parser.add_argument("--records", type=int, nargs=2, default=[160, 24], metavar=("TRAIN", "VALIDATION"), help="PTB-XL: 17084 2146")
    parser.add_argument("--workers", type=int, default=2, help="of the classic loader")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--no-same-crops", action="store_true", help="leave out the classic loader on our crops")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    read = read_records(arguments)
    records = read.repeated(*arguments.records)
    peak = product_flops_per_s(CPU, size=1024)
    rows = []
    if not arguments.json:
        n_train, n_validation = arguments.records
        print(f"{read.source}; {n_train} training and {n_validation} validation records, {arguments.profile}, 1 thread")
        print_head()
    for family in arguments.families:
        print(f"{family} …", file=sys.stderr, flush=True)
        row = measure(
            family,
            records,
            profile=arguments.profile,
            workers=arguments.workers,
            repeats=arguments.repeats,
            same_crops=not arguments.no_same_crops,
        )
        rows.append({**row, "of_peak": row["flops"] / row["cpu_s"] / peak})
        if not arguments.json:
            print_line(rows[-1])
    if arguments.json:
        print(json.dumps({"source": read.source, "profile": arguments.profile, "product_flops_per_s": peak, "families": rows}))


if __name__ == "__main__":
    run_script(main)
