"""Measure how far one driver scales: trials of 5 s on logical clusters of 1 to 16 slots, and decisions a second for 1,000 workers.

    python benchmarks/scaling.py [--slots 1,2,4,8,16] [--tiny] [--json]

The clusters are real Rays with as many nodes as slots, one CPU each, all on this machine; the trials sleep, so that the machine's
own cores do not bound them. Two things are told apart. Start-up: from the call to the moment at which the last slot has its first trial;
a search has it once, and here all workers start on this machine's cores. After it: what share of a worker's time between its first
trial's end and its last one's is trials (5 s each, ideally all of it), the mean over workers and the worst one. The decisions are those
of the product's own searcher and scheduler in virtual time, on a study in SQLite: what a driver could do if Ray cost nothing. Takes
about ten minutes.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import ray
from command_line import numbers, run_script
from optuna.trial import BaseTrial
from ray.cluster_utils import Cluster
from toy_trials import FAMILIES, TOY_SPACE, Quiet, quiet, run_toy, sqlite_study, toy_curve

from ecg_tune.config import SearchSettings
from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.preview.virtual_time import steps
from ecg_tune.search.space import Proposal, SearchSpace
from ecg_tune.study.trial import Trial

EPOCHS, MANY_EPOCHS = 5, 9
"""Epochs of a trial of the clusters, of a second each, and of the driver's trials."""
MEMORY = 80 * 1024**2


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        each: Trials a slot.
        epoch_s: Seconds of an epoch.
        workers: Of the driver in virtual time, and `decisions` that it then takes.
    """

    each: int = 12
    epoch_s: float = 1.0
    workers: int = 1_000
    decisions: int = 3_000


TINY = Sizes(each=2, epoch_s=0.01, workers=4, decisions=20)


def equally_long(trial: BaseTrial) -> Proposal:
    """Draw a toy config of the first family: the second one's epochs are longer."""
    config = {"quality": trial.suggest_float("quality", 0, 1), "speed": trial.suggest_float("speed", 0.2, 2, log=True)}
    return Proposal(family=FAMILIES[0], config={"family": FAMILIES[0], **config})


ONE_FAMILY = SearchSpace(equally_long, ({"quality": 0.5, "speed": 1.0},))


def main() -> None:
    """Print the table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=numbers, default=[1, 2, 4, 8, 16], help="comma-separated  [default: 1,2,4,8,16]")
    parser.add_argument("--tiny", action="store_true", help="short trials and few decisions, to try the script")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    quiet()
    sizes = TINY if arguments.tiny else Sizes()
    with tempfile.TemporaryDirectory() as folder:
        results = {"clusters": [cluster(Path(folder), n, sizes) for n in arguments.slots], "driver": driver(Path(folder), sizes)}
    print(json.dumps(results) if arguments.json else table(results))


def cluster(folder: Path, slots: int, sizes: Sizes) -> dict[str, float]:
    """Return how long a search seconds to start on a cluster of `slots` nodes, and how well it used them from then on."""
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": MEMORY})
    try:
        for _ in range(slots):
            nodes.add_node(num_cpus=1, object_store_memory=MEMORY)
        nodes.wait_for_nodes()
        ray.init(address=nodes.address, log_to_driver=False, logging_level=logging.ERROR)
        settings = SearchSettings(families=FAMILIES[:1], profile="small", trials=sizes.each * slots, max_epochs=EPOCHS, scheduler="none")
        started = datetime.now()
        trials = run_toy(folder / f"of_{slots}", settings, space=ONE_FAMILY, seconds=sizes.epoch_s).all_trials()
    finally:
        ray.shutdown()
        nodes.shutdown()
    return {"slots": slots, **used(trials, started, EPOCHS * sizes.epoch_s)}


def used(trials: Sequence[Trial], started: datetime, trial_s: float) -> dict[str, float]:
    """Compute from the ends of the trials, each of `trial_s` seconds, how busy their workers were."""
    ends: dict[str, list[float]] = defaultdict(list)
    for trial in trials:
        assert trial.end, f"trial {trial.number} is open"
        assert math.isclose(trial.seconds or 0.0, trial_s), f"trial {trial.number} slept {trial.seconds} s, the ideal counts {trial_s}"
        ends[str(trial.worker)].append((trial.end - started).total_seconds())
    several = [sorted(times) for times in ends.values() if len(times) > 1]
    shares = [(len(times) - 1) * trial_s / (times[-1] - times[0]) for times in several]
    return {
        "workers": len(ends),
        "trials": len(trials),
        "start_s": max(min(times) for times in ends.values()) - trial_s,
        "busy": statistics.mean(shares),
        "busy_least": min(shares),
        "wall_s": max(max(times) for times in ends.values()),
        "ideal_s": len(trials) * trial_s / len(ends),
    }


def driver(folder: Path, sizes: Sizes) -> dict[str, float]:
    """Return how many trials a second the searcher suggests to workers that begin, and how many results it then takes a second."""
    settings = SearchSettings(families=FAMILIES, profile="small", trials=10**6, max_epochs=MANY_EPOCHS)
    engine = SearchEngine(sqlite_study(folder / "driver"), TOY_SPACE, settings, Quiet())
    course = steps(engine, lambda task: toy_curve(task.config, task.seed, epochs=MANY_EPOCHS, seconds=60.0), slots=sizes.workers)
    started = time.perf_counter()
    next(course)  # all workers have a trial now
    filled = time.perf_counter()
    for _ in range(sizes.decisions):
        next(course)
    seconds = time.perf_counter() - filled
    trials = len(engine.study.optuna.get_trials(deepcopy=False)) - sizes.workers
    return {
        "workers": sizes.workers,
        "suggested_per_s": sizes.workers / (filled - started),
        "decisions": sizes.decisions,
        "results_per_s": sizes.decisions / seconds,
        "of_them_new_trials": trials,
    }


def table(results: dict[str, Any]) -> str:
    """Return the table."""
    lines = ["slots | workers | trials | all slots at work after s | busy from then on | least | in all s | ideal s"]
    for one in results["clusters"]:
        counts = f"{one['slots']:5} | {one['workers']:7} | {one['trials']:6} | {one['start_s']:25.1f}"
        shares = f"{one['busy']:17.1%} | {one['busy_least']:5.1%}"
        lines.append(f"{counts} | {shares} | {one['wall_s']:8.1f} | {one['ideal_s']:7.1f}")
    one = results["driver"]
    lines.append(
        f"virtual time, {one['workers']} workers: {one['suggested_per_s']:.0f} trials suggested a second at the start, then "
        f"{one['results_per_s']:.0f} results a second decided ({one['of_them_new_trials']} new trials among {one['decisions']})"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    run_script(main)
