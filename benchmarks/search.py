"""Measure what the search engine itself costs, on 2 slots: trials a second, overhead, suggesting and closing a trial, memory.

    python benchmarks/search.py [--only throughput,overhead,asking,memory,tiny] [--json]

Takes about 20 minutes, most of it `asking` (a study of 10,000 trials has to be written first) and `memory` (2,000 trials).
Compared with Ray Tune as shipped (`OptunaSearch`, everything else by default) and with plain Optuna in 2 processes on one SQLite
file, all three with TPE on the same toy space of 5 parameters.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import ray
from ray import tune
from ray.tune.search.optuna import OptunaSearch
from sampling_cost import FAMILIES as FOUR
from sampling_cost import ask_tell, four_families
from toy_trials import FAMILIES, Quiet, run_toy, sqlite_study, toy_suggest

from ecg_tune.config import DataConfig, SearchSettings
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.data.ptbxl.prepare import prepare
from ecg_tune.data.synthetic.generator import synthesize
from ecg_tune.search.runner import run_search
from ecg_tune.storage import LocalStorage
from search_spaces import SpaceContext, search_space
from trainables import FamilyTrainable, Shared, classes_of

SLOTS = 2
EMPTY, EMPTY_RAY = 200, 30
LONG, LONG_EPOCHS = 60, 5
SIZES = (100, 1_000, 10_000)
MANY, TINY, N_RECORDS = 2_000, 300, 120


def settings(trials: int, **changes: Any) -> SearchSettings:
    """Return the settings of a toy search."""
    return SearchSettings(**{"families": FAMILIES, "profile": "small", "trials": trials, "max_epochs": 1, "slots": SLOTS, **changes})


def throughput(folder: Path) -> dict[str, Any]:
    """Count trials a second, of trials that do nothing, from the first one's start to the last one's end as the study records them."""
    run_toy(folder / "warm", settings(2), seconds=0)
    return {
        "trials_per_s": _rate(run_toy(folder / "ours", settings(EMPTY), seconds=0).optuna),
        "trials_per_s_ray_default": _rate(_ray_default(folder / "ray")),
        "trials_per_s_optuna": _rate(_plain_optuna(folder / "optuna")),
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


def _ray_default(folder: Path) -> optuna.Study:
    searcher = OptunaSearch(_params, metric="value", mode="max")
    run = tune.RunConfig(storage_path=str(folder.resolve()), verbose=0)
    tune.Tuner(Empty, tune_config=tune.TuneConfig(search_alg=searcher, num_samples=EMPTY_RAY), run_config=run).fit()
    study = searcher._ot_study
    assert study is not None
    return study


def _optimize(url: str, barrier: Any) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(study_name="toy", storage=url)
    barrier.wait()
    study.optimize(lambda trial: 0.5 + 0 * len(toy_suggest(trial).config), n_trials=EMPTY // SLOTS)


def _plain_optuna(folder: Path) -> optuna.Study:
    study, context = sqlite_study(folder), multiprocessing.get_context("spawn")
    barrier = context.Barrier(SLOTS)
    workers = [context.Process(target=_optimize, args=(f"sqlite:///{folder / 'study.db'}", barrier)) for _ in range(SLOTS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return study


def overhead(folder: Path) -> dict[str, Any]:
    """Measure how much longer than the ideal 60 trials of five epochs of a second take, in the four-family space; Ray is up already."""
    ideal_s = LONG * LONG_EPOCHS / SLOTS
    space = four_families()
    started = time.perf_counter()
    search_settings = settings(LONG, families=FOUR, max_epochs=LONG_EPOCHS, scheduler="none")
    run_toy(folder / "long", search_settings, space=space, seconds=1.0)
    wall_s = time.perf_counter() - started
    return {"overhead_5s_pct": 100 * (wall_s / ideal_s - 1), "overhead_wall_s": wall_s, "overhead_ideal_s": ideal_s}


def asking(folder: Path) -> dict[str, Any]:
    """Measure the milliseconds of a trial by the study's size; `own_ms` is neither the sampler's nor the database's, at the largest."""
    results = ask_tell(SIZES, folder / "asking")
    detail = {str(size): one for size, one in results.items()}
    return {
        **{f"ask_tell_ms_{size}": one["ask_tell_ms"] for size, one in results.items()},
        "own_ms": results[SIZES[-1]]["own_ms"],
        "asking": detail,
    }


def memory(folder: Path) -> dict[str, Any]:
    """Measure the driver's memory along a run of 2,000 trials that do nothing."""
    memory_mb: dict[int, float] = {}
    run_toy(folder / "many", settings(MANY), seconds=0, view=Quiet(MANY // 10, lambda n: memory_mb.update({n: rss_mb(os.getpid())})))
    return {"rss_mb_2000": memory_mb[MANY], "rss_mb_by_trials": memory_mb}


def tiny(folder: Path) -> dict[str, Any]:
    """Measure the memory of driver and workers along 300 real trainings of small networks on synthetic records."""
    synthesize(folder / "ptbxl", n_records=N_RECORDS, seed=0)
    prepare(folder / "ptbxl", folder / "data", DataConfig())
    data, study = open_prepared(folder / "data").in_memory(), sqlite_study(folder / "tiny")
    search_settings = settings(TINY, families=("cnn1d",))
    memory_mb: list[dict[str, float]] = []

    def notice(n: int) -> None:
        workers = {trial.worker for trial in study.all_trials()[-TINY // 6 :] if trial.worker}
        sizes = [mb for name in workers if (mb := rss_mb(int(name.rpartition(":")[2])))]
        memory_mb.append({"trials": n, "driver": rss_mb(os.getpid()), "workers": len(sizes), "largest_worker": max(sizes, default=0.0)})

    shared = Shared(data=data, checkpoints=LocalStorage(folder / "tiny"), metric="macro_auc", threads=1)
    space = search_space(search_settings.families, SpaceContext("small", search_settings.epochs))
    run_search(
        FamilyTrainable, space, {"shared": shared, "classes": classes_of(search_settings.families)}, search_settings,
        study=study, view=lambda stats: Quiet(TINY // 6, notice),
    )  # fmt: skip
    return {"rss_mb_tiny": memory_mb}


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process; 0 when it is gone."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


MEASUREMENTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "throughput": throughput,
    "overhead": overhead,
    "asking": asking,
    "memory": memory,
    "tiny": tiny,
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
        lines.append(f"{LONG} trials of {LONG_EPOCHS} s on {SLOTS} slots: {wall}, overhead {results['overhead_5s_pct']:.1f} %")
    for size, one in results.get("asking", {}).items():
        shares = f"sampler {one['sampler_ms']:.1f}, database {one['database_ms']:.1f}, ours {one['own_ms']:.1f}"
        lines.append(
            f"ask+tell at {int(size):>6,} trials: {one['ask_tell_ms']:6.1f} ms ({shares}); an epoch's record {one['record_ms']:.1f} ms"
        )
    if "rss_mb_2000" in results:
        lines.append("driver's memory, MB: " + ", ".join(f"{n} trials {mb:.0f}" for n, mb in results["rss_mb_by_trials"].items()))
    for one in results.get("rss_mb_tiny", ()):
        workers = f"largest of {one['workers']} workers {one['largest_worker']:.0f} MB"
        lines.append(f"{one['trials']} tiny trials: driver {one['driver']:.0f} MB, {workers}")
    return "\n".join(lines)


def main() -> None:
    """Print the table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(MEASUREMENTS), help="comma-separated: " + ", ".join(MEASUREMENTS))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    ray.init(num_cpus=SLOTS, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.only.split(","):
            results |= MEASUREMENTS[name](Path(folder).resolve())
    print(json.dumps(results) if arguments.json else table(results))


if __name__ == "__main__":
    main()
