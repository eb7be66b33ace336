"""What an evaluation found, and the statistics that it adds to the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.evaluation.explanations.model_explanations import ModelExplanation
from analysis.evaluation.metrics import Metrics
from analysis.evaluation.predictions import ModelPredictions
from analysis.evaluation.provenance import Provenance, Ranking
from analysis.evaluation.statistics.calibration_table import calibration_table
from analysis.evaluation.statistics.decision import decision_table
from analysis.evaluation.statistics.paired import Answers, paired_table
from analysis.evaluation.statistics.subgroups import subgroup_table
from analysis.evaluation.tables import Intervals
from ecg_tune.data.prepared.dataset import Split
from ecg_tune.metrics import Array

PAIRED, FITTED = "11_paired_comparisons", "12_fitted_on_validation"
CALIBRATION, DECISION, SUBGROUPS = "13_calibration", "14_decision_curves", "15_subgroups"
COST, MEMBERS = "16_cost", "20_ensemble"


@dataclass(frozen=True)
class AtThresholds:
    """All models at one rule's thresholds.

    Attributes:
        metrics: {model: mean over seeds of `ECGMetrics.calculate_metrics`}.
        intervals: {model: {"macro_avg" or class: {metric: Interval}}}.
    """

    metrics: dict[str, Metrics]
    intervals: Intervals


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation found.

    Attributes:
        best: The model with the highest validation macro AUC.
        standings: The models, best first, with their validation results.
        at_f1, at_half, at_sensitivity: At the F1 thresholds of validation, at 0.5, and at those of the wanted sensitivity.
        tables: The statistics by the name of their file, e.g. "11_paired_comparisons".
        sensitivity_target: What `at_sensitivity` was to reach on validation.
        explanations: The explained answers of the best signal model and of the best image model.
    """

    best: str
    rankings: tuple[Ranking, ...]
    at_f1: AtThresholds
    at_half: AtThresholds
    at_sensitivity: AtThresholds
    tables: dict[str, pd.DataFrame]
    sensitivity_target: float
    provenance: Provenance
    out: Path
    explanations: tuple[ModelExplanation, ...] = ()

    @property
    def metrics(self) -> dict[str, Metrics]:
        """Return the metrics that the headline tables show: at the F1 thresholds."""
        return self.at_f1.metrics

    @property
    def intervals(self) -> Intervals:
        """Return the intervals of `metrics`."""
        return self.at_f1.intervals


def statistics(
    part: Split,
    predictions: Mapping[str, ModelPredictions],
    resamples: Mapping[str, Mapping[str, Array]],
    weights: Array,
    metrics: Mapping[str, Metrics],
    *,
    best: str,
    class_names: Sequence[str],
) -> dict[str, pd.DataFrame]:
    """Return the tables of `EvaluationResult.tables` that rest on the test part.

    Args:
        resamples: {model: `mean_over_runs` of its runs at the F1 thresholds}, on the resamples of `weights`.
        weights: (n_records, n_resamples) of `patient_weights`.
        metrics: {model: mean over seeds} at the F1 thresholds.
        best: The model chosen on validation.
    """
    labels, patients = part.labels, part.records["patient_id"]
    pairs = {name: Answers(model.runs, model.chosen, resamples[name], metrics[name]) for name, model in predictions.items()}
    return {
        PAIRED: paired_table(labels, patients, pairs, class_names=class_names),
        CALIBRATION: calibration_table(labels, patients, predictions, weights, class_names=class_names),
        DECISION: decision_table(labels, predictions[best], weights, class_names=class_names),
        SUBGROUPS: subgroup_table(part, [seed.test for seed in predictions[best].seeds], weights, class_names=class_names),
    }


def fitted_table(predictions: Mapping[str, ModelPredictions], validation: Split, *, split: str, class_names: Sequence[str]) -> pd.DataFrame:
    """Return what was fitted on validation: one row a model file and class, thresholds and Platt's slope and intercept."""
    rows = [
        {
            "Model": model.name,
            "Seed": seed.seed,
            "Class": class_name,
            "F1_threshold": seed.f1_thresholds[k],
            "Sensitivity_threshold": seed.sensitivity_thresholds[k],
            "Platt_slope": seed.platt[k, 0],
            "Platt_intercept": seed.platt[k, 1],
        }
        for model in predictions.values()
        for seed in model.seeds
        for k, class_name in enumerate(class_names)
    ]
    n_patients = len(set(validation.records["patient_id"].tolist()))
    return pd.DataFrame(rows).assign(Split=f"{split}, validation part", Records=len(validation), Patients=n_patients)
