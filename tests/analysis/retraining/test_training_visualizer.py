from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis import TrainingVisualizer
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.errors import ConfigError, DataError
from ecg_tune.metrics import METRICS, PER_CLASS_METRICS
from ecg_tune.models import trial_config
from ecg_tune.training.fit import train_model


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


@pytest.mark.parametrize(
    ("metric", "label", "title"),
    [
        ("macro_f1", "Validation macro F1 (threshold 0.5)", "highest 0.4000 at epoch 3"),
        ("macro_auc_pr", "Validation macro AUC-PR", "highest 0.5000 at epoch 2"),
        ("micro_f1", "Validation micro f1", "highest 0.9000 at epoch 1"),
        ("validation_loss", "Validation loss (BCE)", "lowest 0.5500 at epoch 2"),
        ("learning_rate", "Learning rate", ""),
    ],
)
def test_any_number_of_the_history_is_drawn(history: list[dict[str, Any]], metric: str, label: str, title: str) -> None:
    more = [{"macro_f1": 0.2 + e / 10 - 0.1, "macro_auc_pr": [0.3, 0.5, 0.4][e], "micro_f1": 0.9 - e / 10} for e in range(3)]
    rows = [row | new for row, new in zip(history, more, strict=True)]
    axes = TrainingVisualizer().plot_macro_metrics(rows, metric=metric).axes[0]
    assert (axes.get_ylabel(), list(axes.lines[0].get_ydata())) == (label, [row[metric] for row in rows])
    assert axes.get_title() == title.replace("0.4000", f"{rows[2]['macro_f1']:.4f}")


def test_what_a_training_records_can_all_be_drawn(few_data: PreparedData) -> None:
    rows = train_model(
        trial_config({"family": "cnn1d", "model": {"filters": 4, "depth": 1}, "training": {"max_epochs": 2}}), few_data
    ).rows()
    numbers = ("train_loss", "validation_loss", "learning_rate", "seconds", *METRICS)
    for metric in numbers:
        axes = TrainingVisualizer().plot_macro_metrics(rows, metric=metric).axes[0]
        assert list(axes.lines[0].get_ydata()) == [row[metric] for row in rows]
        figure = TrainingVisualizer().compare_models_training({"CNN1D": rows}, metric)
        assert figure.axes[0].get_ylabel() == axes.get_ylabel()
    for metric in PER_CLASS_METRICS:
        axes = TrainingVisualizer().plot_per_class_metric(rows, metric=metric).axes[0]
        drawn = [list(line.get_ydata()) for line in axes.lines]
        np.testing.assert_array_equal(np.transpose(drawn), [row[f"per_class_{metric}"] for row in rows])
        np.testing.assert_allclose(np.nanmean(drawn, axis=0), [row[f"macro_{metric}"] for row in rows])


def test_any_per_class_metric_of_the_history_is_drawn(history: list[dict[str, Any]]) -> None:
    rows = [row | {"per_class_f1": [0.1, 0.2, 0.3, 0.4, 0.5]} for row in history]
    axes = TrainingVisualizer().plot_per_class_metric(rows, metric="f1").axes[0]
    assert (axes.get_ylabel(), [line.get_ydata()[0] for line in axes.lines]) == ("Validation F1", [0.1, 0.2, 0.3, 0.4, 0.5])
    assert len(TrainingVisualizer().plot_per_class_metric(rows).axes[0].lines) == 5


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
    with pytest.raises(ConfigError, match="unknown history metric 'macro_f': did you mean 'macro_auc'"):
        TrainingVisualizer().plot_macro_metrics(history, metric="macro_f")
    with pytest.raises(ConfigError, match="unknown per-class metric of the history 'f1': valid: auc"):
        TrainingVisualizer().plot_per_class_metric(history, metric="f1")
    with pytest.raises(DataError, match="the history has 5 classes: make TrainingVisualizer with the names of all"):
        TrainingVisualizer(["MI", "CD"]).plot_per_class_metric(history)
    with pytest.raises(DataError, match="history is empty"):
        TrainingVisualizer().compare_models_training({"A": history, "B": []})
    with pytest.raises(ConfigError, match=r"unknown history metric 'loss': valid: .*train_loss"):
        TrainingVisualizer().compare_models_training({"A": history}, "loss")
