"""Record a bank of real learning curves for `benchmarks/efficiency.py`: random configs, trained to the end, nothing stopped.

    python benchmarks/record_curves.py --data DATA [--configs 168] [--epochs 9] [--share 0/1]
    python benchmarks/record_curves.py --data DATA --repeats 5

One JSON line a config in `benchmarks/data/curves.jsonl`. Run it again after an interruption: recorded numbers are left
alone. `--share 1/2` takes every second number, so that two processes fill one file. `--repeats` trains the bank's three best
again with other seeds, which says how much of their lead is luck. Validation values only.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import optuna
import torch
from command_line import run_script
from optuna.samplers import RandomSampler

from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.errors import NonFiniteLossError
from ecg_tune.models import trial_config
from ecg_tune.search.sampling.samplers import trial_seed
from ecg_tune.search.space import SearchSpace
from ecg_tune.training.fit import train_model
from ecg_tune.training.learner import LearningData, learning_data
from search_spaces import SpaceContext, search_space

BANK = Path(__file__).parent / "data" / "curves.jsonl"
FAMILIES = ("cnn1d", "resnet1d", "cnn1d_rnn")
RULES: dict[str, Any] = {
    "cnn1d.filters": [8, 16],
    "resnet1d.filters": [8, 16],
    "cnn1d_rnn.filters": [8, 16],
    "cnn1d_rnn.hidden_size": [32],
    **{f"{family}.batch_size": [64, 128] for family in FAMILIES},
}
"""Narrow networks, so that an epoch of 2,279 records takes seconds on one core."""

N_REPEATED = 3


def bank_space(epochs: int, n_leads: int = 3) -> SearchSpace:
    """Return the space that the bank was drawn from."""
    return search_space(FAMILIES, SpaceContext("small", epochs, rules=RULES, n_leads=n_leads, version=1))  # that of the recorded curves


def recorded(number: int, loaded: LearningData, space: SearchSpace, *, seed: int) -> dict[str, Any]:
    """Draw config `number` of the bank, train it to the end and return its line."""
    trial = optuna.create_study(sampler=RandomSampler(seed=trial_seed(0, number))).ask()
    proposal = space.suggest(trial)
    row: dict[str, Any] = {"family": proposal.family, "params": trial.params}
    try:
        history = train_model(trial_config(proposal.config), loaded, seed=seed).history
    except NonFiniteLossError as error:
        return {**row, "values": [], "failure": str(error)}
    values = [round(result.metrics["macro_auc"], 5) for result in history]
    return {**row, "values": values, "seconds": [round(result.seconds, 2) for result in history]}


def best_numbers(rows: list[dict[str, Any]]) -> list[int]:
    """Return the numbers of the bank's best configs."""
    bank = [row for row in rows if row["values"] and "repeat_of" not in row]
    return [int(row["number"]) for row in sorted(bank, key=lambda row: -max(row["values"]))[:N_REPEATED]]


def main() -> None:
    """Append what the bank lacks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="prepared data")
    parser.add_argument("--configs", type=int, default=168)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--share", default="0/1", help="k/n: take the numbers that leave k when divided by n")
    parser.add_argument("--repeats", type=int, default=0, help="train the best of a finished bank again with so many seeds each")
    parser.add_argument("--out", type=Path, default=BANK)
    arguments = parser.parse_args()
    offset, every = map(int, arguments.share.split("/"))
    data = open_prepared(arguments.data)
    loaded, space = learning_data(data, torch.device("cpu")), bank_space(arguments.epochs, len(data.leads))
    arguments.out.parent.mkdir(exist_ok=True)
    rows = [json.loads(line) for line in arguments.out.read_text().splitlines()] if arguments.out.exists() else []
    recorded_runs = {(row.get("repeat_of", row["number"]), row.get("seed", row["number"])) for row in rows}
    planned = [(number, number) for number in range(offset, arguments.configs, every)]
    if arguments.repeats:
        planned = [(number, arguments.configs + seed) for number in best_numbers(rows) for seed in range(arguments.repeats)]
    for number, seed in planned:
        if (number, seed) in recorded_runs:
            continue
        repeat = {"repeat_of": number, "seed": seed} if arguments.repeats else {}
        row = {"number": number, **repeat, "data_fingerprint": data.fingerprint, **recorded(number, loaded, space, seed=seed)}
        with arguments.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(f"config {number}, seed {seed}: {row['family']} {row['values']}", flush=True)


if __name__ == "__main__":
    run_script(main)
