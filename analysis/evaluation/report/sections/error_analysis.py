"""Section "Error analysis": mistakes that models share, performance by diagnostic statement, and the worst records."""

from __future__ import annotations

import pandas as pd

from analysis.evaluation.errors.error_analysis import DRAWN, OVERLAP, STATEMENTS, WORST
from analysis.evaluation.errors.error_overlap import ALL, CLASSES, MODELS, MOST_PAIRS
from analysis.evaluation.errors.error_overlap import RULES as OVERLAP_RULES
from analysis.evaluation.errors.statements import RULES as STATEMENT_RULES
from analysis.evaluation.errors.statements import UNKNOWN
from analysis.evaluation.errors.worst_records import FIGURE
from analysis.evaluation.errors.worst_records import RULES as WORST_RULES
from analysis.evaluation.metrics import number
from analysis.evaluation.plots.figures import FOLDER
from analysis.evaluation.report.elements import Cell, Element, Heading, Paragraph, ReportSection, Table, interval_cell
from analysis.evaluation.report.figures import captioned_figure, read_figure
from analysis.evaluation.result import EvaluationResult


def error_section(result: EvaluationResult) -> ReportSection:
    """Show where the models are wrong."""
    return ReportSection("mistakes", "Error analysis", (*_overlap(result), *_statements(result), *_worst_records(result)))


def _overlap(result: EvaluationResult) -> list[Element]:
    overlaps, best = result.tables[OVERLAP], result.best
    elements: list[Element] = [Heading("Mistakes in common"), Paragraph(OVERLAP_RULES), captioned_figure(result, f"{OVERLAP}.png")]
    models = overlaps[(overlaps["Between"] == MODELS) & (overlaps["Of"] == ALL)]
    if models.empty:
        elements.append(Paragraph("Between models: one model was evaluated.", "empty"))
    if len(models) > MOST_PAIRS:
        elements.append(Paragraph(f"{len(models)} pairs of models: shown are those with {best}; the CSV has all.", "empty"))
        models = models[(models["A"] == best) | (models["B"] == best)]
    classes = overlaps[overlaps["Between"] == CLASSES]
    elements += _overlap_table(f"{OVERLAP}_models", models, "Pairs of models, all classes together.")
    elements += _overlap_table(f"{OVERLAP}_classes", classes, f"Pairs of classes: records on which {best} is wrong about both.")
    return elements


def _overlap_table(name: str, overlaps: pd.DataFrame, caption: str) -> list[Table]:
    """Make the table of these pairs; none where there is no pair."""
    if overlaps.empty:
        return []
    rows: list[list[str | Cell]] = []
    for r in overlaps.itertuples():
        counts = [str(n) for n in (r.Answers, r.Wrong_A, r.Wrong_B, r.Wrong_both)]
        rows.append([r.A, r.B, *counts, f"{r.By_chance:.1f}", interval_cell(r.Overlap, r.Overlap_lo, r.Overlap_hi)])
    columns = ("First", "Second", "Predictions", "First wrong", "Second wrong", "Both wrong", "Both by chance", "Overlap")
    return [Table(name, columns, rows, caption=caption)]


def _statements(result: EvaluationResult) -> list[Element]:
    statements, heading = result.tables[STATEMENTS], Heading("By diagnostic statement")
    if statements.empty:
        return [heading, Paragraph(f"By statement: {UNKNOWN}", "empty")]
    rows: list[list[str | Cell]] = []
    for r in statements.itertuples():
        cells = [r.Class, r.Statement, str(r.Positives), str(r.Positive_patients), str(r.Negatives)]
        if r.Suppressed:
            rows.append([*cells, Cell("", r.Suppressed), "", ""])
            continue
        auc, sensitivity = interval_cell(r.AUC, r.AUC_lo, r.AUC_hi), interval_cell(r.Sensitivity, r.Sensitivity_lo, r.Sensitivity_hi)
        rows.append([*cells, auc, number(r.AUC_of_class), sensitivity])
    columns = ("Class", "Statement", "n+", "Patients", "n−", "AUC", "AUC of the class", "Sensitivity")
    table = Table(STATEMENTS, columns, rows, caption=f"{result.best} by SCP statement.")
    return [heading, Paragraph(STATEMENT_RULES), captioned_figure(result, f"{STATEMENTS}.png"), table]


def _worst_records(result: EvaluationResult) -> list[Element]:
    records, class_names = result.tables[WORST], result.provenance.class_names
    rows = []
    for r in records.to_dict("records"):
        probabilities = ", ".join(f"{name} {r[f'P_{name}']:.2f}" for name in class_names)
        cells = [str(r["Rank"]), str(r["ecg_id"]), number(r["Loss"]), r["Labels"], r["Says"], probabilities, r["Statements"]]
        rows.append([*cells, f"{r['Sex']}, {r['Age']}", r["Quality"]])
    columns = ("Rank", "ecg_id", "Loss (nats)", "Label", "Says", "Probabilities", "Statements, likelihood %", "Sex, age", "Quality")
    table = Table(WORST, columns, rows, caption=f"The worst records of {result.best}.")
    elements: list[Element] = [Heading("Worst records"), Paragraph(WORST_RULES), table]
    for r in records[records[DRAWN] != ""].to_dict("records"):
        caption = f"Record {r['ecg_id']}: {r[DRAWN]}. Label {r['Labels']}, the model says {r['Says']}. "
        caption += "A small square is 40 ms × 0.1 mV."
        elements.append(read_figure(result.out / FOLDER / FIGURE.format(r["Rank"]), caption=caption))
    return elements
