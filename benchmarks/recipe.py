"""Change a family's training recipe one thing at a time, with many seeds each, and compare by seed: `docs/results/recipe.md`.

    python benchmarks/recipe.py --data DATA [--seeds 5] [--epochs 30] [--families cnn1d,resnet1d] [--share 0/1]
    python benchmarks/recipe.py --report [--json]

The plain recipe is the `small` default of each family's search space without augmentation, smoothing and averaging; a change replaces
fields of its `TrainingConfig`. One JSON line a training in `benchmarks/data/recipe.jsonl`; what is there is not trained again, so that the
same command goes on after an interruption, and a first run with few seeds is worth keeping. `--share 1/2` takes every second training, so
that two processes fill one file. Validation values only; a default changes only where the interval of a difference leaves zero out, and
does so again with new seeds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from command_line import names_of, run_script
from optuna.trial import FixedTrial
from scipy import stats

from ecg_tune.config import AugmentConfig, TrialConfig
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.training.fit import train_model
from ecg_tune.training.learner import LearningData, learning_data
from search_spaces import SPACES, SpaceContext
from search_spaces.suggestions import AUGMENTATIONS, RECIPE_DEFAULTS

RESULTS = Path(__file__).parent / "data" / "recipe.jsonl"
FAMILIES = ("cnn1d", "resnet1d")
PLAIN = "plain"
MILD = AugmentConfig(amplitude=0.1, noise=0.02, mask_s=0.25)
STRONG = AugmentConfig(amplitude=0.2, noise=0.05, mask_s=0.5)
"""Without the shift that the search spaces' choices of these names have: where crops are random, it should change little."""
CHANGES: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "averaging ema": {"averaging": "ema"},
    "averaging swa": {"averaging": "swa"},
    "augment mild": {"augment": MILD},
    "augment strong": {"augment": STRONG},
    "augment strong, shift": {"augment": AUGMENTATIONS["strong"]},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "mixup 0.4": {"mixup": 0.4},
    "cosine": {"schedule": "cosine", "warmup_epochs": 2},
    "plateau 3e-3, ema": {"schedule": "plateau", "learning_rate": 3e-3, "patience": 30, "averaging": "ema"},
    "ema, strong, mixup": {"averaging": "ema", "augment": STRONG, "mixup": 0.4},
}
"""Name of a change to the fields of `TrainingConfig` that it replaces."""


def recipe(family: str, change: str, epochs: int, n_leads: int) -> TrialConfig:
    """Return the family's plain recipe with one change."""
    space = SPACES[family]
    plain = space.defaults["small"] | {f"{family}.{name}": value for name, value in RECIPE_DEFAULTS.items()}
    config = space.suggest(FixedTrial(plain), SpaceContext("small", epochs, n_leads=n_leads))
    return replace(config, training=replace(config.training, **CHANGES[change]))


def trained(config: TrialConfig, loaded: LearningData, *, seed: int) -> dict[str, Any]:
    """Train to the end; return the validation macro AUC of every epoch and the CPU seconds of one."""
    begun = time.process_time()
    values = [round(result.metrics["macro_auc"], 5) for result in train_model(config, loaded, seed=seed).history]
    return {"values": values, "cpu_seconds_per_epoch": round((time.process_time() - begun) / len(values), 3)}


def read(out: Path) -> list[dict[str, Any]]:
    """Read the trainings that were done."""
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()] if out.exists() else []


def train_all(data: Path, out: Path, *, families: Sequence[str], seeds: int, epochs: int, share: str) -> None:
    """Train what `out` lacks, seed by seed, so that an interrupted run holds every change equally often."""
    prepared = open_prepared(data)
    loaded, leads = learning_data(prepared, torch.device("cpu")), list(prepared.leads)
    known = {(row["family"], row["change"], row["seed"], row["epochs"], row["data"]) for row in read(out)}
    offset, every = map(int, share.split("/"))
    wanted = list(itertools.product(range(seeds), families, CHANGES))
    for seed, family, change in wanted[offset::every]:
        if (family, change, seed, epochs, prepared.fingerprint) in known:
            continue
        row = trained(recipe(family, change, epochs, len(leads)), loaded, seed=seed)
        row = {"family": family, "change": change, "seed": seed, "epochs": epochs, "data": prepared.fingerprint, "leads": leads, **row}
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{family} {change}, seed {seed}: best {max(row['values']):.4f}, last {row['values'][-1]:.4f}", file=sys.stderr, flush=True)


def difference(changed: Mapping[int, float], plain: Mapping[int, float]) -> dict[str, float] | None:
    """Compute the mean difference over the seeds of both, with a 95 % t interval; None where they have one seed at most."""
    both = sorted(changed.keys() & plain.keys())
    gains = np.array([changed[seed] - plain[seed] for seed in both])
    if len(gains) < 2:
        return None
    half = float(stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains)))
    return {"mean": float(gains.mean()), "low": float(gains.mean()) - half, "high": float(gains.mean()) + half}


def difference_text(less: Mapping[str, float] | None) -> str:
    """Format a difference, e.g. "+0.0026 [+0.0010, +0.0042]"."""
    return f"{less['mean']:+.4f} [{less['low']:+.4f}, {less['high']:+.4f}]" if less else "(one seed)"


def compare(rows: Iterable[Mapping[str, Any]], family: str, *, by: str, base: str) -> list[dict[str, Any]]:
    """Compare a family's trainings with those of a base, seed by seed: one row a name, with the best and the last epoch's values.

    Args:
        by: The key of the name by which the trainings differ, e.g. "change".
        base: The name that the others are compared with.
    """
    best: dict[str, dict[int, float]] = {}
    last: dict[str, dict[int, float]] = {}
    seconds: dict[str, list[float]] = {}
    for row in (row for row in rows if row["family"] == family):
        best.setdefault(row[by], {})[row["seed"]] = max(row["values"])
        last.setdefault(row[by], {})[row["seed"]] = row["values"][-1]
        seconds.setdefault(row[by], []).append(row["cpu_seconds_per_epoch"])
    compared = []
    for name in best:
        found = {"family": family, by: name, "seeds": len(best[name]), "cpu_seconds_per_epoch": float(np.median(seconds[name]))}
        for epoch, values in (("best", best), ("last", last)):
            now = np.array(list(values[name].values()))
            found[epoch] = {"mean": float(now.mean()), "sd": float(now.std(ddof=1)) if len(now) > 1 else 0.0}
            found[f"{epoch}_less_base"] = None if name == base else difference(values[name], values.get(base, {}))
        compared.append(found)
    return compared


def table(compared: Sequence[Mapping[str, Any]], *, by: str, base: str) -> str:
    """Format a family's comparison as a Markdown table."""
    less = f"Less {base}, by seed"
    lines = [f"| `{compared[0]['family']}` | Seeds | Best epoch | {less} | Last epoch | {less} | CPU s an epoch |", "|---" * 7 + "|"]
    for row in compared:
        cells = [row[by], str(row["seeds"])]
        for epoch in ("best", "last"):
            cells.append(f"{row[epoch]['mean']:.4f} ± {row[epoch]['sd']:.4f}")
            cells.append("" if row[by] == base else difference_text(row[f"{epoch}_less_base"]))
        lines.append("| " + " | ".join([*cells, f"{row['cpu_seconds_per_epoch']:.2f}"]) + " |")
    return "\n".join(lines)


def parse_arguments(description: str | None, *, out: Path, data: str, n_data: int | str | None = None) -> argparse.Namespace:
    """Read the command line of a script that fills a file of trainings.

    Args:
        description: The script's docstring.
        out: Where the trainings are by default.
        data: Help of `--data`.
        n_data: How many folders `--data` takes, as argparse's `nargs`.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs=n_data, help=data)
    parser.add_argument("--families", type=names_of(SPACES), default=list(FAMILIES), help="comma-separated")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--share", default="0/1", help="k/n: take the trainings that leave k when divided by n")
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--report", action="store_true", help="only print what was trained")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if not arguments.report and not arguments.data:
        parser.error("give --data, or --report for what was trained")
    torch.set_num_threads(1)
    return arguments


def plan(arguments: argparse.Namespace) -> dict[str, Any]:
    """Take from the command line which trainings there are."""
    return {name: getattr(arguments, name) for name in ("families", "seeds", "epochs", "share")}


def main() -> None:
    """Train what is missing, and print the tables, or one JSON object."""
    arguments = parse_arguments(__doc__, out=RESULTS, data="prepared data")
    if not arguments.report:
        train_all(arguments.data, arguments.out, **plan(arguments))
    rows = read(arguments.out)
    compared = [compare(rows, family, by="change", base=PLAIN) for family in sorted({row["family"] for row in rows})]
    if arguments.json:
        print(json.dumps({"changes": [row for own in compared for row in own]}))
        return
    for own in compared:
        print(f"\n{table(own, by='change', base=PLAIN)}")


if __name__ == "__main__":
    run_script(main)
