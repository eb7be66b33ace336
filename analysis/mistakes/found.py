"""The error analysis of an evaluation: its tables, its sections of the detailed report, its figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from analysis.answers import ModelAnswers
from analysis.evaluated import Evidence, figure_note
from analysis.mistakes.co_errors import co_error_figure, co_error_lines, co_error_table
from analysis.mistakes.statements import statement_figure, statement_lines, statement_table
from analysis.mistakes.worst import draw_worst, worst_lines, worst_table
from analysis.plots import saved
from ecg_tune.data.prepared import Part, PreparedData
from ecg_tune.metrics import Array

CO_ERRORS, STATEMENTS, WORST = "17_mistakes_in_common", "18_statements", "19_worst_records"
DRAWN = "Drawn"


def mistakes(data: PreparedData, part: Part, answers: Mapping[str, ModelAnswers], weights: Array, *, best: str) -> dict[str, pd.DataFrame]:
    """Return the tables by the name of their file.

    Args:
        answers: The models, best first.
        weights: (n_records, n_resamples) of `analysis.bootstrap.patient_weights`.
        best: The model chosen on validation.
    """
    names, rule = data.class_names, data.manifest["label_rule"]
    least = float(rule.get("min_likelihood", 0.0))
    superclass_of = data.manifest.get("superclass_of", {})
    return {
        CO_ERRORS: co_error_table(part.labels, answers, weights, best=best, class_names=names),
        STATEMENTS: statement_table(part, superclass_of, least, answers[best], weights, class_names=names),
        WORST: worst_table(part, answers[best], class_names=names),
    }


def mistake_sections(tables: Mapping[str, pd.DataFrame], *, best: str) -> list[list[str]]:
    """Return the sections of the detailed report, each a title and its lines."""
    return [
        co_error_lines(tables[CO_ERRORS], best=best),
        statement_lines(tables[STATEMENTS], model=best),
        worst_lines(tables[WORST], model=best),
    ]


def draw_mistakes(
    tables: Mapping[str, pd.DataFrame], data: PreparedData, part: Part, answers: Mapping[str, ModelAnswers], folder: Path,
    *, best: str, evidence: Evidence,
) -> list[str]:  # fmt: skip
    """Write the figures and return what the drawn worst records show: all twelve leads, or why only the stored ones."""
    note = figure_note(evidence)
    figure = co_error_figure(tables[CO_ERRORS], best=best, class_names=evidence.class_names, models=list(answers), note=note)
    saved(figure, folder / f"{CO_ERRORS}.png")
    if not tables[STATEMENTS].empty:
        saved(statement_figure(tables[STATEMENTS], model=best, note=note), folder / f"{STATEMENTS}.png")
    return draw_worst(data, part, tables[WORST], answers[best], folder)
