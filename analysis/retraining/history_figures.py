"""Draw the epochs of the retrainings: one figure a model with its seeds, one figure of all models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from analysis.retraining.manifest import RetrainedModel
from analysis.retraining.training_visualizer import TrainingVisualizer

ALL = "training_histories.png"


def draw_histories(done: Sequence[RetrainedModel], folder: Path, *, class_names: Sequence[str]) -> list[Path]:
    """Write `<Name>_history.png` of every model and `training_histories.png`; return the files.

    The histories are those of the trainings on train, which validation followed.
    """
    visualizer, written = TrainingVisualizer(class_names), []
    best = {}
    for name in dict.fromkeys(model.name for model in done):
        group = sorted((model.reference for model in done if model.name == name), key=lambda saved: -saved.validation_macro_auc)
        best[name] = group[0].history
        written.append(folder / f"{name}_history.png")
        visualizer.plot_seeds([saved.history for saved in group], title=name, save_path=written[-1])
    for stale in set(folder.glob("*_history.png")) - set(written):
        stale.unlink()
    if best:
        written.append(folder / ALL)
        visualizer.compare_models_training(best, save_path=written[-1])
    return written
