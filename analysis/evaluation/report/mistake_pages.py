"""The report's error analysis: mistakes in common, diagnostic statements, the worst records; and explained answers."""

from __future__ import annotations

from analysis.evaluation.errors.analysis import CO_ERRORS, DRAWN, STATEMENTS, WORST
from analysis.evaluation.errors.co_errors import ALL, CLASSES, MODELS, MOST_PAIRS
from analysis.evaluation.errors.co_errors import RULES as CO_ERROR_RULES
from analysis.evaluation.errors.statements import RULES as STATEMENT_RULES
from analysis.evaluation.errors.statements import UNKNOWN
from analysis.evaluation.errors.worst import FIGURE
from analysis.evaluation.errors.worst import RULES as WORST_RULES
from analysis.evaluation.explanations.explain import EXPLANATIONS
from analysis.evaluation.explanations.pictures import EXPLAINED_FIGURE
from analysis.evaluation.explanations.text import NONE, rank_texts
from analysis.evaluation.explanations.text import RULES as EXPLAINED_RULES
from analysis.evaluation.metrics import number
from analysis.evaluation.plots.figures import FOLDER
from analysis.evaluation.report.captions import picture
from analysis.evaluation.report.markup import Cell, Section, figure, paragraph, table
from analysis.evaluation.report.performance import interval_cell
from analysis.evaluation.result import EvaluationResult


def mistakes_section(result: EvaluationResult) -> Section:
    """Return where the models are wrong."""
    return Section("mistakes", "Error analysis", _together(result) + _statements(result) + _worst(result))


def _together(result: EvaluationResult) -> str:
    found, best = result.tables[CO_ERRORS], result.best
    models = found[(found["Between"] == MODELS) & (found["Of"] == ALL)]
    note = "" if len(models) else paragraph("Between models: one model was evaluated.", kind="empty")
    if len(models) > MOST_PAIRS:
        note = paragraph(f"{len(models)} pairs of models: shown are those with {best}; the CSV has all.", kind="empty")
        models = models[(models["A"] == best) | (models["B"] == best)]
    body = f"<h3>Mistakes in common</h3>{paragraph(CO_ERROR_RULES)}" + picture(result, f"{CO_ERRORS}.png") + note
    for name, rows, what in (
        (f"{CO_ERRORS}_models", models, "Pairs of models, all classes together."),
        (f"{CO_ERRORS}_classes", found[found["Between"] == CLASSES], f"Pairs of classes: records on which {best} is wrong about both."),
    ):
        cells = []
        for r in rows.itertuples():
            counts = [str(n) for n in (r.Answers, r.Wrong_A, r.Wrong_B, r.Wrong_both)]
            cells.append([r.A, r.B, *counts, f"{r.By_chance:.1f}", interval_cell(r.Overlap, r.Overlap_lo, r.Overlap_hi)])
        columns = ("First", "Second", "Answers", "First wrong", "Second wrong", "Both wrong", "Both by chance", "Overlap")
        body += table(name, columns, cells, caption=what) if cells else ""
    return body


def _statements(result: EvaluationResult) -> str:
    found, body = result.tables[STATEMENTS], "<h3>By diagnostic statement</h3>"
    if found.empty:
        return body + paragraph(f"By statement: {UNKNOWN}", kind="empty")
    body += paragraph(STATEMENT_RULES) + picture(result, f"{STATEMENTS}.png")
    rows: list[list[str | Cell]] = []
    for r in found.itertuples():
        sizes = [r.Class, r.Statement, str(r.Positives), str(r.Positive_patients), str(r.Negatives)]
        if r.Suppressed:
            rows.append([*sizes, Cell("", r.Suppressed), "", ""])
            continue
        auc, hits = interval_cell(r.AUC, r.AUC_lo, r.AUC_hi), interval_cell(r.Sensitivity, r.Sensitivity_lo, r.Sensitivity_hi)
        rows.append([*sizes, auc, number(r.AUC_of_class), hits])
    columns = ("Class", "Statement", "n+", "Patients", "n−", "AUC", "AUC of the class", "Sensitivity")
    return body + table(STATEMENTS, columns, rows, caption=f"{result.best} by SCP statement.")


def _worst(result: EvaluationResult) -> str:
    found, names = result.tables[WORST], result.provenance.class_names
    rows = []
    for row in found.to_dict("records"):
        chances = ", ".join(f"{name} {row[f'P_{name}']:.2f}" for name in names)
        facts = [str(row["Rank"]), str(row["ecg_id"]), number(row["Loss"]), row["Labels"], row["Says"], chances, row["Statements"]]
        rows.append([*facts, f"{row['Sex']}, {row['Age']}", row["Quality"]])
    columns = ("Rank", "ecg_id", "Loss (nats)", "Label", "Says", "Probabilities", "Statements, likelihood %", "Sex, age", "Quality")
    body = f"<h3>Worst records</h3>{paragraph(WORST_RULES)}" + table(WORST, columns, rows, caption=f"The worst records of {result.best}.")
    for row in found[found[DRAWN] != ""].to_dict("records"):
        caption = f"Record {row['ecg_id']}: {row[DRAWN]}. Label {row['Labels']}, the model says {row['Says']}. "
        caption += "A small square is 40 ms × 0.1 mV."
        body += figure(result.out / FOLDER / FIGURE.format(row["Rank"]), caption=caption)
    return body


def explanations_section(result: EvaluationResult) -> Section:
    """Return the pictures of single answers with the check that they depend on the weights."""
    title, found = "Explanations (illustrative)", result.tables[EXPLANATIONS]
    if found.empty:
        return Section("explanations", title, paragraph(f"Explanations: {NONE}.", kind="empty"))
    rows: list[list[str | Cell]] = []
    for r in found.to_dict("records"):
        facts = [r["Model"], r["Method"], r["Case"], str(r["ecg_id"]), r["Class"], f"{r['Probability']:.3f}", f"{r['F1_threshold']:.3f}"]
        value, low, high, signed = rank_texts(r)
        ranks = Cell(f"{value}, signed {signed}", f"[{low}, {high}]")
        rows.append([*facts, number(r["Logit_gained"]), number(r["Completeness_gap"]), ranks])
    columns = (
        "Model",
        "Method",
        "Case",
        "ecg_id",
        "Class",
        "p",
        "Threshold",
        "Logit gained",
        "Gap",
        "Rank correlation with random weights",
    )
    body = paragraph(EXPLAINED_RULES) + table(EXPLANATIONS, columns, rows, caption="The explained answers and the randomisation check.")
    return Section("explanations", title, body + "".join(picture(result, EXPLAINED_FIGURE.format(one.kind)) for one in result.explained))
