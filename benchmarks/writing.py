"""What a trial's writes cost: this project's transactions against Optuna's own calls, on SQLite and, if given, PostgreSQL.

    python benchmarks/writing.py [--postgresql postgresql://USER@HOST:PORT/DATABASE] [--trials 60] [--json]

A trial is added with 12 parameters and 7 attributes, records one epoch with its seconds, and ends with 11 facts. Both sides take
turns, trial by trial, on studies of their own. Optuna's calls are one transaction each; `ecg_tune.study.transactions` makes one
of an addition, of an epoch and of an end, which a killed driver leaves whole or not at all.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from ecg_tune.study.database import open_database
from ecg_tune.study.server_url import server_url
from ecg_tune.study.transactions import add_trial, write_trial

PARAMS = {f"rnn.parameter_{n}": 0.5 for n in range(12)}
BEGIN = {f"attribute_{n}": {"a": n} for n in range(7)}
END = {f"fact_{n}": float(n) for n in range(11)}


def begun() -> FrozenTrial:
    """Make the trial that is added."""
    distributions = {name: FloatDistribution(0.0, 1.0) for name in PARAMS}
    return create_trial(state=TrialState.RUNNING, params=PARAMS, distributions=distributions, user_attrs=BEGIN)


def ours(study: optuna.Study) -> list[tuple[str, Callable[[], Any]]]:
    """Write a trial as the project does."""
    added: list[FrozenTrial] = []
    return [
        ("add", lambda: added.append(add_trial(study, begun()))),
        ("epoch", lambda: write_trial(study, added[0]._trial_id, {"seconds": 1.0}, epochs={1: 0.5})),
        ("end", lambda: write_trial(study, added[0]._trial_id, END, state=TrialState.COMPLETE, values=[0.5])),
    ]


def optunas(study: optuna.Study) -> list[tuple[str, Callable[[], Any]]]:
    """Write the same trial by Optuna's calls."""
    storage = study._storage

    def trial_id() -> int:
        return study.get_trials(deepcopy=False)[-1]._trial_id

    def epoch() -> None:
        storage.set_trial_user_attr(trial_id(), "seconds", 1.0)
        storage.set_trial_intermediate_value(trial_id(), 1, 0.5)

    def end() -> None:
        for name, value in END.items():
            storage.set_trial_user_attr(trial_id(), name, value)
        storage.set_trial_state_values(trial_id(), TrialState.COMPLETE, [0.5])

    return [("add", lambda: study.add_trial(begun())), ("epoch", epoch), ("end", end)]


def measure(url: str | None, folder: Path, trials: int) -> dict[str, float]:
    """Return median milliseconds: {"ours_add_ms": …, "optuna_add_ms": …, "add_ratio": …, …}."""
    seconds: dict[str, list[float]] = defaultdict(list)
    studies = {}
    for side in ("ours", "optuna"):
        storage = open_database(server_url(url), create=True) if url else optuna.storages.RDBStorage(f"sqlite:///{folder / side}.db")
        studies[side] = optuna.create_study(storage=storage, study_name=f"writing_{side}_{time.time_ns()}", direction="maximize")
    for _ in range(trials):
        for side, write in (("ours", ours), ("optuna", optunas)):
            for name, step in write(studies[side]):
                started = time.perf_counter()
                step()
                seconds[f"{side}_{name}_ms"].append(time.perf_counter() - started)
    found = {name: median(times) * 1e3 for name, times in seconds.items()}
    return found | {f"{step}_ratio": found[f"optuna_{step}_ms"] / found[f"ours_{step}_ms"] for step in ("add", "epoch", "end")}


def main() -> None:
    """Print one line a database."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgresql", metavar="URL", help="an empty database on a server")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        found = {"sqlite": measure(None, Path(folder), arguments.trials)}
        if arguments.postgresql:
            found["postgresql"] = measure(arguments.postgresql, Path(folder), arguments.trials)
    if arguments.json:
        print(json.dumps(found))
        return
    for name, one in found.items():
        steps = (
            f"{step} {one[f'ours_{step}_ms']:.1f} / {one[f'optuna_{step}_ms']:.1f} ms ({one[f'{step}_ratio']:.1f}x)"
            for step in ("add", "epoch", "end")
        )
        print(f"{name}, ours / Optuna: {', '.join(steps)}")


if __name__ == "__main__":
    main()
