"""Measure what the search engine itself costs, on 2 slots: trials a second, overhead, memory.

    python benchmarks/search.py [--only throughput,overhead,memory,training] [--tiny] [--json]

Takes about 10 minutes. What a trial costs in a large study: `scale.py`.
Compared with Ray Tune as shipped (`OptunaSearch`, everything else by default) and with plain Optuna in 2 processes on one SQLite
file, all three with TPE on the same toy space of 5 parameters.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from command_line import names_of, run_script
from ray import tune
from ray.tune.search.optuna import OptunaSearch
from toy_trials import FAMILIES, Quiet, run_toy, sqlite_study, start_ray, toy_suggest

from ecg_tune.config import DataConfig, SearchSettings
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.data.ptbxl.prepare import prepare
from ecg_tune.data.synthetic.generator import synthesize
from ecg_tune.search.runner import run_search
from ecg_tune.storage import LocalStorage
from search_spaces import SpaceContext, search_space
from trainables import FamilyTrainable, Shared, classes_of

SLOTS, LONG_EPOCHS, N_RECORDS = 2, 5, 120
FOUR = ("rnn", "resnet1d", "resnet", "fusion")


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        empty: Trials that do nothing, of ours and of plain Optuna.
        empty_ray: Those of Ray Tune as shipped, which takes a second for each.
        long: Trials of five epochs.
        epoch_s: Seconds of an epoch of theirs.
        many: Trials over which the driver's memory is watched.
        trained: Trials that train a small network.
    """

    empty: int = 200
    empty_ray: int = 30
    long: int = 60
    epoch_s: float = 1.0
    many: int = 2_000
    trained: int = 300


TINY = Sizes(empty=4, empty_ray=2, long=2, epoch_s=0.01, many=20, trained=6)


def settings(trials: int, **changes: Any) -> SearchSettings:
    """Return the settings of a toy search."""
    return SearchSettings(**{"families": FAMILIES, "profile": "small", "trials": trials, "max_epochs": 1, "slots": SLOTS, **changes})


def throughput(folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Count trials a second, of trials that do nothing, from the first one's start to the last one's end as the study records them."""
    run_toy(folder / "warm", settings(2), seconds=0)
    return {
        "trials_per_s": _rate(run_toy(folder / "ours", settings(sizes.empty), seconds=0).optuna),
        "trials_per_s_ray_default": _rate(_ray_default(folder / "ray", sizes.empty_ray)),
        "trials_per_s_optuna": _rate(_plain_optuna(folder / "optuna", sizes.empty)),
    }


def _rate(study: optuna.Study) -> float:
    rows = study.get_trials(deepcopy=False)
    starts = [row.datetime_start for row in rows if row.datetime_start]
    ends = [row.datetime_complete for row in rows if row.datetime_complete]
    return len(ends) / (max(ends) - min(starts)).total_seconds()


class Empty(tune.Trainable):
    """Reports one value and is done."""

    def step(self) -> dict[str, Any]:
        return {"value": 0.5, "done": True}


def _params(trial: optuna.Trial) -> dict[str, Any]:
    return dict(toy_suggest(trial).config)


def _ray_default(folder: Path, n_trials: int) -> optuna.Study:
    searcher = OptunaSearch(_params, metric="value", mode="max")
    run = tune.RunConfig(storage_path=str(folder.resolve()), verbose=0)
    tune.Tuner(Empty, tune_config=tune.TuneConfig(search_alg=searcher, num_samples=n_trials), run_config=run).fit()
    study = searcher._ot_study
    assert study is not None
    return study


def _optimize(url: str, barrier: Any, n_trials: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(study_name="toy", storage=url)
    barrier.wait()
    study.optimize(lambda trial: 0.5 + 0 * len(toy_suggest(trial).config), n_trials=n_trials)


def _plain_optuna(folder: Path, n_trials: int) -> optuna.Study:
    study, context = sqlite_study(folder), multiprocessing.get_context("spawn")
    barrier = context.Barrier(SLOTS)
    words = (f"sqlite:///{folder / 'study.db'}", barrier, n_trials // SLOTS)
    workers = [context.Process(target=_optimize, args=words) for _ in range(SLOTS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return study.optuna


def overhead(folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Measure how much longer than the ideal trials of five epochs take, in the four-family space; Ray is up already."""
    ideal_s = sizes.long * LONG_EPOCHS * sizes.epoch_s / SLOTS
    space = search_space(FOUR, SpaceContext("small", LONG_EPOCHS))
    started = time.perf_counter()
    search_settings = settings(sizes.long, families=FOUR, max_epochs=LONG_EPOCHS, scheduler="none")
    run_toy(folder / "long", search_settings, space=space, seconds=sizes.epoch_s)
    wall_s = time.perf_counter() - started
    return {
        "overhead_5s_pct": 100 * (wall_s / ideal_s - 1),
        "overhead_wall_s": wall_s,
        "overhead_ideal_s": ideal_s,
        "overhead_trials": sizes.long,
    }


def memory(folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Measure the driver's memory along a run of many trials that do nothing."""
    memory_mb: dict[int, float] = {}
    view = Quiet(sizes.many // 10, lambda n: memory_mb.update({n: rss_mb(os.getpid())}))
    run_toy(folder / "many", settings(sizes.many), seconds=0, view=view)
    return {"rss_mb_by_trials": memory_mb}


def training(folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Measure the memory of driver and workers along real trainings of small networks on synthetic records."""
    synthesize(folder / "ptbxl", n_records=N_RECORDS, seed=0)
    prepare(folder / "ptbxl", folder / "data", DataConfig())
    data, study = open_prepared(folder / "data").in_memory(), sqlite_study(folder / "training")
    search_settings = settings(sizes.trained, families=("cnn1d",))
    memory_mb, every = list[dict[str, float]](), sizes.trained // 6

    def notice(n: int) -> None:
        workers = {trial.worker for trial in study.all_trials()[-every:] if trial.worker}
        sizes = [mb for name in workers if (mb := rss_mb(int(name.rpartition(":")[2])))]
        memory_mb.append({"trials": n, "driver": rss_mb(os.getpid()), "workers": len(sizes), "largest_worker": max(sizes, default=0.0)})

    shared = Shared(data=data, checkpoints=LocalStorage(folder / "training"), metric="macro_auc", threads=1)
    space = search_space(search_settings.families, SpaceContext("small", search_settings.epochs))
    run_search(
        FamilyTrainable, space, {"shared": shared, "classes": classes_of(search_settings.families)}, search_settings,
        study=study, view=lambda stats: Quiet(every, notice),
    )  # fmt: skip
    return {"rss_mb_training": memory_mb}


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process; 0 when it is gone."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


MEASUREMENTS: dict[str, Callable[[Path, Sizes], dict[str, Any]]] = {
    "throughput": throughput,
    "overhead": overhead,
    "memory": memory,
    "training": training,
}


def table(results: dict[str, Any]) -> str:
    """Return the result as text."""
    lines = []
    if "trials_per_s" in results:
        rates = [
            ("ours", "trials_per_s"),
            ("Ray Tune as shipped", "trials_per_s_ray_default"),
            ("Optuna, 2 processes", "trials_per_s_optuna"),
        ]
        lines.append("empty trials a second: " + ", ".join(f"{name} {results[key]:.2f}" for name, key in rates))
    if "overhead_5s_pct" in results:
        wall = f"{results['overhead_wall_s']:.1f} s, ideal {results['overhead_ideal_s']:.0f} s"
        lines.append(f"{results['overhead_trials']} trials on {SLOTS} slots: {wall}, overhead {results['overhead_5s_pct']:.1f} %")
    if "rss_mb_by_trials" in results:
        lines.append("driver's memory, MB: " + ", ".join(f"{n} trials {mb:.0f}" for n, mb in results["rss_mb_by_trials"].items()))
    for one in results.get("rss_mb_training", ()):
        workers = f"largest of {one['workers']} workers {one['largest_worker']:.0f} MB"
        lines.append(f"{one['trials']} trainings: driver {one['driver']:.0f} MB, {workers}")
    return "\n".join(lines)


def main() -> None:
    """Print the table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=names_of(MEASUREMENTS), default=list(MEASUREMENTS), help="of " + ", ".join(MEASUREMENTS))
    parser.add_argument("--tiny", action="store_true", help="a few trials, to try the script")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    start_ray(SLOTS)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.only:
            print(f"{name} …", file=sys.stderr, flush=True)
            results |= MEASUREMENTS[name](Path(folder).resolve(), TINY if arguments.tiny else Sizes())
    print(json.dumps(results) if arguments.json else table(results))


if __name__ == "__main__":
    run_script(main)
