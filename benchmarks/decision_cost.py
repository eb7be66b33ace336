"""What one decision of `--scheduler forecast` costs in a study of many trials, and what the forecasts hold in memory.

    python benchmarks/decision_cost.py [--trials 1000 10000] [--json]

Made-up curves of eight families, 50 epochs, 100 trials waiting, 16 running. A decision is what happens when a trial reaches a rung: its
value is taken in, the gains are learnt anew, every waiting trial and a new one are forecast and compared.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ecg_tune.search.stopping.forecast import Forecasts, rung_levels
from ecg_tune.search.stopping.pauses import MOST_WAITING, PausedTrials
from ecg_tune.study.trial import Trial

EPOCHS, DECISIONS, RUNNING = 50, 50, 16
FAMILIES = tuple(f"family{n}" for n in range(8))


def measure(n_trials: int) -> dict[str, Any]:
    """Return the milliseconds of a decision, median and highest of `DECISIONS`, and the bytes of the arrays."""
    rng, levels = np.random.default_rng(0), rung_levels(1, EPOCHS)
    forecasts = Forecasts(levels, EPOCHS, FAMILIES)
    for number in range(n_trials):
        reached = int(rng.choice(levels[:5]))
        curve = rng.uniform(0.5, 0.9) + 0.02 * np.log(np.arange(1, reached + 1))
        forecasts.add(Trial(number, "RUNNING", family=str(rng.choice(FAMILIES)), intermediate=dict(enumerate(map(float, curve), 1))))
    paused = PausedTrials(forecasts, pauses=True)
    paused.waiting = [int(n) for n in rng.permutation(n_trials)[:MOST_WAITING]]
    running = [number for number in range(n_trials) if number not in set(paused.waiting)][-RUNNING:]
    taken = []
    for number in range(n_trials, n_trials + DECISIONS):
        forecasts.add(Trial(number, "RUNNING", family=FAMILIES[0]))
        begun = time.perf_counter()
        forecasts.report(number, 1, float(rng.uniform(0.5, 0.9)))
        paused.choose([*running, number], FAMILIES, also=number)
        taken.append(1000 * (time.perf_counter() - begun))
    arrays = (value for value in vars(forecasts).values() if isinstance(value, np.ndarray))
    return {"median_ms": float(np.median(taken)), "highest_ms": max(taken), "bytes_a_trial": sum(a.nbytes for a in arrays) / n_trials}


def table(results: dict[int, dict[str, Any]]) -> str:
    """Return the result as text."""
    lines = [f"{'trials':>8}{'ms, median':>12}{'highest':>10}{'bytes a trial':>15}"]
    for n, one in results.items():
        lines.append(f"{n:>8}{one['median_ms']:>12.1f}{one['highest_ms']:>10.1f}{one['bytes_a_trial']:>15.0f}")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> None:
    """Print the table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(words)
    results = {n: measure(n) for n in arguments.trials}
    print(json.dumps(results) if arguments.json else table(results))


if __name__ == "__main__":
    main()
