"""The error analysis of an evaluation: its tables, its sections of the detailed text report, and its figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from analysis.evaluation.errors.error_overlap import overlap_figure, overlap_lines, overlap_table
from analysis.evaluation.errors.statements import statement_figure, statement_lines, statement_table
from analysis.evaluation.errors.worst_records import draw_worst, worst_lines, worst_table
from analysis.evaluation.predictions import ModelPredictions
from analysis.evaluation.provenance import Provenance, figure_note
from analysis.plots import saved
from ecg_tune.data.prepared.dataset import PreparedData, Split
from ecg_tune.metrics import Array

OVERLAP, STATEMENTS, WORST = "17_mistakes_in_common", "18_statements", "19_worst_records"
DRAWN = "Drawn"


def error_tables(
    data: PreparedData, test: Split, predictions: Mapping[str, ModelPredictions], weights: Array, *, best: str
) -> dict[str, pd.DataFrame]:
    """Compute the three tables of the error analysis, by the name of their file.

    Args:
        test: The opened test split.
        predictions: The models, best first.
        weights: (n_records, n_resamples) of `analysis.evaluation.statistics.bootstrap.patient_weights`.
        best: The model chosen on validation.
    """
    names = data.class_names
    min_likelihood = float(data.manifest["label_rule"].get("min_likelihood", 0.0))
    class_of = data.manifest.get("class_of", data.manifest.get("superclass_of", {}))  # its name until the labels became a choice
    return {
        OVERLAP: overlap_table(test.labels, predictions, weights, best=best, class_names=names),
        STATEMENTS: statement_table(test, class_of, min_likelihood, predictions[best], weights, class_names=names),
        WORST: worst_table(test, predictions[best], class_names=names),
    }


def error_sections(tables: Mapping[str, pd.DataFrame], *, best: str) -> list[list[str]]:
    """Write the sections of the detailed text report, each a title and its lines."""
    return [
        overlap_lines(tables[OVERLAP], best=best),
        statement_lines(tables[STATEMENTS], model=best),
        worst_lines(tables[WORST], model=best),
    ]


def draw_errors(
    tables: Mapping[str, pd.DataFrame], data: PreparedData, test: Split, predictions: Mapping[str, ModelPredictions], folder: Path,
    *, best: str, provenance: Provenance,
) -> list[str]:  # fmt: skip
    """Write the figures of the error analysis.

    Returns:
        For each worst record that was drawn, what its figure shows: all twelve leads, or only the stored ones and why.
    """
    note = figure_note(provenance)
    figure = overlap_figure(tables[OVERLAP], best=best, class_names=provenance.class_names, models=list(predictions), note=note)
    saved(figure, folder / f"{OVERLAP}.png")
    if not tables[STATEMENTS].empty:
        saved(statement_figure(tables[STATEMENTS], model=best, note=note), folder / f"{STATEMENTS}.png")
    return draw_worst(data, test, tables[WORST], predictions[best], folder)
