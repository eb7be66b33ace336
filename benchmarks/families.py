"""Report what each family reached, on validation: in a study (its default and best trial), or by `ecg-tune train` (a folder of models).

    python benchmarks/families.py STUDY|CHECKPOINTS --data DATA [--json]

Validation only. The interval is the patient-cluster bootstrap of the best trial's kept weights (1000 resamples, 95 %); it
holds the sampling of patients, not the choice of the best of many, which flatters.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from command_line import run_script

from analysis.evaluation.statistics.bootstrap import ThresholdedPredictions, intervals, mean_over_seeds, patient_weights
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared
from ecg_tune.errors import UsageError
from ecg_tune.models import MODELS, build_model, trial_config
from ecg_tune.storage import Storage
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial
from ecg_tune.training.checkpoints import newest_checkpoint
from ecg_tune.training.model_file import build_predictor, load_saved
from ecg_tune.training.predictor import Predictor, predict_probabilities
from ecg_tune.transforms.images import n_channels


def validation_interval(storage: Storage, trial: Trial, data: PreparedData) -> tuple[float, float] | None:
    """Return the 95 % interval of a trial's validation macro AUC, None if its weights are not kept."""
    found = newest_checkpoint(storage, str(trial.path))
    if found is None:
        return None
    config, n_leads = trial_config(dict(trial.config)), len(data.leads)
    channels = n_channels(config.image, n_leads) if config.image else 0
    model = build_model(config.model, family=config.family, n_leads=n_leads, n_channels=channels, n_classes=len(data.class_names))
    model.load_state_dict(found[1]["best_state"])
    predictor = Predictor(model, config, normalisation=data.normalisation, sampling_rate_hz=data.sampling_rate_hz)
    return interval_of(predictor, data)


def interval_of(predictor: Predictor, data: PreparedData) -> tuple[float, float]:
    """Return the 95 % interval of a model's validation macro AUC."""
    run = ThresholdedPredictions(
        probabilities=predict_probabilities(predictor, data.validation.signals_uv), thresholds=np.full(len(data.class_names), 0.5)
    )
    weights = patient_weights(data.validation.records["patient_id"], n_resamples=1000, seed=0)
    resamples = mean_over_seeds(data.validation.labels, [run], weights)
    found = intervals(data.validation.labels, resamples, class_names=data.class_names)["macro_avg"]["auc_roc"]
    return found.low, found.high


def rows_of(folder: Path, data: PreparedData) -> list[dict[str, Any]]:
    """Return one row a family, in the study's order."""
    study, rows = Study.open(folder), []
    trials = study.trials()
    for family in study.attributes.families:
        family_trials = [t for t in trials if t.family == family]
        best = next((t for t in study.best_trials() if t.family == family), None)
        default = next(t for t in family_trials if t.is_default)
        trained = [t for t in family_trials if t.epochs_trained]
        row: dict[str, Any] = {
            "family": family,
            "trials": len(family_trials),
            "default": max(default.intermediate.values(), default=None),
        }
        row["epoch_s"] = default.seconds / default.epochs_trained if default in trained else None
        row["parameters"] = default.n_parameters
        if best is not None:
            row |= {"best": best.value, "best_trial": best.number, "interval": validation_interval(study.checkpoints, best, data)}
            row["best_parameters"] = best.n_parameters
        rows.append(row)
    return rows


def rows_of_models(folder: Path, data: PreparedData) -> list[dict[str, Any]]:
    """Return one row a model file.

    Raises:
        UsageError: There is none.
    """
    rows, paths = [], sorted(folder.glob("*_best.pth"))
    if not paths:
        raise UsageError(f"{folder} is neither a study nor a folder of models (*_best.pth)")
    for path in paths:
        saved = load_saved(path)
        facts = {
            "family": saved.config.family,
            "epochs": saved.epochs,
            "epoch_s": saved.seconds / saved.epochs,
            "parameters": saved.n_parameters,
        }
        rows.append({**facts, "value": saved.validation_macro_auc, "interval": interval_of(build_predictor(saved), data)})
    return sorted(rows, key=lambda row: list(MODELS).index(row["family"]))


def print_models(rows: list[dict[str, Any]]) -> None:
    """Print a Markdown table of `rows_of_models`."""
    print("| family | epochs | s an epoch | parameters | validation macro AUC [95 %] |\n|---|---|---|---|---|")
    for r in rows:
        low, high = r["interval"]
        print(f"| `{r['family']}` | {r['epochs']} | {r['epoch_s']:.0f} | {r['parameters']:,} | {r['value']:.3f} [{low:.3f}, {high:.3f}] |")


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    data = open_prepared(arguments.data)
    is_study = Study.exists(arguments.study)
    rows = rows_of(arguments.study, data) if is_study else rows_of_models(arguments.study, data)
    if arguments.json:
        print(json.dumps(rows))
        return
    synthetic = ", SYNTHETIC" if data.synthetic else ""
    print(f"{len(data.validation)} validation records, split {data.manifest['split']}, data {data.fingerprint[:12]}{synthetic}\n")
    if not is_study:
        print_models(rows)
        return
    print("| family | trials | default | s an epoch | parameters | best trial | its parameters | validation macro AUC [95 %] |")
    print("|---|---|---|---|---|---|---|---|")
    for r in rows:
        low_high = "" if not r.get("interval") else f" [{r['interval'][0]:.3f}, {r['interval'][1]:.3f}]"
        best = f"{r['best_trial']} | {r['best_parameters']:,} | {r['best']:.3f}{low_high}" if "best" in r else "– | – | –"
        print(f"| `{r['family']}` | {r['trials']} | {r['default']:.3f} | {r['epoch_s']:.0f} | {r['parameters']:,} | {best} |")


if __name__ == "__main__":
    run_script(main)
