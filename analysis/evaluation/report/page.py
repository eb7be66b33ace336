"""The HTML report: every section of an evaluation in one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.evaluation.report.disclaimers import limits
from analysis.evaluation.report.elements import Bullets, ReportSection
from analysis.evaluation.report.figures import captioned_figure
from analysis.evaluation.report.header import report_header
from analysis.evaluation.report.sections.cost import cost_section
from analysis.evaluation.report.sections.data import data_section
from analysis.evaluation.report.sections.error_analysis import error_section
from analysis.evaluation.report.sections.explanations import explanations_section
from analysis.evaluation.report.sections.external_difference import difference_section
from analysis.evaluation.report.sections.file_list import files_section
from analysis.evaluation.report.sections.model_selection import selection_section
from analysis.evaluation.report.sections.paired_comparisons import paired_section
from analysis.evaluation.report.sections.performance import best_section, classes_section, models_section
from analysis.evaluation.report.sections.probabilities import calibration_section, decision_section
from analysis.evaluation.report.sections.subgroups import subgroup_section
from analysis.evaluation.result import EvaluationResult
from analysis.templating import render

PACKAGE = "analysis.evaluation.report"
REPORT = "report.html"


def report_page(result: EvaluationResult, manifest: Mapping[str, Any]) -> str:
    """Build the page. Call it last: it stores the figures of `result.out` inside the page and lists all files there.

    Args:
        manifest: Of the prepared data.
    """
    files = sorted(path.relative_to(result.out) for path in result.out.rglob("*") if path.is_file() and path.name != REPORT)
    sections = [
        data_section(result, manifest),
        selection_section(result),
        models_section(result),
        *([difference_section(result)] if result.difference_note else []),
        best_section(result),
        classes_section(result),
        paired_section(result),
        calibration_section(result),
        decision_section(result),
        subgroup_section(result),
        error_section(result),
        explanations_section(result),
        cost_section(result),
        ReportSection("limits", "Limits", (Bullets(tuple(limits(result.provenance, manifest))),)),
        files_section(files),
    ]
    figure = captioned_figure(result, "06_model_comparison_bars.png")
    return render(PACKAGE, "report.html", header=report_header(result), figure=figure, sections=sections) + "\n"
