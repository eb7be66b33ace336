"""The report's tables of performance: all models, per class, at every rule's thresholds, and in pairs."""

from __future__ import annotations

import pandas as pd

from analysis.evaluation.metrics import AVERAGES, count, number
from analysis.evaluation.plots.figures import HEATMAPS
from analysis.evaluation.report.captions import picture
from analysis.evaluation.report.markup import Cell, Section, paragraph, table
from analysis.evaluation.report.paired_text import MOST_PAIRS, p_text
from analysis.evaluation.report.paired_text import RULES as PAIRED_RULES
from analysis.evaluation.result import PAIRED, AtThresholds, EvaluationResult
from analysis.evaluation.statistics.paired import AUC, MACRO, RIGHT
from analysis.evaluation.tables import BEST_FILE, DETAIL_COLUMNS, MACRO_COLUMNS, MACRO_FILE, PER_CLASS_FILES

LABELS = {"f1_score": "F1-Score", "sensitivity": "Sensitivity", "auc_roc": "AUC-ROC"}
COUNTED = ("tp", "fp", "fn", "tn", "support")


def interval_cell(value: float, low: float, high: float) -> Cell:
    """Return a value over its interval, four decimals as in the CSV files."""
    return Cell(number(value), f"[{number(low)}, {number(high)}]")


def models_section(result: EvaluationResult) -> Section:
    """Return all models: macro means with intervals, at the three rules of thresholds."""
    body = paragraph(f"The chosen model is marked. Means over the {len(result.provenance.class_names)} classes, each model a row.")
    body += _macro(result, result.at_f1, "", "At the thresholds with the highest F1 on validation.")
    body += picture(result, "06_model_comparison_bars.png")
    body += _macro(result, result.at_half, "_at_0.5", "At threshold 0.5.")
    target = f"At the thresholds that reach sensitivity {result.sensitivity_target:g} on validation; on test it may fall short."
    return Section("models", "All models", body + _macro(result, result.at_sensitivity, "_at_sensitivity_target", target))


def classes_section(result: EvaluationResult) -> Section:
    """Return every model by class, and the chosen one in full."""
    body = ""
    for metric, name in PER_CLASS_FILES.items():
        rows: list[list[str | Cell]] = [[model, *_class_cells(result, model, metric)] for model in result.metrics]
        columns = ("Model", *result.provenance.class_names)
        body += table(name, columns, rows, caption=f"{LABELS[metric]} of each class, with 95 % intervals.", strong=result.best)
    for metric in HEATMAPS:
        body += picture(result, f"07_heatmap_{metric}.png", wide=False)
    return Section("classes", "By class", body)


def best_section(result: EvaluationResult) -> Section:
    """Return the chosen model in full, with its confusion matrices and all models' curves."""
    metrics, limits = result.metrics[result.best], result.intervals[result.best]
    rows: list[list[str | Cell]] = []
    for name in (*result.provenance.class_names, *AVERAGES):
        cells: list[str | Cell] = [name]
        for metric in DETAIL_COLUMNS.values():
            limit = limits.get(name, {}).get(metric)
            cells.append(interval_cell(metrics[name][metric], limit.low, limit.high) if limit else number(metrics[name][metric]))
        rows.append(cells)
    caption = f"{result.best} at its F1 thresholds. Micro, weighted and samples averages come without intervals."
    body = table(BEST_FILE, ("Class", *DETAIL_COLUMNS), rows, caption=caption)
    counts = [[name, *(count(metrics[name][key]) for key in COUNTED)] for name in result.provenance.class_names]
    columns = ("Class", "True positives", "False positives", "False negatives", "True negatives", "Support")
    body += table(f"{BEST_FILE}_counts", columns, counts, caption="Counts, means over seeds.")
    body += picture(result, "08_confusion_matrices.png")
    body += picture(result, "09_roc_curves.png")
    body += picture(result, "10_pr_curves.png")
    return Section("best", f"The chosen model: {result.best}", body)


def paired_section(result: EvaluationResult) -> Section:
    """Return the paired comparisons, one row a pair: macro figures, then the classes."""
    found = result.tables[PAIRED]
    if found.empty:
        return Section("paired", "Paired comparisons", paragraph("None: one model was evaluated.", kind="empty"))
    n_pairs, body = len(found[["Model_A", "Model_B"]].drop_duplicates()), paragraph(PAIRED_RULES)
    if n_pairs > MOST_PAIRS:
        found = found[(found["Model_A"] == result.best) | (found["Model_B"] == result.best)]
        body += paragraph(f"{n_pairs} pairs: shown are those with {result.best}; {PAIRED}.csv has all.", kind="empty")
    for name, quantities, column in (("_macro", list(MACRO), "Quantity"), ("_auc", [AUC], "Class"), ("_right", [RIGHT], "Class")):
        rows = found[found["Quantity"].isin(quantities)]
        tests = ", ".join(rows["Test"].unique())
        caption = f"{', '.join(quantities)}: difference, 95 % interval, p after Holm (p before). Test: {tests}."
        body += table(f"{PAIRED}{name}", ("First − second", *rows[column].unique()), _paired_rows(rows, column), caption=caption)
    return Section("paired", "Paired comparisons", body)


def _paired_rows(rows: pd.DataFrame, column: str) -> list[list[str | Cell]]:
    """Return one row a pair, one cell for every value of `column`."""
    cells = []
    for (a, b), group in rows.groupby(["Model_A", "Model_B"], sort=False):
        row: list[str | Cell] = [f"{a} − {b}"]
        for r in group.set_index(column).loc[list(rows[column].unique())].itertuples():
            interval = f"[{number(r.Difference_lo)}, {number(r.Difference_hi)}]"
            row.append(Cell(number(r.Difference), f"{interval}\np {p_text(r.P_Holm)} ({p_text(r.P)})"))
        cells.append(row)
    return cells


def _macro(result: EvaluationResult, found: AtThresholds, suffix: str, caption: str) -> str:
    rows: list[list[str | Cell]] = []
    for model, metrics in found.metrics.items():
        limits = found.intervals[model]["macro_avg"]
        cells = [interval_cell(metrics["macro_avg"][m], limits[m].low, limits[m].high) for m in MACRO_COLUMNS.values()]
        rows.append([model, *cells])
    return table(f"{MACRO_FILE}{suffix}", ("Model", *MACRO_COLUMNS), rows, caption=caption, strong=result.best)


def _class_cells(result: EvaluationResult, model: str, metric: str) -> list[Cell]:
    cells = []
    for name in result.provenance.class_names:
        limit = result.intervals[model][name][metric]
        cells.append(interval_cell(result.metrics[model][name][metric], limit.low, limit.high))
    return cells
