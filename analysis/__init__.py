"""Read studies, retrain, evaluate, draw. The names that scripts use are here; each is loaded when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.comparison import ModelComparison as ModelComparison
    from analysis.ecg_metrics import ECGMetrics as ECGMetrics
    from analysis.evaluate import get_test_loader as get_test_loader
    from analysis.scripted import best_model as best_model
    from analysis.scripted import evaluate_all_models as evaluate_all_models
    from analysis.scripted import evaluate_model as evaluate_model
    from analysis.scripted import generate_best_model_analysis as generate_best_model_analysis
    from analysis.scripted import load_model as load_model
    from analysis.scripted import main as main
    from analysis.scripted import save_summary_report as save_summary_report
    from analysis.tables import generate_best_model_table as generate_best_model_table
    from analysis.tables import generate_macro_table as generate_macro_table
    from analysis.tables import generate_per_class_tables as generate_per_class_tables
    from analysis.training_visualizer import TrainingVisualizer as TrainingVisualizer
    from analysis.visualizations import generate_visualizations as generate_visualizations

_HOME = {
    "ECGMetrics": "ecg_metrics",
    "ModelComparison": "comparison",
    "TrainingVisualizer": "training_visualizer",
    "best_model": "scripted",
    "evaluate_all_models": "scripted",
    "evaluate_model": "scripted",
    "generate_best_model_analysis": "scripted",
    "generate_best_model_table": "tables",
    "generate_macro_table": "tables",
    "generate_per_class_tables": "tables",
    "generate_visualizations": "visualizations",
    "get_test_loader": "evaluate",
    "load_model": "scripted",
    "main": "scripted",
    "save_summary_report": "scripted",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(importlib.import_module(f"analysis.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
