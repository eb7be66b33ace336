"""How many trials should share a core, or a GPU: `python benchmarks/packing.py DATA [--packs 1,2,4] [--families cnn1d,resnet1d]`.

Trains the default config of a family in so many processes at once, on all cores (or, with --device cuda, GPUs), each with one
thread, and counts finished epochs, validation included, from the moment when all have trained one. Needs the machine for itself:
where other programs run, more processes get more of the cores, and packing looks better than it is.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Mapping
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch
from command_line import names_of, numbers, run_script

from ecg_tune.cluster.limits import usable_cpus
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.training.learner import Learner, learning_data
from search_spaces import SPACES, SpaceContext, resolve

NEAR = 0.9
"""Share of the best rate that counts as good as the best."""
MANY_EPOCHS = 1_000


def main(arguments: list[str] | None = None) -> None:
    """Print a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="prepared data")
    parser.add_argument("--packs", type=numbers, default=[1, 2, 4], help="trials a core, or a GPU")
    parser.add_argument("--families", type=names_of(SPACES), default=["cnn1d"], help="comma-separated")
    parser.add_argument("--profile", default="small", choices=("small", "full"))
    parser.add_argument("--seconds", type=float, default=60.0, help="of each measurement; an epoch that has begun is finished")
    parser.add_argument("--devices", type=int, help="cores or GPUs to use  [default: all]")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    devices = given.devices or (torch.cuda.device_count() if given.device == "cuda" else usable_cpus())
    open_prepared(given.data)  # refused here, and not in each of the processes
    measured: dict[str, dict[int, float]] = {}
    for family in given.families:
        measured[family] = {
            pack: epochs_an_hour(given.data, family, given.profile, n_trials=pack * devices, device=given.device, seconds=given.seconds)
            for pack in given.packs
        }
    unit = "GPU" if given.device == "cuda" else "core"
    if given.json:
        print(
            json.dumps(
                {"unit": unit, "devices": devices, "epochs_an_hour": measured, "chosen": {f: best_pack(r) for f, r in measured.items()}}
            )
        )
        return
    print(f"trial-epochs an hour on {devices} x {unit}")
    print("| family | " + " | ".join(f"{pack} a {unit}" for pack in given.packs) + " | enough |")
    print("|---" * (len(given.packs) + 2) + "|")
    for family, rates in measured.items():
        print(f"| {family} | " + " | ".join(f"{rates[pack]:,.0f}" for pack in given.packs) + f" | {best_pack(rates)} |")


def best_pack(rates: Mapping[int, float]) -> int:
    """Choose the fewest trials at once whose rate is within 10 % of the best: each trial is done sooner, and memory is spared.

    Args:
        rates: Trials at once → trial-epochs an hour.
    """
    return min(pack for pack, rate in rates.items() if rate >= NEAR * max(rates.values()))


def epochs_an_hour(data: Path, family: str, profile: str, *, n_trials: int, device: str, seconds: float) -> float:
    """Train in several processes at once and return the epochs that all together finish in an hour.

    Raises:
        RuntimeError: A process ended without a result, e.g. since memory ran out.
    """
    context = multiprocessing.get_context("spawn")  # CUDA can't be used in a fork
    barrier, results = context.Barrier(n_trials), context.Queue()
    words = (data, family, profile, device, seconds, barrier, results)
    workers = [context.Process(target=_train, args=(seed, *words)) for seed in range(n_trials)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise RuntimeError(f"{family}: {sum(bool(worker.exitcode) for worker in workers)} of {n_trials} processes failed")
    return 3600 * sum(results.get() for _ in workers)


def _train(seed: int, data: Path, family: str, profile: str, device: str, seconds: float, barrier: Barrier, results: Queue[float]) -> None:
    """Train one trial for a while and put its epochs a second into the queue."""
    torch.set_num_threads(1)
    place = torch.device(f"cuda:{seed % torch.cuda.device_count()}" if device == "cuda" else "cpu")
    loaded = learning_data(open_prepared(data), place)
    config = resolve(family, SPACES[family].defaults[profile], SpaceContext(profile, MANY_EPOCHS, n_leads=loaded.train.signals_uv.shape[2]))
    learner = Learner(config, loaded, seed=seed)
    try:
        learner.step()
        barrier.wait()
    except BaseException:
        barrier.abort()  # else the others would wait for ever
        raise
    started, n_epochs = time.perf_counter(), 0
    while n_epochs == 0 or time.perf_counter() - started < seconds:
        learner.step()
        n_epochs += 1
    results.put(n_epochs / (time.perf_counter() - started))


if __name__ == "__main__":
    run_script(main)
