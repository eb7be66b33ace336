from __future__ import annotations

import doctest
import importlib

import pytest

import analysis

NAMES = {
    "ECGMetrics", "ModelComparison", "TrainingVisualizer", "load_model", "get_test_loader", "evaluate_model", "evaluate_all_models",
    "generate_macro_table", "generate_per_class_tables", "generate_best_model_table", "generate_visualizations",
    "generate_best_model_analysis", "save_summary_report", "main", "make_ensemble", "platt_scaled",
}  # fmt: skip


def test_every_name_that_scripts_use_is_there_and_listed() -> None:
    assert set(dir(analysis)) >= NAMES
    for name in NAMES:
        assert callable(getattr(analysis, name)), name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'analysis' has no attribute 'nothing'"):
        _ = analysis.nothing


@pytest.mark.parametrize("module", ["evaluation.metrics", "evaluation.comparison", "retraining.platt"])
def test_the_examples_of_the_names_that_scripts_use_run(module: str) -> None:
    tried = doctest.testmod(importlib.import_module(f"analysis.{module}"))
    assert (tried.failed, tried.attempted > 0) == (0, True)
