"""What a retraining leaves: `manifest.json`, which says which files belong together, and `<Name>_best.pth`."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.retraining.ensemble_file import drop_stale_ensembles
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.training.model_file import TRAIN_AND_VALIDATION, SavedModel, describe_data, save_model

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Retrained:
    """One seed of one retrained trial.

    Attributes:
        search_value: The trial's macro AUC in the search; None when the search went by another metric.
        path: Where the twin lies.
        twin: Trained on train.
        model: What is evaluated: the twin itself, or the one trained on validation too.
    """

    name: str
    search_value: float | None
    path: Path
    twin: SavedModel
    model: SavedModel


def both_path(path: Path) -> Path:
    """Return where the model trained on train and validation lies, beside its twin."""
    return path.with_name(f"{path.stem}_{TRAIN_AND_VALIDATION}.pth")


def write_manifest(
    done: Sequence[Retrained], failed: Sequence[dict[str, Any]], folder: Path, *, study: str, data: PreparedData, on: str
) -> dict[str, Any]:
    """Write the best seed's file of every model and, last, the manifest; return it. Ensembles of models that changed go.

    Args:
        folder: Where the models lie.
        on: What the evaluated models were trained on.
    """
    models = []
    for name in dict.fromkeys(one.name for one in done):
        group = [one for one in done if one.name == name]
        models.append(_model_row(group))
        save_model(folder / str(models[-1]["best_file"]), max(group, key=lambda one: one.twin.validation_macro_auc).model)
    for stale in set(folder.glob("*_best.pth")) - {folder / str(model["best_file"]) for model in models}:
        stale.unlink()
    drop_stale_ensembles(folder)
    manifest = {"study": study, **describe_data(data), "trained_on": on, "models": models, "failed": list(failed)}
    if models:
        scratch = (folder / MANIFEST).with_suffix(".part")
        scratch.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        scratch.replace(folder / MANIFEST)
    return manifest


def _model_row(group: Sequence[Retrained]) -> dict[str, Any]:
    first, scores = group[0], [one.twin.validation_macro_auc for one in group]
    return {
        "name": first.name,
        "family": first.twin.config.family,
        "trial": first.twin.trial,
        "search_value": first.search_value,
        "best_file": f"{first.name}_best.pth",
        "validation_macro_auc_mean": statistics.fmean(scores),
        "validation_macro_auc_sd": statistics.stdev(scores) if len(scores) > 1 else None,
        "seeds": [_seed_row(one) for one in group],
    }


def _seed_row(one: Retrained) -> dict[str, Any]:
    """Return a seed's row: the file that is evaluated, and the one whose validation answers count when it is another."""
    row: dict[str, Any] = {"seed": one.twin.seed, "file": one.path.name}
    if one.model.trained_on == TRAIN_AND_VALIDATION:
        row |= {"file": both_path(one.path).name, "twin": one.path.name}
    return row | {"validation_macro_auc": one.twin.validation_macro_auc, "epochs": one.model.epochs, "seconds": one.model.seconds}
