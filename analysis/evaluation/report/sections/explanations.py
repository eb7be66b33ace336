"""Section "Explanations (illustrative)": pictures of what moved a few predictions, and a check that they depend on the weights."""

from __future__ import annotations

from analysis.evaluation.explanations.figures import EXPLANATION_FIGURE
from analysis.evaluation.explanations.model_explanations import EXPLANATIONS
from analysis.evaluation.explanations.text_section import NONE, RULES, rank_texts
from analysis.evaluation.metrics import number
from analysis.evaluation.report.elements import Cell, Paragraph, ReportSection, Table
from analysis.evaluation.report.figures import captioned_figure
from analysis.evaluation.result import EvaluationResult

KEY, TITLE = "explanations", "Explanations (illustrative)"
COLUMNS = (
    *("Model", "Method", "Case", "ecg_id", "Class", "p", "Threshold", "Logit gained", "Gap"),
    "Rank correlation with random weights",
)


def explanations_section(result: EvaluationResult) -> ReportSection:
    """Show the explained predictions, each with its rank correlation with explanations of random networks."""
    explained = result.tables[EXPLANATIONS]
    if explained.empty:
        return ReportSection(KEY, TITLE, (Paragraph(f"Explanations: {NONE}.", "empty"),))
    rows: list[list[str | Cell]] = []
    for r in explained.to_dict("records"):
        cells = [r["Model"], r["Method"], r["Case"], str(r["ecg_id"]), r["Class"], f"{r['Probability']:.3f}", f"{r['F1_threshold']:.3f}"]
        mean, low, high, signed = rank_texts(r)
        ranks = Cell(f"{mean}, signed {signed}", f"[{low}, {high}]")
        rows.append([*cells, number(r["Logit_gained"]), number(r["Completeness_gap"]), ranks])
    table = Table(EXPLANATIONS, COLUMNS, rows, caption="The explained predictions and the randomisation check.")
    figures = (captioned_figure(result, EXPLANATION_FIGURE.format(explanation.kind)) for explanation in result.explanations)
    return ReportSection(KEY, TITLE, (Paragraph(RULES), table, *figures))
