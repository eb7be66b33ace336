"""Section "Subgroups": the chosen model's AUC by sex, age, device and other groups of test records."""

from __future__ import annotations

from analysis.evaluation.metrics import number
from analysis.evaluation.report.elements import Cell, Paragraph, ReportSection, Table, interval_cell
from analysis.evaluation.report.figures import captioned_figure
from analysis.evaluation.report.subgroup_text import RULES
from analysis.evaluation.result import SUBGROUPS, EvaluationResult


def subgroup_section(result: EvaluationResult) -> ReportSection:
    """Show the chosen model's macro AUC in each group beside that of all records; groups that are too small have none."""
    groups = result.tables[SUBGROUPS]
    rows = []
    for r in groups[groups["Class"] == "macro_avg"].itertuples():
        auc = Cell("", r.Suppressed) if r.Suppressed else interval_cell(r.AUC, r.AUC_lo, r.AUC_hi)
        auc_of_all = "" if r.Suppressed else number(r.AUC_of_all)
        rows.append([r.Attribute, r.Group, str(r.Records), str(r.Patients), auc, auc_of_all, r.Classes])
    columns = ("Attribute", "Group", "Records", "Patients", "Macro AUC", "All records, same classes", "Classes")
    table = Table(SUBGROUPS, columns, rows, caption=f"Macro AUC of {result.best} by group; the CSV has every class.")
    return ReportSection("subgroups", "Subgroups", (Paragraph(RULES), captioned_figure(result, "15_subgroups.png"), table))
