"""Record a bank of real learning curves for `benchmarks/efficiency.py`: random configs, trained to the end, nothing stopped.

    python benchmarks/record_curves.py --data DATA [--configs 160] [--epochs 9] [--share 0/1]

One JSON line a config in `benchmarks/data/curves.jsonl`. Run it again after an interruption: recorded numbers are left
alone. `--share 1/2` takes every second number, so that two processes fill one file. Validation values only.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.samplers import RandomSampler

from ecg_tune.data.prepared import open_prepared
from ecg_tune.errors import NonFiniteLossError
from ecg_tune.models import trial_config
from ecg_tune.search.samplers import trial_seed
from ecg_tune.search.space import SearchSpace
from ecg_tune.training.fit import train_model
from ecg_tune.training.learner import learning_data
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


def bank_space(epochs: int, n_leads: int = 3) -> SearchSpace:
    """Return the space that the bank was drawn from."""
    return search_space(FAMILIES, SpaceContext("small", epochs, rules=RULES, n_leads=n_leads))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="prepared data")
    parser.add_argument("--configs", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--share", default="0/1", help="k/n: take the numbers that leave k when divided by n")
    parser.add_argument("--out", type=Path, default=BANK)
    given = parser.parse_args()
    offset, every = map(int, given.share.split("/"))
    data = open_prepared(given.data)
    loaded, space = learning_data(data, torch.device("cpu")), bank_space(given.epochs, len(data.leads))
    given.out.parent.mkdir(exist_ok=True)
    known = {json.loads(line)["number"] for line in given.out.read_text().splitlines()} if given.out.exists() else set()
    for number in range(offset, given.configs, every):
        if number in known:
            continue
        trial = optuna.create_study(sampler=RandomSampler(seed=trial_seed(0, number))).ask()
        proposal = space.suggest(trial)
        row: dict[str, Any] = {"number": number, "data_fingerprint": data.fingerprint, "family": proposal.family, "params": trial.params}
        try:
            fit = train_model(trial_config(proposal.config), loaded, seed=number)
            row |= {"values": [round(r.metrics["macro_auc"], 5) for r in fit.history], "seconds": [round(r.seconds, 2) for r in fit.history]}
        except NonFiniteLossError as error:
            row |= {"values": [], "failure": str(error)}
        with given.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(f"config {number}: {row['family']} {row['values']}", flush=True)


if __name__ == "__main__":
    main()
