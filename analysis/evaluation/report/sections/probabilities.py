"""Sections on the predicted probabilities: thresholds and calibration, and decision curves."""

from __future__ import annotations

import pandas as pd

from analysis.evaluation.metrics import number
from analysis.evaluation.report.elements import Cell, Paragraph, ReportSection, Table, interval_cell
from analysis.evaluation.report.figures import captioned_figure
from analysis.evaluation.result import CALIBRATION, DECISION, FITTED, EvaluationResult
from analysis.evaluation.statistics.calibration import MEASURES, PERFECT
from analysis.evaluation.statistics.calibration_table import RULES as CALIBRATION_RULES
from analysis.evaluation.statistics.decision import SHOWN, decision_rules


def calibration_section(result: EvaluationResult) -> ReportSection:
    """Show what was fitted on validation, and how far probabilities and observed frequencies agree on test."""
    calibration = result.tables[CALIBRATION]
    macro = calibration[calibration["Class"] == "macro_avg"]
    classes = calibration[(calibration["Model"] == result.best) & (calibration["Class"] != "macro_avg")]
    elements = (
        _fitted_table(result),
        Paragraph(CALIBRATION_RULES),
        _calibration_table(f"{CALIBRATION}_macro", macro, "Model", "Means over classes of every model.", result.best),
        _calibration_table(CALIBRATION, classes, "Class", f"Classes of {result.best}.", ""),
        captioned_figure(result, "13_reliability_curves.png"),
    )
    return ReportSection("calibration", "Thresholds and calibration", elements)


def decision_section(result: EvaluationResult) -> ReportSection:
    """Show the net benefit of acting on the chosen model, as curves and at a few threshold probabilities."""
    curves = result.tables[DECISION]
    rows: list[list[str | Cell]] = []
    for r in curves[curves["Threshold"].round(2).isin(SHOWN)].itertuples():
        benefit = interval_cell(r.Net_Benefit, r.Net_Benefit_lo, r.Net_Benefit_hi)
        rows.append([r.Class, f"{r.Threshold:.2f}", benefit, number(r.Net_Benefit_of_all), number(r.Net_Benefit_as_trained)])
    columns = ("Class", "t", "Net benefit", "of acting on all", "as trained")
    table = Table(DECISION, columns, rows, caption=f"Net benefit of {result.best} at a few thresholds; the CSV has 99.")
    rules = Paragraph(decision_rules(result.provenance.class_names))
    return ReportSection("decision", "Decision curves", (rules, captioned_figure(result, "14_decision_curves.png"), table))


def _fitted_table(result: EvaluationResult) -> Table:
    fitted = result.tables[FITTED]
    rows = [
        [str(r.Seed), r.Class, number(r.F1_threshold), number(r.Sensitivity_threshold), number(r.Platt_slope), number(r.Platt_intercept)]
        for r in fitted[fitted["Model"] == result.best].itertuples()
    ]
    columns = ("Seed", "Class", "F1 threshold", "Sensitivity threshold", "Platt slope", "Platt intercept")
    return Table(FITTED, columns, rows, caption=f"Fitted on validation: {result.best}. The CSV has every model.")


def _calibration_table(name: str, calibration: pd.DataFrame, column: str, caption: str, marked: str) -> Table:
    columns = (column, "Scaling", "ECE", "ECE if perfect", *(measure.replace("_", " ") for measure in MEASURES[1:]))
    rows = []
    for r in calibration.to_dict("records"):
        ece, *others = (interval_cell(r[measure], r[f"{measure}_lo"], r[f"{measure}_hi"]) for measure in MEASURES)
        rows.append([r[column], r["Scaling"], ece, number(r[PERFECT]), *others])
    return Table(name, columns, rows, caption=caption, marked=marked)
