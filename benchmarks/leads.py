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

import argparse
import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from command_line import names_of, run_script
from recipe import FAMILIES, PLAIN, difference, difference_text, read, recipe, trained

from ecg_tune.data.prepared.dataset import PreparedData, open_prepared
from ecg_tune.errors import UsageError
from ecg_tune.training.learner import learning_data
from search_spaces import SPACES

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


def compare(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compare lead sets with the first one, family by family.

    Args:
        rows: Of one number of epochs.
    """
    sets = dict.fromkeys(lead_set(row["leads"]) for row in rows)
    first, compared = next(iter(sets)), []
    for family, leads in itertools.product(dict.fromkeys(row["family"] for row in rows), sets):
        own = [row for row in rows if (row["family"], lead_set(row["leads"])) == (family, leads)]
        base = [row for row in rows if (row["family"], lead_set(row["leads"])) == (family, first)]
        if not own:
            continue
        found = {"family": family, "leads": leads, "seeds": len(own)}
        for name, value in (("best", max), ("last", _last)):
            now = np.array([value(row["values"]) for row in own])
            found[name] = {"mean": float(now.mean()), "sd": float(now.std(ddof=1)) if len(now) > 1 else 0.0}
            less = None if leads == first else difference(_by_seed(own, value), _by_seed(base, value))
            found[f"{name}_less_first_set"] = less
        compared.append(found | {"cpu_seconds_per_epoch": float(np.median([row["cpu_seconds_per_epoch"] for row in own]))})
    return compared


def table(compared: Sequence[dict[str, Any]]) -> str:
    """Format the comparison as a Markdown table."""
    first = compared[0]["leads"]
    lines = [f"| Family | Leads | Seeds | Best epoch | Less {first}, by seed | Last epoch | Less {first}, by seed | CPU s an epoch |"]
    lines.append("|---" * 8 + "|")
    for row in compared:
        cells = [f"`{row['family']}`", row["leads"], str(row["seeds"])]
        for name in ("best", "last"):
            cells.append(f"{row[name]['mean']:.4f} ± {row[name]['sd']:.4f}")
            cells.append("" if row["leads"] == first else difference_text(row[f"{name}_less_first_set"]))
        lines.append("| " + " | ".join([*cells, f"{row['cpu_seconds_per_epoch']:.2f}"]) + " |")
    return "\n".join(lines)


def facts(rows: Sequence[dict[str, Any]]) -> str:
    """Say what the table rests on."""
    train, validation = rows[0]["records"]
    synthetic = "SYNTHETIC records, " if rows[0]["synthetic"] else ""
    return f"{synthetic}split {rows[0]['split']}, {train} train / {validation} validation records, {rows[0]['epochs']} epochs."


def _last(values: Sequence[float]) -> float:
    return values[-1]


def _by_seed(rows: Sequence[dict[str, Any]], value: Any) -> dict[int, float]:
    return {row["seed"]: value(row["values"]) for row in rows}


def main() -> None:
    """Train what is missing, and print the table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", help="prepared data, one of each lead set")
    parser.add_argument("--families", type=names_of(SPACES), default=list(FAMILIES), help="comma-separated")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--share", default="0/1", help="k/n: take the trainings that leave k when divided by n")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--report", action="store_true", help="only print what was trained")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if not arguments.report:
        if not arguments.data:
            parser.error("give --data, or --report for what was trained")
        torch.set_num_threads(1)
        every = [open_prepared(folder) for folder in arguments.data]
        check_same_records(every)
        how = {"families": arguments.families, "seeds": arguments.seeds, "epochs": arguments.epochs, "share": arguments.share}
        train_all(every, arguments.out, **how)
    rows = read(arguments.out)
    of_length = {epochs: [row for row in rows if row["epochs"] == epochs] for epochs in dict.fromkeys(row["epochs"] for row in rows)}
    if arguments.json:
        print(json.dumps({"lead_sets": [{"epochs": epochs, **row} for epochs, own in of_length.items() for row in compare(own)]}))
        return
    for own in of_length.values():
        print(f"\n{facts(own)}\n\n{table(compare(own))}")


if __name__ == "__main__":
    run_script(main)
