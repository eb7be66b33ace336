"""What a prior around the default configs is worth, and what it costs where they are wrong, on banks of learning curves.

    python benchmarks/priors.py [--seeds 40] [--bank FILE_OR_KIND ...] [--workers 4] [--json]

Every search tries one default config a family first. They are planted in the bank: good ones are the best of their family that miss
the bank's target, middling ones the median of their family, wrong ones the worst twentieth. Compared are the epochs until one of the
bank's best configs was found (`efficiency.py`), with a share of trials drawn around the defaults (`ecg_tune.search.sampling.priors`)
and without, the same seeds of both.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from command_line import names_of, run_script
from curve_bank import Bank, BankSearch, read_bank
from efficiency import ratio
from record_curves import BANK
from search_methods import OurEngine

from ecg_tune.search.preview.virtual_time import steps
from ecg_tune.search.sampling.priors import CONFIDENCES, Prior
from ecg_tune.search.space import SearchSpace

QUALITIES = {"good": None, "middling": 0.5, "wrong": 0.05}
"""Kind of default → its rank in its family, as a share: 1 is the best; None the best below the target."""
NONE = "none"


def planted(bank: Bank, quality: str) -> dict[str, dict[str, Any]]:
    """Choose one config of each family as its default."""
    return {family: bank.params[_default(bank, family, QUALITIES[quality])] for family in bank.names}


def _default(bank: Bank, family: str, rank: float | None) -> int:
    peaks = np.nan_to_num(bank.peaks, nan=-np.inf)
    own = [i for i in np.argsort(peaks) if bank.families[i] == family and np.isfinite(peaks[i])]
    if rank is None:
        return int(next(i for i in reversed(own) if peaks[i] < bank.target))
    return int(own[int(rank * (len(own) - 1))])


def epochs_to_target(bank: Bank, defaults: Mapping[str, Mapping[str, Any]], confidence: str, seed: int, *, workers: int) -> int:
    """Run one search and return its epochs until the target was reported; the bank's limit plus one when it was not."""
    priors = {name: Prior(value, confidence) for params in defaults.values() for name, value in params.items() if name != "family"}
    given = [{name: value for name, value in params.items() if name != "family" or len(bank.names) > 1} for params in defaults.values()]
    space = SearchSpace(bank.space.suggest, tuple(given), priors={} if confidence == NONE else priors)
    engine = OurEngine(space, families=bank.names, epochs=bank.epochs, seed=seed)
    bank_search = BankSearch(bank)
    course = steps(engine, lambda task: bank_search.curve(task.family, engine.params(task.number)), slots=workers)
    for count, step in enumerate(course, 1):
        if step.value >= bank.target:
            return count
        if count >= bank.limit:
            break
    return bank.limit + 1


_bank: list[Bank] = []
"""The bank of this process."""


def _begin(source: str) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    _bank[:] = [read_bank(source)]


def _one(job: tuple[str, str, int], *, workers: int) -> int:
    quality, confidence, seed = job
    return epochs_to_target(_bank[0], planted(_bank[0], quality), confidence, seed, workers=workers)


def measure(source: str, n_seeds: int, confidences: list[str], *, workers: int, processes: int) -> dict[str, dict[str, Any]]:
    """Return for each quality the ratio of medians with and without priors, for each confidence."""
    jobs = [(quality, confidence, seed) for quality in QUALITIES for confidence in (NONE, *confidences) for seed in range(n_seeds)]
    with ProcessPoolExecutor(processes, initializer=_begin, initargs=(source,)) as pool:
        epochs = dict(zip(jobs, pool.map(partial(_one, workers=workers), jobs), strict=True))
    found = {
        (quality, confidence): np.array([epochs[quality, confidence, seed] for seed in range(n_seeds)], float)
        for quality in QUALITIES
        for confidence in (NONE, *confidences)
    }
    return {
        quality: {
            "without": float(np.median(found[quality, NONE])),
            **{
                each: {**ratio(found[quality, each], found[quality, NONE]), "median": float(np.median(found[quality, each]))}
                | {"mean_ratio": float(found[quality, each].mean() / found[quality, NONE].mean())}
                for each in confidences
            },
        }
        for quality in QUALITIES
    }


def main() -> None:
    """Print a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bank", nargs="+", default=[str(BANK)], help="files, or kinds of made-up banks, as for efficiency.py")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--workers", type=int, default=4, help="simulated workers of a search")
    parser.add_argument(
        "--confidence", type=names_of(CONFIDENCES), default=["medium"], help=f"comma-separated, of {', '.join(CONFIDENCES)}"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = {}
    for source in arguments.bank:
        read_bank(source)  # refused here, and not in a process of the pool
        name = Path(source).stem
        results[name] = measure(source, arguments.seeds, arguments.confidence, workers=arguments.workers, processes=arguments.processes)
        for quality, row in results[name].items():
            shown = "   ".join(
                f"{each} {row[each]['ratio']:.2f} [{row[each]['low']:.2f}, {row[each]['high']:.2f}] mean {row[each]['mean_ratio']:.2f}"
                for each in arguments.confidence
            )
            print(f"{name:<14}{quality:<10}without {row['without']:>6.0f}   with: {shown}", file=sys.stderr, flush=True)
    if arguments.json:
        print(json.dumps({"seeds": arguments.seeds, "workers": arguments.workers, "banks": results}))
        return
    for quality in QUALITIES:
        for each in arguments.confidence:
            logs = [np.log(result[quality][each]["ratio"]) for result in results.values()]
            print(f"{quality:<10}{each:<8}geometric mean of with / without over {len(logs)} banks: {np.exp(np.mean(logs)):.2f}")


if __name__ == "__main__":
    run_script(main)
