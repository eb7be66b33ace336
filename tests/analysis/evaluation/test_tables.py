from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis import ECGMetrics, generate_best_model_table, generate_macro_table, generate_per_class_tables
from analysis.evaluation.metrics import Metrics


@pytest.fixture
def results() -> dict[str, Metrics]:
    labels = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 1, 1, 0], [1, 1, 0, 0, 0]])
    return {"RNNModel": ECGMetrics().calculate_metrics(labels, np.linspace(0, 1, 20).reshape(4, 5))}


def test_csv_numbers_have_four_decimals_and_undefined_ones_are_empty(results: dict[str, Metrics], tmp_path: Path) -> None:
    generate_per_class_tables(results, tmp_path)
    row = (tmp_path / "04_per_class_auc_roc_comparison.csv").read_text().splitlines()[1]
    assert row.startswith("RNNModel,")
    assert row.endswith(",")
    assert all(len(cell.split(".")[1]) == 4 for cell in row.split(",")[1:5])


def test_the_best_models_table_holds_classes_averages_and_whole_counts(results: dict[str, Metrics], tmp_path: Path) -> None:
    table = generate_best_model_table(results, "RNNModel", tmp_path)
    assert list(table["Class"]) == ["NORM", "MI", "STTC", "CD", "HYP", "macro_avg", "micro_avg", "weighted_avg", "samples_avg"]
    assert list(table.columns)[:9] == [
        "Class",
        "Sensitivity",
        "Specificity",
        "Precision",
        "NPV",
        "F1-Score",
        "Accuracy",
        "AUC-ROC",
        "AUC-PR",
    ]
    assert list(table.columns)[9:] == ["TP", "FP", "FN", "TN", "Support"]
    cells = (tmp_path / "05_best_model_detailed.csv").read_text().splitlines()[1].split(",")
    assert [int(cell) for cell in cells[9:]] == [results["RNNModel"]["NORM"][key] for key in ("tp", "fp", "fn", "tn", "support")]


def test_without_a_folder_nothing_is_written(results: dict[str, Metrics], tmp_path: Path) -> None:
    assert len(generate_macro_table(results)) == 1
    assert list(tmp_path.iterdir()) == []
