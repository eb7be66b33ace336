"""What a retraining leaves: `<Name>_best.pth` for each trial, and `manifest.json`, which says which files belong together."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.retraining.candidates import MANIFEST
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.storage import LocalStorage
from ecg_tune.training.model_file import TRAIN_AND_VALIDATION, SavedModel, describe_data, save_model


@dataclass(frozen=True)
class RetrainedModel:
    """One seed of one retrained trial.

    Attributes:
        search_value: The trial's macro AUC in the search; None when the search went by another metric.
        path: Where the reference model lies.
        reference: Trained on train alone; validation decides for it.
        model: What is evaluated: the reference model itself, or the one trained on train and validation.
    """

    name: str
    search_value: float | None
    path: Path
    reference: SavedModel
    model: SavedModel


def refit_path(path: Path) -> Path:
    """Name the file of the model trained on train and validation, beside its reference model."""
    return path.with_name(f"{path.stem}_{TRAIN_AND_VALIDATION}.pth")


def write_best_files(done: Sequence[RetrainedModel], folder: Path) -> list[dict[str, Any]]:
    """Write the best seed of every trial as `<Name>_best.pth`, remove those of trials that are no longer retrained.

    Returns:
        The "models" of the manifest.
    """
    models = []
    for name in dict.fromkeys(entry.name for entry in done):
        seeds = [entry for entry in done if entry.name == name]
        models.append(_describe_model(seeds))
        save_model(folder / str(models[-1]["best_file"]), max(seeds, key=lambda entry: entry.reference.validation_macro_auc).model)
    for stale in set(folder.glob("*_best.pth")) - {folder / str(model["best_file"]) for model in models}:
        stale.unlink()
    return models


def write_manifest(
    models: Sequence[Mapping[str, Any]],
    failed: Sequence[Mapping[str, Any]],
    ensemble: Mapping[str, Any] | None,
    folder: Path,
    *,
    study: str,
    data: PreparedData,
    on: str,
) -> dict[str, Any]:
    """Write the manifest, which comes last, when all that it names is there; return it.

    Args:
        models: Of `write_best_files`; without any, nothing is written.
        failed: Trainings that failed.
        ensemble: Of `make_ensemble`.
        folder: Where the models lie.
        on: What the evaluated models were trained on.
    """
    manifest = {
        "study": study, **describe_data(data), "trained_on": on, "models": list(models), "failed": list(failed), "ensemble": ensemble,
    }  # fmt: skip
    if models:
        LocalStorage(folder).write(MANIFEST, lambda file: file.write(f"{json.dumps(manifest, indent=1)}\n".encode()))
    return manifest


def _describe_model(seeds: Sequence[RetrainedModel]) -> dict[str, Any]:
    first, scores = seeds[0], [entry.reference.validation_macro_auc for entry in seeds]
    return {
        "name": first.name,
        "family": first.reference.config.family,
        "trial": first.reference.trial,
        "search_value": first.search_value,
        "best_file": f"{first.name}_best.pth",
        "validation_macro_auc_mean": statistics.fmean(scores),
        "validation_macro_auc_sd": statistics.stdev(scores) if len(scores) > 1 else None,
        "seeds": [_describe_seed(entry) for entry in seeds],
    }


def _describe_seed(entry: RetrainedModel) -> dict[str, Any]:
    """Name a seed's file, and its reference model ("twin") when that is another one: it predicts validation."""
    seed: dict[str, Any] = {"seed": entry.reference.seed, "file": entry.path.name}
    if entry.model.trained_on == TRAIN_AND_VALIDATION:
        seed |= {"file": refit_path(entry.path).name, "twin": entry.path.name}
    model = entry.model
    return seed | {"validation_macro_auc": entry.reference.validation_macro_auc, "epochs": model.epochs, "seconds": model.seconds}
