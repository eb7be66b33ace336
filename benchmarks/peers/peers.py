"""Compare an evaluated study with published methods on the same records, by the project's own statistics: `docs/results/peers.md`.

    python benchmarks/peers/peers.py STUDY --data DATA --peers minirocket --python ENV/bin/python [--seeds 3]
    python benchmarks/peers/peers.py STUDY --data DATA --peers resnet1d_wang

- `minirocket`: MiniRocket (Dempster et al., 2021) and logistic regressions, by aeon, in its own environment (`requirements.txt`).
- `resnet1d_wang`: the network and recipe of Strodthoff et al. (2021): 2.5 s crops, one-cycle with a peak of 1e-2, 30 epochs, batch 128.

STUDY was evaluated (`ecg-tune evaluate`), so that its test predictions are beside its models. Validation alone chooses: penalty, epoch,
thresholds. The test split is opened once for all peers of a call, with a line in its ledger, after everything that can be refused was.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from analysis.evaluation.kept_predictions import KeptPredictions, read_kept
from analysis.evaluation.metrics import ECGMetrics, mean_metrics
from analysis.evaluation.predictions import ModelPredictions, SeedPredictions
from analysis.evaluation.statistics.bootstrap import intervals, mean_over_seeds, patient_weights
from analysis.evaluation.statistics.paired_tests import ComparedModel, paired_table
from analysis.retraining.candidates import Candidate, find_candidates
from ecg_tune.config import TrainingConfig, TrialConfig
from ecg_tune.data.overlap import record_digests
from ecg_tune.data.prepared.dataset import PreparedData, Split, open_prepared, open_test
from ecg_tune.errors import DataError, UsageError
from ecg_tune.metrics import Array, f1_thresholds, macro_auc
from ecg_tune.models import ResNet1DConfig
from ecg_tune.training.fit import train_model
from ecg_tune.training.predictor import predict_probabilities

PEERS = ("minirocket", "resnet1d_wang")
NOT_USED = np.zeros(0)
RECIPE = TrainingConfig(
    max_epochs=30, batch_size=128, optimizer="adamw", learning_rate=1e-2, weight_decay=1e-2, schedule="one_cycle", crop_s=2.5
)


def seed_of(seed: int, labels: np.ndarray, validation: Array, test: Array) -> SeedPredictions:
    """Wrap a peer's probabilities, with thresholds from validation as those of every model."""
    thresholds = np.asarray(f1_thresholds(labels, validation))
    return SeedPredictions(seed, macro_auc(labels, validation), validation, test, thresholds, NOT_USED, NOT_USED)


def minirocket(data: PreparedData, test: Split, *, seeds: int, python: str) -> ModelPredictions:
    """Run MiniRocket in its own environment."""
    splits = {"train": data.train, "validation": data.validation, "test": test}
    with tempfile.TemporaryDirectory() as folder:
        signals, predictions = Path(folder) / "signals.npz", Path(folder) / "predictions.npz"
        arrays = {name: np.swapaxes(np.asarray(one.signals_uv, np.float32) / 1000, 1, 2) for name, one in splits.items()}
        np.savez(signals, **arrays, train_labels=data.train.labels, validation_labels=data.validation.labels)
        script = str(Path(__file__).with_name("minirocket.py"))
        subprocess.run([python, script, str(signals), str(predictions), "--seeds", str(seeds)], check=True, stdout=sys.stderr)
        found = np.load(predictions)
        pairs = list(zip(found["validation"], found["test"], strict=True))
    return ModelPredictions("MiniRocket", tuple(seed_of(s, data.validation.labels, *pair) for s, pair in enumerate(pairs)))


def check_aeon(python: str) -> None:
    """Refuse an interpreter that can't run MiniRocket."""
    try:
        found = subprocess.run([python, "-c", "import aeon"], capture_output=True, check=False).returncode == 0
    except OSError:
        found = False
    if not found:
        raise UsageError(f"{python} has no aeon: name an environment with requirements.txt by --python, or leave minirocket out of --peers")


def resnet1d_wang(data: PreparedData, test: Split, *, seeds: int, epochs: int) -> ModelPredictions:
    """Train the published recipe; the epoch with the best validation macro AUC is kept, 7 crops are averaged."""
    made, recipe = [], dataclasses.replace(RECIPE, max_epochs=epochs)
    for seed in range(seeds):
        fit = train_model(TrialConfig("resnet1d", ResNet1DConfig(), recipe), data, seed=seed)
        reached = f"epoch {fit.best_epoch}, validation macro AUC {fit.best.metrics['macro_auc']:.4f}"
        print(f"resnet1d_wang seed {seed}: {reached}", file=sys.stderr, flush=True)
        validation, on_test = (predict_probabilities(fit.model, one.signals_uv, device="cpu") for one in (data.validation, test))
        made.append(seed_of(seed, data.validation.labels, validation, on_test))
    return ModelPredictions("resnet1d_wang", tuple(made))


def kept_by(study: Path, data: PreparedData) -> tuple[list[Candidate], KeptPredictions]:
    """Read the study's models and what they predicted in its evaluation.

    Raises:
        UsageError: There are no models, or the study was not evaluated since they were trained.
    """
    candidates = find_candidates(study / "models")
    try:
        return candidates, read_kept(study / "models", data, candidates)
    except DataError as error:
        raise UsageError(f"{error}: run `ecg-tune evaluate {study}` first") from error


def own_models(candidates: Sequence[Candidate], kept: KeptPredictions, test: Split) -> list[ModelPredictions]:
    """Put the kept predictions of the study's models on the opened test split together."""
    if kept.digests != {digest.hex() for digest in record_digests(test)} or not np.array_equal(kept.labels, test.labels):
        raise UsageError("the kept predictions are of other records: run `ecg-tune evaluate` again")
    models = []
    for one in candidates:
        seeds = []
        for saved in one.seeds:
            probabilities = kept.probabilities[f"{one.name}_seed{saved.seed}"]
            thresholds = np.asarray(saved.thresholds["f1"])
            seeds.append(SeedPredictions(saved.seed, saved.validation_macro_auc, NOT_USED, probabilities, thresholds, NOT_USED, NOT_USED))
        models.append(ModelPredictions(one.name, tuple(seeds)))
    return models


def compare(data: PreparedData, test: Split, models: Sequence[ModelPredictions], *, n_resamples: int) -> dict[str, Any]:
    """Compute each model's test metrics with their 95 % intervals, and each pair's differences of macro means."""
    weights = patient_weights(test.records["patient_id"], n_resamples=n_resamples)
    compared, rows = {}, []
    for model in models:
        resamples = mean_over_seeds(test.labels, model.at_f1_thresholds, weights)
        metrics = [ECGMetrics(data.class_names, one.thresholds) for one in model.at_f1_thresholds]
        values = mean_metrics([m.calculate_metrics(test.labels, s.test) for m, s in zip(metrics, model.seeds, strict=True)])
        compared[model.name] = ComparedModel(model.at_f1_thresholds, model.chosen, resamples, values)
        limits = intervals(test.labels, resamples, class_names=data.class_names)["macro_avg"]
        metric = {m: {"value": values["macro_avg"][m], "low": limits[m].low, "high": limits[m].high} for m in ("auc_roc", "f1_score")}
        mean = float(np.mean([seed.validation_macro_auc for seed in model.seeds]))
        rows.append({"model": model.name, "seeds": len(model.seeds), "validation_macro_auc": mean, **metric})
    pairs = paired_table(test.labels, test.records["patient_id"], compared, class_names=data.class_names)
    macro = pairs[pairs["Class"] == "macro_avg"]
    facts = {"data_fingerprint": data.fingerprint, "synthetic": data.synthetic, "test_records": len(test)}
    return {**facts, "models": rows, "pairs": json.loads(macro.to_json(orient="records"))}


def tables(found: dict[str, Any]) -> str:
    """Format the comparison as two Markdown tables."""
    lines = ["| Model | Seeds | Validation macro AUC | Test macro AUC | Test macro F1 |", "|---|---|---|---|---|"]
    for row in found["models"]:
        cells = [f"{row[m]['value']:.3f} [{row[m]['low']:.3f}, {row[m]['high']:.3f}]" for m in ("auc_roc", "f1_score")]
        lines.append(f"| {row['model']} | {row['seeds']} | {row['validation_macro_auc']:.4f} | {' | '.join(cells)} |")
    lines += ["", "| Quantity | A | B | A − B [95 %] | P (Holm) |", "|---|---|---|---|---|"]
    for pair in found["pairs"]:
        interval = f"{pair['Difference']:+.4f} [{pair['Difference_lo']:+.4f}, {pair['Difference_hi']:+.4f}]"
        lines.append(f"| {pair['Quantity']} | {pair['Model_A']} | {pair['Model_B']} | {interval} | {pair['P_Holm']:.2g} |")
    return "\n".join(lines)


def main() -> None:
    """Run the peers and print the comparison, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="the prepared data of the study")
    parser.add_argument("--peers", default="minirocket", help=f"comma-separated, of {', '.join(PEERS)}")
    parser.add_argument("--python", default=sys.executable, help="interpreter of an environment with requirements.txt, for minirocket")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=RECIPE.max_epochs, help="of resnet1d_wang")
    parser.add_argument("--bootstrap", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    wanted = arguments.peers.split(",")
    if unknown := set(wanted) - set(PEERS):
        parser.error(f"unknown peer {min(unknown)}: give of {', '.join(PEERS)}")
    torch.set_num_threads(1)
    try:
        found = compared_with_peers(arguments, wanted)
    except UsageError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    print(json.dumps(found) if arguments.json else tables(found))


def compared_with_peers(arguments: argparse.Namespace, wanted: Sequence[str]) -> dict[str, Any]:
    """Check what was given, open the test split, run the peers."""
    data = open_prepared(arguments.data)
    candidates, kept = kept_by(arguments.study, data)
    if "minirocket" in wanted:
        check_aeon(arguments.python)
    test = open_test(data, "peers", str(arguments.study))
    models = own_models(candidates, kept, test)
    if "minirocket" in wanted:
        models.append(minirocket(data, test, seeds=arguments.seeds, python=arguments.python))
    if "resnet1d_wang" in wanted:
        models.append(resnet1d_wang(data, test, seeds=arguments.seeds, epochs=arguments.epochs))
    return compare(data, test, models, n_resamples=arguments.bootstrap)


if __name__ == "__main__":
    main()
