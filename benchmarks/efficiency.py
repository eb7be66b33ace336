"""How many epochs a search needs to find one of the best configs, on a bank of real learning curves, in virtual time.

    python benchmarks/efficiency.py [--seeds 50] [--bank FILE] [--json]

The bank holds random configs of three families, each trained for real to the end (`record_curves.py`). A suggestion becomes
the nearest unused recorded config of its family (`curve_bank.py`). Counted are the epochs of all 4 workers until any epoch of any
trial reports a value within 0.005 AUC of the best value in the bank. A search that has not found one after as many epochs
as the whole bank took is counted as that many. Validation values only.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from curve_bank import Bank, BankSearch
from numpy.typing import NDArray
from optuna.samplers import RandomSampler
from record_curves import BANK
from search_methods import OurEngine, PooledEngine, RayEngine

from ecg_tune.search.preview.virtual_time import steps

SLOTS, WITHIN, RESAMPLES = 4, 0.005, 2000

SEARCH_METHODS: dict[str, tuple[str, Callable[..., OurEngine | RayEngine], dict[str, Any]]] = {
    "random": ("random, nothing stopped", OurEngine, {"sampler": "random", "scheduler": "none"}),
    "tpe": ("TPE, nothing stopped", OurEngine, {"sampler": "tpe", "scheduler": "none"}),
    "random_asha": ("random + ASHA", OurEngine, {"sampler": "random", "scheduler": "asha"}),
    "tpe_asha": ("TPE + ASHA (ours)", OurEngine, {"sampler": "tpe", "scheduler": "asha"}),
    "ray": ("Ray's OptunaSearch + ASHAScheduler", RayEngine, {}),
    "ray_factor_3": ("… with our reduction factor of 3", RayEngine, {"reduction_factor": 3}),
    "ray_random": ("… and random configs", RayEngine, {"reduction_factor": 3, "sampler": RandomSampler}),
    "tpe_asha_1": ("ours, --min-results 1", OurEngine, {"sampler": "tpe", "scheduler": "asha", "min_results": 1}),
    "pooled": ("ours, all families at one rung", PooledEngine, {"sampler": "tpe", "scheduler": "asha"}),
    "pooled_1": ("ours, one rung, --min-results 1", PooledEngine, {"sampler": "tpe", "scheduler": "asha", "min_results": 1}),
}
"""Key → description, class, settings. `ray` has the shipped defaults: grace 1, factor 4, one bracket. The last five
are not compared: they show what causes the differences."""


def epochs_to_target(name: str, bank: Bank, seed: int) -> int:
    """Return the epochs that one search needed, at most those of the whole bank."""
    _, make, settings = SEARCH_METHODS[name]
    engine = make(bank.space, families=tuple(bank.members), epochs=bank.epochs, seed=seed, **settings)
    bank_search, target = BankSearch(bank), bank.best - WITHIN
    for count, step in enumerate(steps(engine, lambda task: bank_search.curve(engine.params(task.number)), slots=SLOTS), start=1):
        if step.value >= target or count >= bank.total_epochs:
            return count
    raise AssertionError("the search ended by itself")


def interval(values: NDArray[np.float64]) -> dict[str, float]:
    """Return the median and its 95 % bootstrap interval over seeds."""
    rng = np.random.default_rng(0)
    medians = np.median(values[rng.integers(len(values), size=(RESAMPLES, len(values)))], axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return {"median": float(np.median(values)), "low": float(low), "high": float(high)}


def measure(bank: Bank, n_seeds: int, names: list[str]) -> dict[str, NDArray[np.float64]]:
    """Return each method's epochs, one number a seed."""
    counts: dict[str, list[int]] = {name: [] for name in names}
    for seed in range(n_seeds):
        for name in names:
            counts[name].append(epochs_to_target(name, bank, seed))
        print(f"seed {seed}: " + ", ".join(f"{name} {counts[name][-1]}" for name in names), file=sys.stderr, flush=True)
    return {name: np.array(values, float) for name, values in counts.items()}


def summary(bank: Bank, counts: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Return the medians, and for each contestant how many times ours it needs, seed by seed."""
    ours = counts.get("tpe_asha")
    ratios = {} if ours is None else {name: interval(values / ours) for name, values in counts.items() if name != "tpe_asha"}
    return {
        "epochs_to_target": {name: float(np.median(values)) for name, values in counts.items()},
        "intervals": {name: interval(values) for name, values in counts.items()},
        "times_ours": ratios,
        "not_found": {name: int((values >= bank.total_epochs).sum()) for name, values in counts.items()},
        "mean_epochs": {name: float(values.mean()) for name, values in counts.items()},
        "bank": bank.facts(WITHIN),
        "seeds": len(next(iter(counts.values()))),
        "slots": SLOTS,
    }


def table(result: Mapping[str, Any]) -> str:
    """Return the result as text."""
    facts, of_searches = result["bank"], f"{result['seeds']} seeds, {result['slots']} workers"
    lines = [
        "{configs} configs of {epochs} epochs; best {best:.4f}, 2nd {second:.4f}, 10th {tenth:.4f}".format(**facts),
        "to be found: one of the {targets} ({target_families}) within {within}, there from epoch {epochs_needed} on".format(**facts),
        f"noise: {facts['noise']}",
        f"{of_searches}; epochs until found, median [95 %]; what is not found counts as the bank's {facts['total_epochs']}",
        f"{'':<36}{'epochs':>20}{'mean':>7}{'not found':>11}{'times ours, by seed':>24}",
    ]
    for name, one in result["intervals"].items():
        ratio = result["times_ours"].get(name)
        shown = f"{ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]" if ratio else ""
        epochs = f"{one['median']:.0f} [{one['low']:.0f}, {one['high']:.0f}]"
        lines.append(
            f"{SEARCH_METHODS[name][0]:<36}{epochs:>20}{result['mean_epochs'][name]:>7.0f}{result['not_found'][name]:>11}{shown:>24}"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bank", type=Path, default=BANK)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--only", default=",".join(SEARCH_METHODS), help="comma-separated search methods")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    bank = Bank(arguments.bank)
    result = summary(bank, measure(bank, arguments.seeds, arguments.only.split(",")))
    print(json.dumps(result) if arguments.json else table(result))


if __name__ == "__main__":
    main()
