"""The HTML report: every section of an evaluation in one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.evaluation.report.closing import files_section, limits_section
from analysis.evaluation.report.foundations import choice_section, data_section, head
from analysis.evaluation.report.markup import render
from analysis.evaluation.report.mistake_pages import explanations_section, mistakes_section
from analysis.evaluation.report.performance import best_section, classes_section, models_section, paired_section
from analysis.evaluation.report.statistics import calibration_section, cost_section, decision_section, subgroup_section
from analysis.evaluation.result import EvaluationResult

REPORT = "report.html"


def report_page(result: EvaluationResult, manifest: Mapping[str, Any]) -> str:
    """Return the page; its figures are read from `result.out`, so write it last.

    Args:
        manifest: Of the prepared data.
    """
    files = sorted(path.relative_to(result.out) for path in result.out.rglob("*") if path.is_file() and path.name != REPORT)
    sections = [
        data_section(result, manifest),
        choice_section(result),
        models_section(result),
        best_section(result),
        classes_section(result),
        paired_section(result),
        calibration_section(result),
        decision_section(result),
        subgroup_section(result),
        mistakes_section(result),
        explanations_section(result),
        cost_section(result),
        limits_section(result),
        files_section(result, files),
    ]
    return render(title=f"ECG evaluation: {result.provenance.study}", head=head(result), sections=sections)
