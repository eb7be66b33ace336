"""Read studies, retrain, evaluate, draw. The names that scripts use are here; each is loaded when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.compat.evaluation import best_model as best_model
    from analysis.compat.evaluation import evaluate_all_models as evaluate_all_models
    from analysis.compat.evaluation import evaluate_model as evaluate_model
    from analysis.compat.evaluation import generate_best_model_analysis as generate_best_model_analysis
    from analysis.compat.evaluation import load_model as load_model
    from analysis.compat.evaluation import main as main
    from analysis.compat.evaluation import make_ensemble as make_ensemble
    from analysis.compat.evaluation import save_summary_report as save_summary_report
    from analysis.evaluation.comparison import ModelComparison as ModelComparison
    from analysis.evaluation.evaluate import get_test_loader as get_test_loader
    from analysis.evaluation.metrics import ECGMetrics as ECGMetrics
    from analysis.evaluation.plots.figures import generate_visualizations as generate_visualizations
    from analysis.evaluation.tables import generate_best_model_table as generate_best_model_table
    from analysis.evaluation.tables import generate_macro_table as generate_macro_table
    from analysis.evaluation.tables import generate_per_class_tables as generate_per_class_tables
    from analysis.retraining.platt import platt_scaled as platt_scaled
    from analysis.retraining.training_visualizer import TrainingVisualizer as TrainingVisualizer

_HOME = {
    "ECGMetrics": "evaluation.metrics",
    "ModelComparison": "evaluation.comparison",
    "TrainingVisualizer": "retraining.training_visualizer",
    "best_model": "compat.evaluation",
    "evaluate_all_models": "compat.evaluation",
    "evaluate_model": "compat.evaluation",
    "generate_best_model_analysis": "compat.evaluation",
    "generate_best_model_table": "evaluation.tables",
    "generate_macro_table": "evaluation.tables",
    "generate_per_class_tables": "evaluation.tables",
    "generate_visualizations": "evaluation.plots.figures",
    "get_test_loader": "evaluation.evaluate",
    "load_model": "compat.evaluation",
    "main": "compat.evaluation",
    "make_ensemble": "compat.evaluation",
    "platt_scaled": "retraining.platt",
    "save_summary_report": "compat.evaluation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(importlib.import_module(f"analysis.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
