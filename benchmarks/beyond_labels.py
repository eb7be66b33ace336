"""Does a network learn more from what only the train split says, beyond the labels? `docs/results/recipe.md`.

    ecg-tune data prepare PTBXL DATA_3 --split official --leads I,II,V2
    ecg-tune data prepare PTBXL DATA_12 --split official --leads all
    python benchmarks/beyond_labels.py --data DATA_3 DATA_12 [--seeds 5] [--epochs 30] [--families cnn1d,resnet1d] [--share 0/1]
    python benchmarks/beyond_labels.py --report [--json]

Four ways, each against the family's plain recipe (`recipe.py`) on the first data set, seed by seed:

- *statements*: a second head learns the finer statements, with half the weight of the labels (`auxiliary: 0.5`).
- *likelihoods*: labels are as likely as the cardiologist said (`soft_labels: 1`).
- *teacher*: half of each label is the probability that networks with the second data set's leads give (distillation, Hinton et al. 2015, at
  temperature 1). A record's teachers, one of each family given, were trained on four of five folds of the train split, by patient,
  without it. They are trained first and kept beside `--out`.
- *random leads first*: in the first third of the epochs each record shows as many leads as the first data set has, drawn from all.

None touches validation or test records. One JSON line a training in `benchmarks/data/beyond_labels.jsonl`; what is there is not trained
again.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from command_line import run_script
from leads import check_same_records
from numpy.typing import NDArray
from recipe import PLAIN, compare, parse_arguments, plan, read, recipe, table
from torch import Tensor

from analysis.retraining.folds import train_folds
from ecg_tune.data.loaders import DeviceSplit
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared
from ecg_tune.training.learner import Learner, learning_data

RESULTS = Path(__file__).parent / "data" / "beyond_labels.jsonl"
TEACHER, RANDOM_LEADS = "teacher", "random leads first"
WAYS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "statements": {"auxiliary": 0.5},
    "likelihoods": {"soft_labels": 1.0},
    TEACHER: {"distillation": 0.5},
    RANDOM_LEADS: {},
}
"""Name of a way to the fields of `TrainingConfig` that it replaces."""
N_FOLDS = 5


def teach(data: PreparedData, families: Sequence[str], epochs: int) -> Tensor:
    """Train a network of each family on each fold's other records.

    Returns:
        Their mean probabilities for the train split, (n_records, n_classes); each record's come from networks that have not seen it.
    """
    taught = torch.zeros(data.train.labels.shape, dtype=torch.float64)
    for fold, family in itertools.product(train_folds(data, N_FOLDS), families):
        config = recipe(family, PLAIN, epochs, len(data.leads))
        learner = Learner(config, learning_data(fold.divide(data), torch.device("cpu")), seed=fold.number)
        while not learner.ended_by:
            result = learner.step()
        taught[list(fold.rows)] += learner.validate()[1] / len(families)
        print(f"teacher {family}, fold {fold.number}: {result.metrics['macro_auc']:.4f}", file=sys.stderr, flush=True)
    return taught


def kept_teacher(data: PreparedData, folder: Path, families: Sequence[str], epochs: int) -> NDArray[np.float32]:
    """Read the teachers' probabilities, or train the teachers and keep them."""
    file = folder / f"teacher_{'_'.join(families)}_{data.fingerprint[:12]}_{epochs}.npy"
    if not file.exists():
        np.save(file, teach(data, families, epochs).numpy())
    return np.asarray(np.load(file), dtype=np.float32)


def random_leads(split: DeviceSplit, signals_uv: Tensor, generator: torch.Generator) -> DeviceSplit:
    """Give each record of a split as many leads as it has, drawn from those of `signals_uv`, (n_records, n_samples, n_leads)."""
    n_records, n_samples, n_leads = split.signals_uv.shape
    drawn = torch.rand(n_records, signals_uv.shape[2], generator=generator).argsort(1)[:, :n_leads]
    return replace(split, signals_uv=signals_uv.gather(2, drawn[:, None, :].expand(-1, n_samples, -1)))


def trained(learner: Learner, all_leads: Tensor | None = None) -> dict[str, Any]:
    """Train to the end; return the validation macro AUC of every epoch and the CPU seconds of one.

    Args:
        all_leads: Signals of the same records, from which the first third of the epochs draws leads.
    """
    begun, own = time.process_time(), learner.loader.split
    generator = torch.Generator().manual_seed(learner.order.initial_seed())
    while not learner.ended_by:
        first = 3 * learner.epoch < learner.config.training.max_epochs
        learner.loader.split = own if all_leads is None or not first else random_leads(own, all_leads, generator)
        learner.step()
    values = [round(result.metrics["macro_auc"], 5) for result in learner.history]
    return {"values": values, "cpu_seconds_per_epoch": round((time.process_time() - begun) / len(values), 3)}


def train_all(few: PreparedData, many: PreparedData, out: Path, *, families: Sequence[str], seeds: int, epochs: int, share: str) -> None:
    """Train what `out` lacks, seed by seed, so that an interrupted run holds every way equally often."""
    all_leads = torch.from_numpy(np.array(many.train.signals_uv))
    taught = kept_teacher(many, out.parent, families, epochs)
    loaded = learning_data(replace(few, train=replace(few.train, taught=taught)), torch.device("cpu"))
    known = {(row["family"], row["way"], row["seed"], row["epochs"], row["data"]) for row in read(out)}
    offset, every = map(int, share.split("/"))
    for seed, family, way in list(itertools.product(range(seeds), families, WAYS))[offset::every]:
        if (family, way, seed, epochs, few.fingerprint) in known:
            continue
        config = recipe(family, PLAIN, epochs, len(few.leads))
        config = replace(config, training=replace(config.training, **WAYS[way]))
        learner = Learner(config, loaded, seed=seed)
        found = trained(learner, all_leads if way == RANDOM_LEADS else None)
        row = {"family": family, "way": way, "seed": seed, "epochs": epochs, "data": few.fingerprint, "leads": list(few.leads), **found}
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{family} {way}, seed {seed}: best {max(row['values']):.4f}, last {row['values'][-1]:.4f}", file=sys.stderr, flush=True)


def main() -> None:
    """Train what is missing, and print the tables, or one JSON object."""
    about = "prepared data: the few leads, and the many of the same records"
    arguments = parse_arguments(__doc__, out=RESULTS, data=about, n_data=2)
    if not arguments.report:
        few, many = map(open_prepared, arguments.data)
        check_same_records([few, many])
        train_all(few, many, arguments.out, **plan(arguments))
    rows = read(arguments.out)
    compared = [compare(rows, family, by="way", base=PLAIN) for family in dict.fromkeys(row["family"] for row in rows)]
    if arguments.json:
        print(json.dumps({"ways": [row for own in compared for row in own]}))
        return
    for own in compared:
        print(f"\n{table(own, by='way', base=PLAIN)}")


if __name__ == "__main__":
    run_script(main)
