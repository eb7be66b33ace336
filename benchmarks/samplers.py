"""Compare each sampler with random search on a toy problem with families, conditions, a log scale and categoricals, without noise.

    python benchmarks/samplers.py [--trials 60] [--seeds 40] [--only tpe gp] [--json]

Every sampler works through `SamplerHistory`, as in a search. Regret is the best possible value, 1, minus the best one best. Paired
by seed with random: the share of seeds on which the sampler's regret is lower (a tie is half), and a sign test.
"""

from __future__ import annotations

import argparse
import json
import math
import time

import numpy as np
import optuna
from optuna.trial import BaseTrial
from scipy.stats import binomtest

from ecg_tune.search.sampling.history import SamplerHistory
from ecg_tune.search.sampling.samplers import SAMPLERS, FixedSampler
from ecg_tune.search.space import Proposal
from ecg_tune.study.schema import read_trial

FAMILIES = ("plain", "deep", "wide")
N_BOOTSTRAP = 2000


def suggest(trial: BaseTrial) -> Proposal:
    """Draw a config: its `quality` is 1 at best, in the family "deep"; "plain" reaches 0.9, "wide" 0.95."""
    family = trial.suggest_categorical("family", FAMILIES)
    rate = math.log10(trial.suggest_float(f"{family}.rate", 1e-5, 1e-1, log=True))
    dropout = trial.suggest_float(f"{family}.dropout", 0.0, 0.6)
    optimizer = trial.suggest_categorical(f"{family}.optimizer", ("sgd", "adam", "lion"))
    cost = 2.0 * (dropout - 0.15) ** 2
    if optimizer == "sgd":  # needs momentum and a higher rate
        cost += 0.05 + 0.3 * (trial.suggest_float(f"{family}.momentum", 0.0, 0.99) - 0.9) ** 2 + 0.04 * (rate + 1.8) ** 2
    else:
        cost += (0.0 if optimizer == "adam" else 0.03) + 0.04 * (rate + 3.6) ** 2
    best = {"plain": 0.9, "deep": 1.0, "wide": 0.95}[family]
    if family == "deep":  # depth must suit the rate
        depth = trial.suggest_int("deep.depth", 1, 12)
        cost += 0.01 * (depth - 9 - 2 * (rate + 3.6)) ** 2
    if family == "wide":
        width = trial.suggest_categorical("wide.width", (32, 64, 128, 256))
        cost += 0.03 * abs(math.log2(width / 128))
    return Proposal(family=family, config={"quality": best - min(cost, 1.0)})


def best_found(sampler: str, seed: int, trials: int) -> float:
    """Return the best quality of one search."""
    study = optuna.create_study(direction="maximize")
    view = SamplerHistory(sampler, seed=seed, families=FAMILIES)
    for number in range(trials):
        study.sampler = FixedSampler(view.propose(number, suggest, families=FAMILIES))
        trial = study.ask()
        quality = suggest(trial).config["quality"]
        view.add(read_trial(study.tell(trial, quality)))
    return study.best_value


def compared(regrets: np.ndarray, random: np.ndarray) -> dict[str, float]:
    """Return a sampler's figures against random search on the same seeds."""
    resampled = np.random.default_rng(0).integers(len(regrets), size=(N_BOOTSTRAP, len(regrets)))
    low, high = np.percentile(np.median(regrets[resampled], axis=1), [2.5, 97.5])
    won, lost = int((regrets < random).sum()), int((regrets > random).sum())
    p_value = float(binomtest(won, won + lost).pvalue) if won + lost else 1.0
    share = (won + (len(regrets) - won - lost) / 2) / len(regrets)
    return {"regret": float(np.median(regrets)), "low": float(low), "high": float(high), "share_won": share, "p_value": p_value}


def main() -> None:
    """Print one line a sampler."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--only", nargs="+", default=list(SAMPLERS), choices=list(SAMPLERS), help="besides random")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    names = [*(name for name in arguments.only if name != "random"), "random"]
    regrets, seconds = {}, {}
    for name in names:
        start = time.perf_counter()
        best = [best_found(name, seed, arguments.trials) for seed in range(arguments.seeds)]
        regrets[name], seconds[name] = 1.0 - np.array(best), time.perf_counter() - start
    per_trial = {name: 1000 * seconds[name] / arguments.seeds / arguments.trials for name in names}
    rows = {name: compared(regrets[name], regrets["random"]) | {"ms_per_trial": per_trial[name]} for name in names}
    if arguments.json:
        print(json.dumps({"trials": arguments.trials, "seeds": arguments.seeds, "samplers": rows}))
        return
    print(f"{arguments.trials} trials, {arguments.seeds} seeds\n")
    print("| sampler | median regret (95 %) | better than random on | sign test | ms a trial |\n|---|---|---|---|---|")
    for name, row in rows.items():
        versus = "| |" if name == "random" else f"{row['share_won']:.0%} of the seeds | p = {row['p_value']:.1g} |"
        print(f"| `{name}` | {row['regret']:.4f} ({row['low']:.4f}–{row['high']:.4f}) | {versus} {row['ms_per_trial']:.0f} |")


if __name__ == "__main__":
    main()
