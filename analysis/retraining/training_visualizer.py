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
from ecg_tune.training.epoch import PER_CLASS

History = Sequence[Mapping[str, Any]]
STYLES, ROWS_OF_LEGEND = ("-", "--", "-.", ":"), 12
LABELS = {
    "macro_auc": "Validation macro AUC",
    "macro_auc_pr": "Validation macro AUC-PR",
    "macro_f1": "Validation macro F1 (threshold 0.5)",
    "train_loss": "Training loss (BCE)",
    "validation_loss": "Validation loss (BCE)",
    "learning_rate": "Learning rate",
    "seconds": "Epoch time (s)",
}
NO_METRICS = ("epoch", "micro_batch")
CLASS_LABELS = {"auc": "AUC", "auc_pr": "AUC-PR", "f1": "F1"}


class TrainingVisualizer:
    """Draws histories, rows as `EpochResult.as_row` makes them: {"epoch", "train_loss", "macro_auc", "macro_f1", "per_class_auc", …}.

    Every method returns the figure and writes it as PNG when `save_path` is given.
    """

    def __init__(self, class_names: Sequence[str] = CLASS_NAMES) -> None:
        self.class_names = tuple(class_names)

    def plot_loss_curves(self, history: History, save_path: Path | str | None = None) -> Figure:
        """Draw training and validation loss by epoch, the epoch of the lowest validation loss marked."""
        figure, (axes,) = _figure(history, 1)
        self._loss(axes, history)
        return saved(figure, save_path)

    def plot_macro_metrics(self, history: History, save_path: Path | str | None = None, *, metric: str = "macro_auc") -> Figure:
        """Draw one number of every epoch, the best epoch marked.

        Args:
            metric: What the history records: "macro_auc", "macro_auc_pr", "macro_f1", "validation_loss", ….
        """
        check_choice("history metric", metric, _recorded(history))
        figure, (axes,) = _figure(history, 1)
        self._macro(axes, history, metric=metric)
        return saved(figure, save_path)

    def plot_per_class_metric(self, history: History, save_path: Path | str | None = None, *, metric: str = "auc") -> Figure:
        """Draw one metric of every class by epoch; a class for which it is undefined has no line.

        Args:
            metric: What the history records for each class, without "per_class_": "auc", "auc_pr", "f1" (at threshold 0.5).
        """
        recorded = [key.removeprefix(PER_CLASS) for key in _checked(history)[0] if key.startswith(PER_CLASS)]
        check_choice("per-class metric of the history", metric, recorded)
        figure, (axes,) = _figure(history, 1)
        self._per_class(axes, history, metric=metric)
        return saved(figure, save_path)

    def plot_training_summary(self, history: History, save_path: Path | str | None = None) -> Figure:
        """Draw losses, macro AUC, per-class AUC and learning rate on one sheet."""
        return self.plot_seeds([history], save_path=save_path)

    def plot_seeds(self, histories: Sequence[History], *, title: str = "", save_path: Path | str | None = None) -> Figure:
        """Draw the trainings of one config with several seeds on one sheet: losses, macro AUC, per-class AUC, learning rate.

        Thin lines are seeds, thick ones their mean, bands one standard deviation (n - 1), as far as every seed was trained.
        """
        if not histories:
            raise DataError("there is no history to draw: pass one or more")
        figure, axes = _figure(histories[0], 4)
        self._loss(axes[0], *histories)
        self._macro(axes[1], *histories)
        self._per_class(axes[2], *histories)
        _line(axes[3], histories, "learning_rate", COLOURS[0])
        axes[3].set_yscale("log")
        axes[3].tick_params(which="both", labelsize=8)
        axes[3].set_ylabel(LABELS["learning_rate"], fontsize=9)
        if title:
            seeds = f", {len(histories)} seeds: mean and standard deviation" if len(histories) > 1 else ""
            figure.suptitle(f"{title}{seeds}", fontsize=10)
        return saved(figure, save_path)

    def compare_models_training(
        self, histories: Mapping[str, History], metric: str = "macro_auc", save_path: Path | str | None = None
    ) -> Figure:
        """Draw one metric of several models by epoch.

        Args:
            histories: {model: history}.
            metric: What all histories record: "macro_auc", "macro_f1", "validation_loss", "learning_rate", "seconds", ….
        """
        if not histories:
            raise DataError("there is no history to draw: pass {name: history} with one or more")
        check_choice("history metric", metric, set.intersection(*(_recorded(history) for history in histories.values())))
        figure, (axes,) = _figure(next(iter(histories.values())), 1)
        for i, (name, history) in enumerate(histories.items()):
            style = STYLES[i // len(COLOURS) % len(STYLES)]
            _line(axes, [history], metric, COLOURS[i % len(COLOURS)], label=name, style=style)
        axes.set_ylabel(_label(metric), fontsize=9)
        columns = -(-len(histories) // ROWS_OF_LEGEND)
        figure.set_figwidth(figure.get_figwidth() + 1.6 * (columns - 1))
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, ncols=columns)
        return saved(figure, save_path)

    def _loss(self, axes: Axes, *histories: History) -> None:
        _line(axes, histories, "train_loss", COLOURS[0], label="training")
        _line(axes, histories, "validation_loss", COLOURS[1], label="validation")
        _mark(axes, histories, "validation_loss", COLOURS[1], lowest=True)
        axes.set_ylabel("Loss (BCE)", fontsize=9)
        axes.legend(fontsize=8, frameon=False, loc="upper right")

    def _macro(self, axes: Axes, *histories: History, metric: str = "macro_auc") -> None:
        _line(axes, histories, metric, COLOURS[0])
        if metric not in ("learning_rate", "seconds"):
            _mark(axes, histories, metric, COLOURS[0], lowest=metric.endswith("loss"))
        axes.set_ylabel(_label(metric), fontsize=9)

    def _per_class(self, axes: Axes, *histories: History, metric: str = "auc") -> None:
        key, label = f"{PER_CLASS}{metric}", CLASS_LABELS.get(metric, metric)
        if len(histories[0][0][key]) != len(self.class_names):
            raise DataError(f"the history has {len(histories[0][0][key])} classes: make TrainingVisualizer with the names of all of them")
        for k, name in enumerate(self.class_names):
            of_class = [[{"epoch": row["epoch"], metric: row[key][k]} for row in history] for history in histories]
            defined = any(np.isfinite(row[metric]) for history in of_class for row in history)
            _line(axes, of_class, metric, COLOURS[k % len(COLOURS)], label=name if defined else f"{name} (no {label})")
        axes.set_ylabel(f"Validation {label}", fontsize=9)
        axes.legend(fontsize=8, frameon=False, ncols=2, loc="lower right")


def _recorded(history: History) -> set[str]:
    """List the numbers that a history has for every epoch."""
    return {key for key, value in _checked(history)[0].items() if isinstance(value, int | float) and key not in NO_METRICS}


def _label(metric: str) -> str:
    return LABELS.get(metric, f"Validation {metric.replace('_', ' ')}")


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


def _checked(history: History) -> History:
    if not history:
        raise DataError("the history is empty: train for one epoch or more")
    return history


def _line(axes: Axes, histories: Sequence[History], key: str, colour: str, *, label: str | None = None, style: str = "-") -> None:
    """Draw one history, or the mean and standard deviation of several over thin lines of each."""
    lines = []
    for history in histories:
        _checked(history)
        lines.append(([row["epoch"] for row in history], np.array([row[key] for row in history], dtype=np.float64)))
    if len(lines) == 1:
        axes.plot(*lines[0], color=colour, linestyle=style, marker=".", label=label)
        return
    for epochs, values in lines:
        axes.plot(epochs, values, color=colour, linewidth=0.7, alpha=0.5)
    shortest = min(len(values) for _, values in lines)
    values = np.stack([values[:shortest] for _, values in lines])
    mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1)
    epochs = lines[0][0][:shortest]
    axes.plot(epochs, mean, color=colour, linestyle=style, linewidth=1.8, label=label)
    axes.fill_between(epochs, mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0)


def _mark(axes: Axes, histories: Sequence[History], key: str, colour: str, *, lowest: bool = False) -> None:
    """Circle every history's best epoch and say its value in the title, mean ± standard deviation with several."""
    best, word = [], "lowest" if lowest else "highest"
    for history in histories:
        values = np.array([row[key] for row in history], dtype=np.float64)
        if np.isfinite(values).any():
            i = int(np.nanargmin(values) if lowest else np.nanargmax(values))
            best.append((history[i]["epoch"], values[i]))
            axes.plot(*best[-1], marker="o", markersize=8, markerfacecolor="none", color=colour)
    if len(best) == 1:
        axes.set_title(f"{word} {best[0][1]:.4f} at epoch {best[0][0]}", fontsize=9)
    elif best:
        values = np.array([value for _, value in best])
        axes.set_title(f"{word}: {values.mean():.4f} ± {values.std(ddof=1):.4f}", fontsize=9)
