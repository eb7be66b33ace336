"""How many epochs a search needs to find one of the best configs, on banks of learning curves, in virtual time.

    python benchmarks/efficiency.py [--seeds 100] [--workers 4] [--bank FILE_OR_KIND ...] [--json]
    python benchmarks/efficiency.py --only ours,bohb,mobster,dyhpo,smac,dehb --peers ENV/bin/python

A bank holds configs of several families, each trained to the end (`curve_bank.py` reads them, `made_up.py` makes some). A suggestion
becomes the nearest unused config of its family. Counted are the epochs of all workers until any epoch of any trial reports a value as
good as the bank's target: in the ECG bank (the default, `record_curves.py`) 0.005 AUC below its best value, in others the best 2 % of
configs. A search that has not found one by the bank's limit is counted as that many plus one. All contestants use the same seeds.

`--regret` lets every search run on to 33 full trainings, and says how far its best value is from the bank's best then: 0 is the best
config, 1 the median one. Validation values only.

Searches of other libraries (`peers/searchers.py`) run in an environment of their own, `peers/searchers-requirements.txt`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna
from command_line import names_of, run_script
from curve_bank import Bank, BankSearch, read_bank
from numpy.typing import NDArray
from optuna.pruners import HyperbandPruner, SuccessiveHalvingPruner
from record_curves import BANK
from search_methods import OptunaEngine, OurEngine, PeerEngine, RayEngine, check_peers

from ecg_tune.search.preview.virtual_time import steps

RESAMPLES = 2000
BUDGETS = (4, 11, 33)
"""Full trainings after which the regret is read."""

AS_IT_WAS = {"sampler": "tpe", "scheduler": "asha", "reduction_factor": 3, "min_results": 3}
"""The defaults of version 0.1."""

SEARCH_METHODS: dict[str, tuple[str, Callable[..., Any], dict[str, Any]]] = {
    "random": ("random, nothing stopped", OurEngine, {"sampler": "random", "scheduler": "none"}),
    "before": ("ours as it was: TPE + ASHA", OurEngine, AS_IT_WAS),
    "ray": ("Ray's OptunaSearch + ASHAScheduler", RayEngine, {}),
    "optuna_hyperband": ("Optuna's TPE + HyperbandPruner", OptunaEngine, {"pruner": lambda epochs: HyperbandPruner(1, epochs, 3)}),
    "optuna_sha": ("Optuna's TPE + SuccessiveHalvingPruner", OptunaEngine, {"pruner": lambda epochs: SuccessiveHalvingPruner()}),
    "asha": ("ours, --scheduler asha", OurEngine, {"scheduler": "asha"}),
    "ours": ("ours, the defaults", OurEngine, {}),
    "forecast_random": ("… with random configs", OurEngine, {"sampler": "random", "scheduler": "forecast"}),
    "forecast_seconds": ("… with --cost seconds", OurEngine, {"cost": "seconds", "scheduler": "forecast"}),
    "forecast_parzen": ("… with --sampler parzen", OurEngine, {"sampler": "parzen", "scheduler": "forecast"}),
    "bohb": ("Syne Tune's BOHB", PeerEngine, {"searcher": "bohb"}),
    "mobster": ("Syne Tune's MOBSTER", PeerEngine, {"searcher": "mobster"}),
    "dyhpo": ("Syne Tune's DyHPO", PeerEngine, {"searcher": "dyhpo"}),
    "smac": ("SMAC's MultiFidelityFacade", PeerEngine, {"searcher": "smac"}),
    "dehb": ("DEHB", PeerEngine, {"searcher": "dehb"}),
}
"""Key → description, class, settings; those of other libraries have the shipped defaults. `forecast_…` are variants of the default."""
COMPARED = tuple(SEARCH_METHODS)[:7]
PEERS = tuple(SEARCH_METHODS)[-5:]
COMPARED_WITH = ("ray", "random", "before", *PEERS)


class Course(NamedTuple):
    """One search.

    Attributes:
        epochs: Until the target was reported; the bank's limit plus one when it was not.
        seconds: On the virtual clock, until the target was reported; until the limit when it was not.
        regrets: After each of `BUDGETS`; empty where it was not asked for.
        anytime: Mean regret over the logarithm of the epochs, from one full training to the last of `BUDGETS`.
    """

    epochs: int
    seconds: float
    regrets: tuple[float, ...] = ()
    anytime: float = math.nan


def search_bank(name: str, bank: Bank, seed: int, *, workers: int, regret: bool) -> Course:
    """Run one search on a bank."""
    _, make, settings = SEARCH_METHODS[name]
    engine = make(bank.space, families=bank.names, epochs=bank.epochs, seed=seed, **settings)
    bank_search, last = BankSearch(bank), max(BUDGETS) * bank.epochs
    found, seconds, best, bests = 0, 0.0, -math.inf, []
    for count, step in enumerate(steps(engine, lambda task: bank_search.curve(task.family, engine.params(task.number)), slots=workers), 1):
        best = max(best, step.value) if math.isfinite(step.value) else best
        if regret and count <= last:
            bests.append(best)
        if not found:
            seconds = step.at_s
        if not found and best >= bank.target:
            found = count
        if (found or count >= bank.limit) and not (regret and count < last):
            break
    regrets, anytime = _regrets(np.array(bests), bank) if regret else ((), math.nan)
    return Course(found if 0 < found <= bank.limit else bank.limit + 1, seconds, regrets, anytime)


def _regrets(bests: NDArray[np.float64], bank: Bank) -> tuple[tuple[float, ...], float]:
    """Return the regret after each budget, and its mean over the logarithm of the epochs."""
    peaks = bank.peaks[np.isfinite(bank.peaks)]
    regret = np.clip((peaks.max() - bests) / (peaks.max() - np.median(peaks)), 0, 1)
    after = tuple(float(regret[budget * bank.epochs - 1]) for budget in BUDGETS)
    logs = np.diff(np.log(np.arange(bank.epochs, len(regret) + 1)))
    return after, float((regret[bank.epochs :] * logs).sum() / logs.sum())


def measure(
    source: str, n_seeds: int, names: list[str], *, workers: int = 4, regret: bool = False, processes: int = 1, peers: str | None = None
) -> dict[str, list[Course]]:
    """Return each method's courses on a bank, one a seed."""
    jobs = [(name, seed) for seed in range(n_seeds) for name in names]
    courses: dict[str, list[Course]] = {name: [] for name in names}
    with ProcessPoolExecutor(processes, initializer=_begin, initargs=(source, peers)) as pool:
        for (name, seed), course in zip(jobs, pool.map(partial(_one, workers=workers, regret=regret), jobs), strict=True):
            courses[name].append(course)
            if name == names[-1]:
                shown = ", ".join(f"{each} {courses[each][-1].epochs}" for each in names)
                print(f"{Path(source).stem} seed {seed}: {shown}", file=sys.stderr, flush=True)
    return courses


_bank: list[Bank] = []
"""The bank of this process."""


def _begin(source: str, peers: str | None) -> None:
    PeerEngine.python = peers
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    _bank[:] = [read_bank(source)]


def _one(job: tuple[str, int], *, workers: int, regret: bool) -> Course:
    name, seed = job
    return search_bank(name, _bank[0], seed, workers=workers, regret=regret)


def interval(values: NDArray[np.float64]) -> dict[str, float]:
    """Return the median and its 95 % bootstrap interval over seeds."""
    medians = _medians(values)
    low, high = np.percentile(medians, [2.5, 97.5])
    return {"median": float(np.median(values)), "low": float(low), "high": float(high)}


def ratio(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> dict[str, float]:
    """Return the ratio of two medians and its 95 % bootstrap interval over seeds, the same seeds of both."""
    low, high = np.percentile(_medians(ours) / _medians(theirs), [2.5, 97.5])
    return {"ratio": float(np.median(ours) / np.median(theirs)), "low": float(low), "high": float(high)}


def _medians(values: NDArray[np.float64]) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    return np.asarray(np.median(values[rng.integers(len(values), size=(RESAMPLES, len(values)))], axis=1))


def summary(bank: Bank, courses: Mapping[str, list[Course]], *, workers: int) -> dict[str, Any]:
    """Return the medians, and how ours compares with the others."""
    epochs = {name: np.array([course.epochs for course in own], float) for name, own in courses.items()}
    result: dict[str, Any] = {
        "epochs_to_target": {name: float(np.median(values)) for name, values in epochs.items()},
        "seconds_to_target": {name: interval(np.array([course.seconds for course in own])) for name, own in courses.items()},
        "intervals": {name: interval(values) for name, values in epochs.items()},
        "not_found": {name: float((values > bank.limit).mean()) for name, values in epochs.items()},
        "mean_epochs": {name: float(values.mean()) for name, values in epochs.items()},
        "bank": bank.facts(),
        "seeds": len(next(iter(courses.values()))),
        "workers": workers,
    }
    for other in COMPARED_WITH:
        if {"ours", other} <= set(epochs):
            compared = ratio(epochs["ours"], epochs[other])
            result |= {f"ratio_to_{other}": compared["ratio"], f"ratio_to_{other}_interval": [compared["low"], compared["high"]]}
    if any(own[0].regrets for own in courses.values()):
        result["regret"] = {
            name: {str(budget): float(np.mean([course.regrets[at] for course in own])) for at, budget in enumerate(BUDGETS)}
            for name, own in courses.items()
        }
        result["anytime_regret"] = {name: float(np.mean([course.anytime for course in own])) for name, own in courses.items()}
    return result


def table(result: Mapping[str, Any]) -> str:
    """Return the result as text."""
    facts = result["bank"]
    lines = [
        "bank {name}: {configs} configs of {epochs} epochs; best {best:.4f}, 10th {tenth:.4f}".format(**facts),
        "to be found: one of the {targets} ({target_families}) that reach {target:.4f}, there from epoch {epochs_needed} on".format(
            **facts
        ),
        f"noise: {facts['noise']}",
        f"{result['seeds']} seeds, {result['workers']} workers; epochs until found: median [95 %]; else counted as {facts['limit'] + 1}",
        f"{'':<40}{'epochs':>20}{'mean':>7}{'not found':>11}{'seconds':>24}"
        + (f"{'regret after ' + ', '.join(map(str, BUDGETS)):>26}" if "regret" in result else ""),
    ]
    for name, one in result["intervals"].items():
        epochs = f"{one['median']:.0f} [{one['low']:.0f}, {one['high']:.0f}]"
        regrets = "  ".join(f"{value:.3f}" for value in result["regret"][name].values()) if "regret" in result else ""
        clock = result["seconds_to_target"][name]
        seconds = f"{clock['median']:.0f} [{clock['low']:.0f}, {clock['high']:.0f}]"
        lines.append(
            f"{SEARCH_METHODS[name][0]:<40}{epochs:>20}{result['mean_epochs'][name]:>7.0f}{result['not_found'][name]:>11.1%}"
            f"{seconds:>24}{regrets:>26}"
        )
    for other in COMPARED_WITH:
        if f"ratio_to_{other}" in result:
            low, high = result[f"ratio_to_{other}_interval"]
            lines.append(
                f"ours / {SEARCH_METHODS[other][0]}: {result[f'ratio_to_{other}']:.2f} [{low:.2f}, {high:.2f}] (medians, paired by seed)"
            )
    return "\n".join(lines)


def main() -> None:
    """Print a table for each bank, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bank", nargs="+", default=[str(BANK)], help="files, or kinds of made-up banks: slow_wins, slow_wins:SEED, …")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--workers", type=int, default=4, help="simulated workers of a search")
    parser.add_argument(
        "--only", type=names_of(SEARCH_METHODS), default=list(COMPARED), help=f"comma-separated, of {', '.join(SEARCH_METHODS)}"
    )
    parser.add_argument("--peers", metavar="PYTHON", help=f"of the environment that has {', '.join(PEERS)}")
    parser.add_argument("--regret", action="store_true", help="run every search on to 33 full trainings (takes several times as long)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if set(arguments.only) & set(PEERS):
        check_peers(arguments.peers)
    results = []
    for source in arguments.bank:
        bank = read_bank(source)
        how = {"workers": arguments.workers, "regret": arguments.regret, "processes": arguments.processes, "peers": arguments.peers}
        results.append(summary(bank, measure(source, arguments.seeds, arguments.only, **how), workers=arguments.workers))
        if not arguments.json:
            print(table(results[-1]), end="\n\n", flush=True)
    ratios = [result["ratio_to_ray"] for result in results if "ratio_to_ray" in result]
    mean = float(np.exp(np.mean(np.log(ratios)))) if ratios else None
    if arguments.json:
        print(json.dumps(results[0] if len(results) == 1 else {"banks": results, "geometric_mean_ratio_to_ray": mean}))
    elif len(ratios) > 1:
        print(f"geometric mean of ours / Ray's over {len(ratios)} banks: {mean:.2f}; highest {max(ratios):.2f}")


if __name__ == "__main__":
    run_script(main)
