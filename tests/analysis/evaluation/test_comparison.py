from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import ECGMetrics, ModelComparison
from analysis.evaluation.comparison import AVERAGE_LABELS
from analysis.evaluation.metrics import AVERAGES, Metrics
from ecg_tune.config import CLASS_NAMES
from ecg_tune.errors import ConfigError, DataError


@pytest.fixture
def results() -> dict[str, Metrics]:
    rng = np.random.default_rng(0)
    labels = (rng.random((80, 5)) < 0.4).astype(int)
    weak = np.clip(0.1 * labels + 0.9 * rng.random((80, 5)), 0, 1)
    good = np.clip(0.5 * labels + 0.5 * rng.random((80, 5)), 0, 1)
    return {"Weak": ECGMetrics().calculate_metrics(labels, weak), "Good": ECGMetrics().calculate_metrics(labels, good)}


def test_models_are_ranked_by_the_chosen_metric(results: dict[str, Metrics]) -> None:
    table = ModelComparison().compare_models(results, "f1_score")
    assert list(table["Model"]) == ["Good", "Weak"]
    assert table["f1_score"][0] == results["Good"]["macro_avg"]["f1_score"]
    assert table["Difference"][1] == pytest.approx(results["Weak"]["macro_avg"]["f1_score"] - table["f1_score"][0])


def test_comparing_draws_the_bars_of_every_metric_best_model_first(results: dict[str, Metrics], tmp_path: Path) -> None:
    table = ModelComparison().compare_models(results, "f1_score", save_path=tmp_path / "bars.png")
    pd.testing.assert_frame_equal(table, ModelComparison().compare_models(results, "f1_score"))
    assert (tmp_path / "bars.png").read_bytes().startswith(b"\x89PNG")
    figure = ModelComparison().plot_comparison_bars({name: results[name] for name in table["Model"]}, average="micro_avg")
    panels = {axes.get_title(): axes for axes in figure.axes if axes.get_title()}
    assert list(panels) == ["AUC-ROC", "AUC-PR", "F1-Score", "Sensitivity", "Specificity", "Precision", "Accuracy"]
    f1 = panels["F1-Score"]
    assert [bar.get_width() for bar in f1.patches] == [results[name]["micro_avg"]["f1_score"] for name in ("Good", "Weak")]
    assert [label.get_text() for label in panels["AUC-ROC"].get_yticklabels()] == ["Good", "Weak"]
    assert figure.get_supxlabel() == "All classes pooled (no unit, 0 to 1)"


def test_every_average_has_words_for_the_axis() -> None:
    assert tuple(AVERAGE_LABELS) == AVERAGES


def test_the_comparison_table_is_macro_or_per_class_and_is_written_with_four_decimals(results: dict[str, Metrics], tmp_path: Path) -> None:
    comparison = ModelComparison()
    assert list(comparison.create_comparison_table(results).columns)[:2] == ["Model", "Sensitivity"]
    table = comparison.create_comparison_table(results, "auc_roc", save_path=tmp_path / "t.csv")
    assert list(table.columns) == ["Model", *CLASS_NAMES]
    assert table["MI"][1] == results["Good"]["MI"]["auc_roc"]
    assert pd.read_csv(tmp_path / "t.csv")["MI"][1] == round(results["Good"]["MI"]["auc_roc"], 4)


def test_the_heat_map_writes_every_value_and_marks_an_undefined_one(results: dict[str, Metrics], tmp_path: Path) -> None:
    results["Weak"]["HYP"]["f1_score"] = float("nan")
    figure = ModelComparison().plot_metric_heatmap(results, "f1_score", tmp_path / "h.png")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[0] == f"{results['Weak']['NORM']['f1_score']:.3f}"
    assert texts[4] == "n/a"
    assert len(texts) == 10
    assert (tmp_path / "h.png").read_bytes().startswith(b"\x89PNG")


def test_unknown_names_and_empty_comparisons_are_refused(results: dict[str, Metrics]) -> None:
    comparison = ModelComparison()
    with pytest.raises(ConfigError, match=r"unknown metric 'f1': valid: .*f1_score"):
        comparison.compare_models(results, "f1")
    with pytest.raises(ConfigError, match="unknown average 'macro': did you mean 'macro_avg'"):
        comparison.compare_models(results, average="macro")
    with pytest.raises(DataError, match="no model to compare"):
        comparison.create_comparison_table({})
    with pytest.raises(DataError, match="the metrics of Weak lack the class LBBB"):
        ModelComparison(["LBBB"]).plot_metric_heatmap(results)
