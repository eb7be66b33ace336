"""Compare ways to choose an ensemble, on patients that did not choose it: the one in use, greedy selection, and others.

    python benchmarks/ensembles.py STUDY/models --data DATA [--halvings 15] [--json]

Candidates are all trainings in the folder, e.g. those of every round of a race; the two finalists' alone; and the first seed of each trial.
A half of the validation patients chooses, the other half scores, both ways; means over the halvings. Validation only: the test split is
not opened. Halves choose worse than all records would, and the more so the more they have to choose.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from command_line import run_script
from numpy.typing import NDArray

from analysis.retraining.candidates import find_candidates
from analysis.retraining.ensemble import MOST_MEMBERS, best_members, weighted_mean
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared
from ecg_tune.errors import UsageError
from ecg_tune.metrics import Array, macro_auc
from ecg_tune.training.model_file import build_predictor, load_saved
from ecg_tune.training.predictor import predict_probabilities

Candidates = Mapping[str, Array]
Chooser = Callable[[NDArray[np.generic], Candidates], dict[str, float]]
ADDITIONS = 30


def greedy(labels: NDArray[np.generic], candidates: Candidates) -> dict[str, float]:
    """Add the candidate that raises macro AUC most, with replacement, until none does (Caruana et al., 2004)."""
    picks, total, reached = Counter[str](), np.zeros_like(next(iter(candidates.values()))), -np.inf
    while picks.total() < ADDITIONS:
        open_to = candidates if len(picks) < MOST_MEMBERS else {name: candidates[name] for name in picks}
        scores = {name: macro_auc(labels, (total + one) / (picks.total() + 1)) for name, one in open_to.items()}
        name = max(scores, key=lambda candidate: scores[candidate])
        if scores[name] <= reached:
            break
        reached, total = scores[name], total + candidates[name]
        picks[name] += 1
    return {name: count / picks.total() for name, count in picks.items()}


def best_alone(labels: NDArray[np.generic], candidates: Candidates) -> dict[str, float]:
    """Take the best single training."""
    return best_members(labels, candidates, most=1)


def all_of_them(labels: NDArray[np.generic], candidates: Candidates) -> dict[str, float]:
    """Take the mean of all trainings."""
    return dict.fromkeys(candidates, 1 / len(candidates))


RULES: dict[str, Chooser] = {
    "best training alone": best_alone,
    "greedy with replacement": greedy,
    f"mean of the best {MOST_MEMBERS} (in use)": best_members,
    "mean of all": all_of_them,
}


def predictions(folder: Path, data: PreparedData) -> dict[str, Array]:
    """Predict validation with every training in a folder of models."""
    files = sorted(folder.glob("*_seed*.pth")) or [file for candidate in find_candidates(folder) for file in candidate.files]
    if len(files) < 2:
        raise UsageError(f"{folder} holds {len(files)} training: an ensemble needs two")
    return {file.stem: predict_probabilities(build_predictor(load_saved(file)), data.validation) for file in files}


def candidate_sets(names: list[str]) -> dict[str, list[str]]:
    """Name the sets of trainings that are chosen from; sets of fewer than two are left out."""
    seeds = Counter(name.rpartition("_seed")[0] for name in names)
    finalists = [name for name in names if seeds[name.rpartition("_seed")[0]] == max(seeds.values())]
    sets = {"all trainings": names, "the finalists'": finalists, "one of each trial": [name for name in names if name.endswith("_seed0")]}
    return {title: members for title, members in sets.items() if len(members) > 1 and (members == names) == (title == "all trainings")}


def compare(data: PreparedData, candidates: Candidates, *, halvings: int) -> dict[str, dict[str, float]]:
    """Return each rule's mean macro AUC on the other half, its difference to greedy selection, and its members."""
    labels, patients = data.validation.labels, data.validation.records["patient_id"]
    rng, everyone = np.random.default_rng(0), np.unique(patients)
    scores: dict[str, list[float]] = {rule: [] for rule in RULES}
    members: dict[str, list[int]] = {rule: [] for rule in RULES}
    for _ in range(halvings):
        half = np.isin(patients, rng.permutation(everyone)[: len(everyone) // 2])
        for chooses in (half, ~half):
            for rule, choose in RULES.items():
                weights = choose(labels[chooses], {name: one[chooses] for name, one in candidates.items()})
                joined = weighted_mean([candidates[name][~chooses] for name in weights], list(weights.values()))
                scores[rule].append(macro_auc(labels[~chooses], joined))
                members[rule].append(len(weights))
    mean = {rule: float(np.nanmean(values)) for rule, values in scores.items()}
    base = mean["greedy with replacement"]
    return {rule: {"macro_auc": mean[rule], "less_greedy": mean[rule] - base, "members": float(np.mean(members[rule]))} for rule in RULES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--halvings", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    data = open_prepared(options.data)
    found = predictions(options.models, data)
    tables = {
        title: {"trainings": len(names), "rules": compare(data, {name: found[name] for name in names}, halvings=options.halvings)}
        for title, names in candidate_sets(list(found)).items()
    }
    if options.json:
        print(json.dumps({"data": data.fingerprint, "validation_records": len(data.validation), "sets": tables}))
        return
    print(f"macro AUC on the half of {len(data.validation)} validation records that did not choose; data {data.fingerprint[:12]}")
    for title, table in tables.items():
        print(f"\n{title}: {table['trainings']}\n{'':28} macro AUC  less greedy  members")
        for rule, row in table["rules"].items():  # type: ignore[attr-defined]
            print(f"{rule:28} {row['macro_auc']:9.4f} {row['less_greedy']:+12.4f} {row['members']:8.1f}")


if __name__ == "__main__":
    run_script(main)
