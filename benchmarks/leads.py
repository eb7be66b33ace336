"""Train the plain recipe on several lead sets of the same records, with the same seeds: `docs/results/leads.md`.

    ecg-tune data prepare PTBXL DATA_3 --split official --leads I,II,V2
    ecg-tune data prepare PTBXL DATA_12 --split official --leads all
    python benchmarks/leads.py --data DATA_3 DATA_12 [--seeds 5] [--epochs 30] [--families cnn1d,resnet1d] [--share 0/1]
    python benchmarks/leads.py --report [--json]

The recipe is the plain one of `recipe.py`. One JSON line a training in `benchmarks/data/leads.jsonl`; what is there is not trained again,
so the same command goes on after an interruption. `--share 1/2` takes every second training, so that two processes fill one file.
Validation values only. Differences are to the first lead set of the file, seed by seed, with a 95 % t interval: it says how seeds scatter,
not how other records would.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from command_line import run_script
from recipe import PLAIN, compare, parse_arguments, plan, read, recipe, table, trained

from ecg_tune.data.prepared.dataset import PreparedData, open_prepared
from ecg_tune.errors import UsageError
from ecg_tune.training.learner import learning_data

RESULTS = Path(__file__).parent / "data" / "leads.jsonl"


def check_same_records(every: Sequence[PreparedData]) -> None:
    """Refuse data sets that differ in more than their leads.

    Raises:
        UsageError: Names the two folders and what differs.
    """
    first = every[0]
    for other in every[1:]:
        for name in ("train", "validation"):
            one, two = first.split(name), other.split(name)
            if not np.array_equal(one.records["ecg_id"], two.records["ecg_id"]) or not np.array_equal(one.labels, two.labels):
                raise UsageError(f"{first.folder} and {other.folder} differ in their {name} records: prepare both with equal settings")
    if len({data.leads for data in every}) < len(every):
        raise UsageError("two data sets have the same leads: give one of each")


def lead_set(leads: Sequence[str]) -> str:
    """Name a lead set."""
    return "all twelve" if len(leads) == 12 else ", ".join(leads)


def train_all(every: Sequence[PreparedData], out: Path, *, families: Sequence[str], seeds: int, epochs: int, share: str) -> None:
    """Train what `out` lacks, seed by seed, so that an interrupted run holds every lead set equally often."""
    loaded = [learning_data(data, torch.device("cpu")) for data in every]
    known = {(row["family"], row["seed"], row["epochs"], row["data"]) for row in read(out)}
    offset, step = map(int, share.split("/"))
    wanted = list(itertools.product(range(seeds), families, range(len(every))))
    for seed, family, number in wanted[offset::step]:
        data = every[number]
        if (family, seed, epochs, data.fingerprint) in known:
            continue
        found = trained(recipe(family, PLAIN, epochs, len(data.leads)), loaded[number], seed=seed)
        row = {"family": family, "seed": seed, "epochs": epochs, "leads": list(data.leads), "data": data.fingerprint}
        row |= {"split": str(data.manifest["split"]), "synthetic": data.synthetic, "records": [len(data.train), len(data.validation)]}
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row | found) + "\n")
        print(f"{family}, {lead_set(data.leads)}, seed {seed}: best epoch {max(found['values']):.4f}", file=sys.stderr, flush=True)


def facts(rows: Sequence[dict[str, Any]]) -> str:
    """Say what the table rests on."""
    train, validation = rows[0]["records"]
    synthetic = "SYNTHETIC records, " if rows[0]["synthetic"] else ""
    return f"{synthetic}split {rows[0]['split']}, {train} train / {validation} validation records, {rows[0]['epochs']} epochs."


def main() -> None:
    """Train what is missing, and print the table, or one JSON object."""
    arguments = parse_arguments(__doc__, out=RESULTS, data="prepared data, one of each lead set", n_data="+")
    if not arguments.report:
        every = [open_prepared(folder) for folder in arguments.data]
        check_same_records(every)
        train_all(every, arguments.out, **plan(arguments))
    rows = [{**row, "leads": lead_set(row["leads"])} for row in read(arguments.out)]
    found = []
    for epochs in dict.fromkeys(row["epochs"] for row in rows):
        own = [row for row in rows if row["epochs"] == epochs]
        first = own[0]["leads"]
        compared = [compare(own, family, by="leads", base=first) for family in dict.fromkeys(row["family"] for row in own)]
        found += [{"epochs": epochs, **row} for rows_of_family in compared for row in rows_of_family]
        if not arguments.json:
            print("\n\n".join([f"\n{facts(own)}", *(table(rows_of_family, by="leads", base=first) for rows_of_family in compared)]))
    if arguments.json:
        print(json.dumps({"lead_sets": found}))


if __name__ == "__main__":
    run_script(main)
