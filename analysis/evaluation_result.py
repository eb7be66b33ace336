"""What an evaluation found, and the statistics that it adds to the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.answers import ModelAnswers
from analysis.ecg_metrics import Metrics
from analysis.evaluated import Evidence, Standing
from analysis.paired import Answers, paired_table
from analysis.tables import Intervals
from ecg_tune.data.prepared import Part
from ecg_tune.metrics import Array

PAIRED = "11_paired_comparisons"


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation found.

    Attributes:
        best: The model with the highest validation macro AUC.
        standings: The models, best first, with their validation results.
        metrics: {model: mean over seeds of `ECGMetrics.calculate_metrics`} at the F1 thresholds of validation.
        metrics_at_half: The same at 0.5.
        intervals: {model: {"macro_avg" or class: {metric: Interval}}} for `metrics`.
        tables: The statistics by the name of their file, e.g. "11_paired_comparisons".
    """

    best: str
    standings: tuple[Standing, ...]
    metrics: dict[str, Metrics]
    metrics_at_half: dict[str, Metrics]
    intervals: Intervals
    tables: dict[str, pd.DataFrame]
    evidence: Evidence
    out: Path


def statistics(
    part: Part,
    answers: Mapping[str, ModelAnswers],
    resamples: Mapping[str, Mapping[str, Array]],
    metrics: Mapping[str, Metrics],
    *,
    class_names: Sequence[str],
) -> dict[str, pd.DataFrame]:
    """Return the tables of `EvaluationResult.tables`.

    Args:
        resamples: {model: `mean_over_runs` of its runs}, on the same resamples.
        metrics: {model: mean over seeds} at the F1 thresholds.
    """
    pairs = {name: Answers(model.runs, model.chosen, resamples[name], metrics[name]) for name, model in answers.items()}
    return {PAIRED: paired_table(part.labels, part.records["patient_id"], pairs, class_names=class_names)}
