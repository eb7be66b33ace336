"""Compare a preview in virtual time with the real search: the same seed and the same known curves.

    python benchmarks/preview_agreement.py [--trials 200] [--slots 2] [--json]

The trials sleep through curves that both know (`toy_trials.py`). With one slot the two are equal, epoch by epoch. With several the
order in which trials end is a matter of milliseconds, and after the first difference the sampler suggests other trials: the
preview is the mean of several, with the 0 to 0.1 s that a result takes through Ray on top of each epoch. Goal: 10 % in epochs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from toy_trials import FAMILIES, TOY_SPACE, Quiet, quiet, run_toy, toy_curve

from ecg_tune.config import SearchSettings
from ecg_tune.search.assignment import Assignment
from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.preview.virtual_time import Curve, simulate
from ecg_tune.study.study import Study

EPOCHS, PREVIEWS, JITTER_S = 9, 8, 0.1


def main() -> None:
    """Print both courses and their difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.2, help="of an epoch of the faster family")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    quiet()
    settings = SearchSettings(
        families=FAMILIES, profile="small", trials=arguments.trials, max_epochs=EPOCHS, slots=arguments.slots, seed=arguments.seed
    )
    previews = [previewed(settings, arguments.seconds, np.random.default_rng(n)) for n in range(PREVIEWS)]
    actual = real(settings, arguments.seconds)
    mean = float(np.mean(previews))
    result = {"trials": arguments.trials, "slots": arguments.slots, "previewed": previews, "real": actual}
    result["difference_pct"] = 100 * (mean / actual - 1)
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"previewed: {mean:.0f} epochs, the mean of {PREVIEWS} ({min(previews)} to {max(previews)}); the real search: {actual}")
    print(f"the preview of {arguments.trials} trials on {arguments.slots} slots differs by {result['difference_pct']:+.1f} %")


def previewed(settings: SearchSettings, seconds: float, rng: np.random.Generator) -> int:
    """Return the epochs of a search in virtual time."""
    engine = SearchEngine(Study.in_memory(), TOY_SPACE, settings, Quiet())

    def curve(task: Assignment) -> Curve:
        toy = toy_curve(task.config, task.seed, epochs=settings.epochs, seconds=seconds)
        return [(value, cost + JITTER_S * rng.random()) for value, cost in toy]

    return simulate(engine, curve, slots=settings.slots or 1).epochs


def real(settings: SearchSettings, seconds: float) -> int:
    """Return the epochs of the real search."""
    with tempfile.TemporaryDirectory() as folder:
        trials = run_toy(Path(folder), settings, seconds=seconds).all_trials()
    return sum(trial.epochs for trial in trials)


if __name__ == "__main__":
    main()
