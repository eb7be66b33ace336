"""`TrainingVisualizer`: figures of a training's history, one row an epoch as `train_model` and the model files keep it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.plots import COLOURS, WIDTH_IN, saved
from ecg_tune.config import CLASS_NAMES, check_choice
from ecg_tune.errors import DataError

History = Sequence[Mapping[str, Any]]
LABELS = {
    "macro_auc": "Validation macro AUC",
    "train_loss": "Training loss (BCE)",
    "validation_loss": "Validation loss (BCE)",
    "learning_rate": "Learning rate",
    "seconds": "Epoch time (s)",
}


class TrainingVisualizer:
    """Draws histories: {"epoch", "train_loss", "validation_loss", "macro_auc", "per_class_auc", "learning_rate", "seconds"}.

    Every method returns the figure and writes it as PNG when `save_path` is given.
    """

    def __init__(self, class_names: Sequence[str] = CLASS_NAMES) -> None:
        self.class_names = tuple(class_names)

    def plot_loss_curves(self, history: History, save_path: Path | str | None = None) -> Figure:
        """Draw training and validation loss by epoch, the epoch of the lowest validation loss marked."""
        figure, (axes,) = _figure(history, 1)
        self._loss(axes, history)
        return saved(figure, save_path)

    def plot_macro_metrics(self, history: History, save_path: Path | str | None = None) -> Figure:
        """Draw the validation macro AUC by epoch, the best epoch marked."""
        figure, (axes,) = _figure(history, 1)
        self._macro(axes, history)
        return saved(figure, save_path)

    def plot_per_class_metric(self, history: History, save_path: Path | str | None = None) -> Figure:
        """Draw the validation AUC of every class by epoch; a class without positives has no line."""
        figure, (axes,) = _figure(history, 1)
        self._per_class(axes, history)
        return saved(figure, save_path)

    def plot_training_summary(self, history: History, save_path: Path | str | None = None) -> Figure:
        """Draw losses, macro AUC, per-class AUC and learning rate on one sheet."""
        figure, axes = _figure(history, 4)
        self._loss(axes[0], history)
        self._macro(axes[1], history)
        self._per_class(axes[2], history)
        _line(axes[3], history, "learning_rate", COLOURS[0])
        axes[3].set_yscale("log")
        axes[3].tick_params(which="both", labelsize=8)
        axes[3].set_ylabel(LABELS["learning_rate"], fontsize=9)
        return saved(figure, save_path)

    def compare_models_training(
        self, histories: Mapping[str, History], metric: str = "macro_auc", save_path: Path | str | None = None
    ) -> Figure:
        """Draw one metric of several models by epoch.

        Args:
            histories: {model: history}.
            metric: "macro_auc", "train_loss", "validation_loss", "learning_rate" or "seconds".
        """
        check_choice("history metric", metric, LABELS)
        if not histories:
            raise DataError("there is no history to draw: pass {name: history} with one or more")
        figure, (axes,) = _figure(next(iter(histories.values())), 1)
        for i, (name, history) in enumerate(histories.items()):
            _checked(history)
            _line(axes, history, metric, COLOURS[i % len(COLOURS)], label=name, style=("-", "--")[i // len(COLOURS) % 2])
        axes.set_ylabel(LABELS[metric], fontsize=9)
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
        return saved(figure, save_path)

    def _loss(self, axes: Axes, history: History) -> None:
        _line(axes, history, "train_loss", COLOURS[0], label="training")
        _line(axes, history, "validation_loss", COLOURS[1], label="validation")
        _mark(axes, history, "validation_loss", COLOURS[1], lowest=True)
        axes.set_ylabel("Loss (BCE)", fontsize=9)
        axes.legend(fontsize=8, frameon=False)

    def _macro(self, axes: Axes, history: History) -> None:
        _line(axes, history, "macro_auc", COLOURS[0])
        _mark(axes, history, "macro_auc", COLOURS[0])
        axes.set_ylabel(LABELS["macro_auc"], fontsize=9)

    def _per_class(self, axes: Axes, history: History) -> None:
        epochs = [row["epoch"] for row in history]
        for k, name in enumerate(self.class_names):
            values = np.array([row["per_class_auc"][k] for row in history], dtype=np.float64)
            label = name if np.isfinite(values).any() else f"{name} (no AUC)"
            axes.plot(epochs, values, color=COLOURS[k % len(COLOURS)], marker=".", label=label)
        axes.set_ylabel("Validation AUC", fontsize=9)
        axes.legend(fontsize=8, frameon=False, ncols=2)


def _figure(history: History, n_panels: int) -> tuple[Figure, list[Axes]]:
    _checked(history)
    side = 1 if n_panels == 1 else 2
    figure = Figure(figsize=(WIDTH_IN * (0.7 if side == 1 else 1), 3.0 * side), layout="constrained")
    panels = list(np.atleast_1d(figure.subplots(side, side)).flat)
    for axes in panels:
        axes.set_xlabel("Epoch", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels


def _checked(history: History) -> None:
    if not history:
        raise DataError("the history is empty: train for one epoch or more")


def _line(axes: Axes, history: History, key: str, colour: str, *, label: str | None = None, style: str = "-") -> None:
    epochs, values = [row["epoch"] for row in history], [row[key] for row in history]
    axes.plot(epochs, values, color=colour, linestyle=style, marker=".", label=label)


def _mark(axes: Axes, history: History, key: str, colour: str, *, lowest: bool = False) -> None:
    values = np.array([row[key] for row in history], dtype=np.float64)
    if not np.isfinite(values).any():
        return
    i = int(np.nanargmin(values) if lowest else np.nanargmax(values))
    axes.plot(history[i]["epoch"], values[i], marker="o", markersize=8, markerfacecolor="none", color=colour)
    axes.set_title(f"{'lowest' if lowest else 'highest'} {values[i]:.4f} at epoch {history[i]['epoch']}", fontsize=9)
