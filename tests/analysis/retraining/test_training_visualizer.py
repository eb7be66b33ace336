from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis import TrainingVisualizer
from ecg_tune.errors import ConfigError, DataError


@pytest.fixture
def history() -> list[dict[str, Any]]:
    nan = float("nan")
    rows = [(0.7, 0.71, 0.6), (0.5, 0.55, 0.8), (0.4, 0.6, 0.79)]
    return [
        {"epoch": e, "train_loss": t, "validation_loss": v, "macro_auc": a, "per_class_auc": [a, a, a, a, nan],
         "learning_rate": 1e-3, "seconds": 2.0}
        for e, (t, v, a) in enumerate(rows, start=1)
    ]  # fmt: skip


def test_the_loss_curves_show_both_losses_and_mark_the_lowest(history: list[dict[str, Any]]) -> None:
    axes = TrainingVisualizer().plot_loss_curves(history).axes[0]
    assert [list(line.get_ydata()) for line in axes.lines[:2]] == [[0.7, 0.5, 0.4], [0.71, 0.55, 0.6]]
    assert axes.get_title() == "lowest 0.5500 at epoch 2"


def test_the_macro_curve_marks_the_best_epoch(history: list[dict[str, Any]]) -> None:
    assert TrainingVisualizer().plot_macro_metrics(history).axes[0].get_title() == "highest 0.8000 at epoch 2"


def test_a_class_without_an_auc_is_named_so_in_the_legend(history: list[dict[str, Any]]) -> None:
    legend = TrainingVisualizer().plot_per_class_metric(history).axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["NORM", "MI", "STTC", "CD", "HYP (no AUC)"]


def test_the_summary_has_four_panels_and_is_written_as_png(history: list[dict[str, Any]], tmp_path: Path) -> None:
    figure = TrainingVisualizer().plot_training_summary(history, tmp_path / "t.png")
    assert [axes.get_ylabel() for axes in figure.axes] == ["Loss (BCE)", "Validation macro AUC", "Validation AUC", "Learning rate"]
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")


def test_models_are_compared_on_one_metric(history: list[dict[str, Any]]) -> None:
    axes = TrainingVisualizer().compare_models_training({"A": history, "B": history[:1]}, "validation_loss").axes[0]
    assert [list(line.get_xdata()) for line in axes.lines] == [[1, 2, 3], [1]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["A", "B"]


def test_empty_histories_and_unknown_metrics_are_refused(history: list[dict[str, Any]]) -> None:
    with pytest.raises(DataError, match="history is empty"):
        TrainingVisualizer().plot_loss_curves([])
    with pytest.raises(DataError, match="no history to draw"):
        TrainingVisualizer().compare_models_training({})
    with pytest.raises(ConfigError, match=r"unknown history metric 'loss': valid: .*train_loss"):
        TrainingVisualizer().compare_models_training({"A": history}, "loss")
