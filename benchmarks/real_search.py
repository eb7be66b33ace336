"""Search real records with the same trainable three ways: our two schedulers, and Ray Tune's OptunaSearch + ASHAScheduler as shipped.

    python benchmarks/real_search.py --data DATA [--seeds 3] [--epochs 300] [--max-epochs 15] [--out FILE]
    python benchmarks/real_search.py --report [--json]

Each search trains `--epochs` epochs in all, two trials at a time, one CPU thread each, in the space of `record_curves.py` (three
families, narrow networks). All three try the families' default configs first. The best config of each search is then trained again
with three new seeds, in the order of methods, since a search's own best value is a maximum over noise. Validation values only.

One JSON line a search in `--out`; a search that is there is not run again. `--report` prints the table: after equal epochs, and after
equal seconds (those of the quickest of the three on that seed). Machines are noisy: seconds say little unless nothing else runs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import zlib
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from command_line import names_of, run_script
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch
from record_curves import FAMILIES, bank_space
from toy_trials import Quiet, sqlite_study, start_ray

from ecg_tune.config import SearchSettings
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared
from ecg_tune.models import trial_config
from ecg_tune.search.runner import run_search
from ecg_tune.search.space import SearchSpace
from ecg_tune.storage import LocalStorage
from ecg_tune.training.fit import train_model
from ecg_tune.training.learner import learning_data
from trainables import FamilyTrainable, LearnerTrainable, Shared, classes_of

METHODS = {"forecast": "ours, --scheduler forecast", "asha": "ours, --scheduler asha", "ray": "Ray's OptunaSearch + ASHAScheduler"}
FORMER = {
    "forecast_before": "… before defaults were trained whole",
    "forecast_two_thirds": "… two thirds of each rung resuming",
}
"""Rules of forecasts that were tried, and are no longer there to be run."""
SLOTS, N_RETRAINED = 2, 3
RESULTS = Path(__file__).parent / "data" / "real_search.jsonl"
ENDLESS = 10_000


class Epochs(Quiet):
    """Notes every epoch of a search of ours."""

    def __init__(self) -> None:
        super().__init__(ENDLESS, lambda n: None)
        self.begun, self.noted = time.perf_counter(), list[tuple[float, int, float]]()

    def epoch(self, number: int, family: str, epoch: int, value: float) -> None:
        self.noted.append((round(time.perf_counter() - self.begun, 2), number, value))


def ours(
    scheduler: str, seed: int, data: PreparedData, space: SearchSpace, folder: Path, *, epochs: int, max_epochs: int
) -> dict[str, Any]:
    """Run a search of this project, ended by its budget of epochs."""
    settings = SearchSettings(
        FAMILIES, profile="small", trials=ENDLESS, max_epochs=max_epochs, scheduler=scheduler, seed=seed, slots=SLOTS, total_epochs=epochs
    )
    shared = Shared(data=data.in_memory(), checkpoints=LocalStorage(folder), metric="macro_auc", threads=1)
    study, view = sqlite_study(folder), Epochs()
    run_search(
        FamilyTrainable, space, {"shared": shared, "classes": classes_of(FAMILIES)}, settings, study=study, view=lambda stats: view
    )  # fmt: skip
    best = max(study.trials(), key=lambda trial: trial.best_value or 0.0)
    return {"noted": view.noted, "config": dict(best.config), "best_trial_state": best.state, "trials": len(study.trials())}


class OneTrial(tune.Trainable):
    """The project's trainable as Ray's own searcher and scheduler drive it."""

    def setup(self, config: dict[str, Any], shared: Shared) -> None:
        seed = zlib.crc32(self.trial_id.encode())
        task = {"number": 0, "family": config["family"], "trial": config["trial"], "seed": seed >> 1}
        self.trainable = LearnerTrainable()
        self.trainable.setup({**task, "path": f"trials/{self.trial_id}", "reported": 0, "micro_batch": None}, shared)

    def step(self) -> dict[str, Any]:
        result = self.trainable.step()
        if result.get("fail_reason"):
            raise RuntimeError(result["failure"])
        return result


class TotalEpochs(tune.Stopper, tune.Callback):
    """Ends a search of Ray's after a number of epochs, and notes each."""

    def __init__(self, epochs: int) -> None:
        self.epochs, self.begun, self.noted = epochs, time.perf_counter(), list[tuple[float, str, float]]()
        self.configs: dict[str, dict[str, Any]] = {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return len(self.noted) >= self.epochs

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any) -> None:
        self.noted.append((round(time.perf_counter() - self.begun, 2), trial.trial_id, result["value"]))
        self.configs[trial.trial_id] = trial.config["trial"]


def suggested(trial: optuna.Trial, *, max_epochs: int, n_leads: int) -> dict[str, Any]:
    """Suggest a config as Ray's searcher asks for it; a function that Ray can pickle."""
    proposal = searched_space(max_epochs, n_leads).suggest(trial)
    return {"family": proposal.family, "trial": proposal.config}


@cache
def searched_space(max_epochs: int, n_leads: int) -> SearchSpace:
    """Return the space of all searches, made once."""
    return bank_space(max_epochs, n_leads)


def rays(seed: int, data: PreparedData, space: SearchSpace, folder: Path, *, epochs: int, max_epochs: int) -> dict[str, Any]:
    """Run a search of Ray Tune's, ended after the same number of epochs."""
    shared = Shared(data=data.in_memory(), checkpoints=LocalStorage(folder), metric="macro_auc", threads=1)
    total = TotalEpochs(epochs)

    define = partial(suggested, max_epochs=max_epochs, n_leads=len(data.leads))
    searcher = OptunaSearch(define, metric="value", mode="max", seed=seed, points_to_evaluate=[dict(one) for one in space.defaults])
    tune.Tuner(
        tune.with_resources(tune.with_parameters(OneTrial, shared=shared), {"cpu": 1}),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=ASHAScheduler(metric="value", mode="max", max_t=max_epochs),
            num_samples=ENDLESS,
            max_concurrent_trials=SLOTS,
        ),
        run_config=tune.RunConfig(
            storage_path=str((folder / "ray").resolve()),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
            stop=total,
            callbacks=[total],
        ),
    ).fit()
    best = max(total.noted, key=lambda note: note[2])[1]
    return {"noted": total.noted, "config": total.configs[best], "trials": len(total.configs)}


def plain(config: Any) -> Any:
    """Return a config without the types that Ray wraps values in."""
    return json.loads(json.dumps(config))


def search_all(data: PreparedData, out: Path, *, methods: Sequence[str], seeds: int, epochs: int, max_epochs: int) -> None:
    """Run the searches that `out` does not hold."""
    space, loaded = searched_space(max_epochs, len(data.leads)), learning_data(data, torch.device("cpu"))
    known = {(line["method"], line["seed"]) for line in read(out)}
    for seed in range(seeds):
        for method in methods:
            if (method, seed) in known:
                continue
            with tempfile.TemporaryDirectory() as folder:
                how = {"epochs": epochs, "max_epochs": max_epochs}
                place = Path(folder).resolve()
                found = rays(seed, data, space, place, **how) if method == "ray" else ours(method, seed, data, space, place, **how)
            if len(found["noted"]) < epochs:
                raise SystemExit(f"{method} seed {seed} was interrupted after {len(found['noted'])} epochs: the same command runs it again")
            config = plain(found["config"])
            again = [train_model(trial_config(config), loaded, seed=1000 + n).history for n in range(N_RETRAINED)]
            peaks = [max(result.metrics["macro_auc"] for result in history) for history in again]
            line = {"method": method, "seed": seed, **how, "data": data.fingerprint, **found, "config": config, "retrained": peaks}
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            best = max(value for _, _, value in found["noted"])
            print(
                f"{method} seed {seed}: {len(found['noted'])} epochs of {found['trials']} trials, best {best:.4f}, again {peaks}",
                file=sys.stderr,
                flush=True,
            )


def read(out: Path) -> list[dict[str, Any]]:
    """Read the searches that were run."""
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()] if out.exists() else []


def compare(searches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compute one row a search: its best value after the epochs, and after the seconds of the quickest on its seed."""
    by_seed: dict[int, dict[str, Mapping[str, Any]]] = {}
    for line in searches:
        by_seed.setdefault(line["seed"], {})[line["method"]] = line
    rows = []
    for seed, own in by_seed.items():
        equal_s = min(line["noted"][-1][0] for line in own.values())
        for method, line in own.items():
            after = max(value for _, _, value in line["noted"][: line["epochs"]])
            timely = max((value for at, _, value in line["noted"] if at <= equal_s), default=None)
            row = {"method": method, "seed": seed, "trials": line["trials"], "after_epochs": after, "after_seconds": timely}
            rows.append({**row, "equal_s": equal_s, "retrained": line["retrained"]})
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Format the comparison as text."""
    lines = [f"{'':<40}{'seed':>5}{'trials':>8}{'after epochs':>14}{'after seconds':>15}{'trained again':>20}"]
    shown, means = METHODS | FORMER, dict[str, list[float]]()
    for row in rows:
        again = np.array(row["retrained"])
        means.setdefault(row["method"], []).append(float(again.mean()))
        timely = "–" if row["after_seconds"] is None else f"{row['after_seconds']:.4f}"
        lines.append(
            f"{shown[row['method']]:<40}{row['seed']:>5}{row['trials']:>8}{row['after_epochs']:>14.4f}{timely:>9} ({row['equal_s']:.0f} s)"
            f"{again.mean():>12.4f} ± {again.std(ddof=1):.4f}"
        )
    lines += [f"{shown[method]:<40} mean of the configs trained again {np.mean(values):.4f}" for method, values in means.items()]
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, and print the table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="prepared data")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", type=names_of(METHODS), default=list(METHODS), help=f"comma-separated, of {', '.join(METHODS)}")
    parser.add_argument("--epochs", type=int, default=300, help="of all trials of a search together")
    parser.add_argument("--max-epochs", type=int, default=15, help="of a trial")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--report", action="store_true", help="only print the table")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if not arguments.report and not arguments.data:
        parser.error("give --data, or --report for what was run")
    if not arguments.report:
        torch.set_num_threads(1)
        data = open_prepared(arguments.data)
        start_ray(SLOTS)
        search_all(
            data,
            arguments.out,
            methods=arguments.only,
            seeds=arguments.seeds,
            epochs=arguments.epochs,
            max_epochs=arguments.max_epochs,
        )
    rows = compare(read(arguments.out))
    print(json.dumps({"searches": rows}) if arguments.json else table(rows))


if __name__ == "__main__":
    run_script(main)
