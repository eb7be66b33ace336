"""Sections on performance: all models, the chosen model in full, and every model by class."""

from __future__ import annotations

from analysis.evaluation.metrics import AVERAGES, count, number
from analysis.evaluation.plots.figures import HEATMAPS
from analysis.evaluation.provenance import untuned_text
from analysis.evaluation.report.elements import Cell, Element, Paragraph, ReportSection, Table, interval_cell
from analysis.evaluation.report.figures import captioned_figure
from analysis.evaluation.result import AtThresholds, EvaluationResult
from analysis.evaluation.tables import BEST_FILE, DETAIL_COLUMNS, MACRO_COLUMNS, MACRO_FILE, PER_CLASS_FILES

METRIC_NAMES = {"f1_score": "F1-Score", "sensitivity": "Sensitivity", "auc_roc": "AUC-ROC"}
COUNTS = ("tp", "fp", "fn", "tn", "support")


def models_section(result: EvaluationResult) -> ReportSection:
    """Compare all models by their means over classes, at the thresholds of each of the three rules."""
    n_classes = len(result.provenance.class_names)
    intro = f"The chosen model is marked. Means over the {n_classes} classes, each model a row. The figure on top draws them."
    target = f"At the thresholds that reach sensitivity {result.sensitivity_target:g} on validation; on test it may fall short."
    untuned = untuned_text(result.provenance)
    target += f" {untuned}." if untuned else ""
    elements = (
        Paragraph(intro),
        _macro_table(result, result.at_f1, "", "At the thresholds with the highest F1 on validation."),
        _macro_table(result, result.at_half, "_at_0.5", "At threshold 0.5."),
        _macro_table(result, result.at_sensitivity, "_at_sensitivity_target", target),
    )
    return ReportSection("models", "All models", elements)


def best_section(result: EvaluationResult) -> ReportSection:
    """Show every metric of the chosen model, its confusion matrices, and the curves of all models."""
    curves = (captioned_figure(result, name) for name in ("08_confusion_matrices.png", "09_roc_curves.png", "10_pr_curves.png"))
    return ReportSection("best", f"The chosen model: {result.best}", (_best_table(result), _counts_table(result), *curves))


def classes_section(result: EvaluationResult) -> ReportSection:
    """Compare all models class by class: F1-Score, sensitivity, AUC-ROC, and heat maps."""
    elements: list[Element] = []
    columns = ("Model", *result.provenance.class_names)
    for metric, name in PER_CLASS_FILES.items():
        rows: list[list[str | Cell]] = [[model, *_class_cells(result, model, metric)] for model in result.metrics]
        caption = f"{METRIC_NAMES[metric]} of each class, with 95 % intervals."
        elements.append(Table(name, columns, rows, caption=caption, marked=result.best))
    if len(result.metrics) > 1:  # a heat map of one row shows no more than its row of the table
        elements += [captioned_figure(result, f"07_heatmap_{metric}.png") for metric in HEATMAPS]
    return ReportSection("classes", "By class", tuple(elements))


def _macro_table(result: EvaluationResult, at: AtThresholds, suffix: str, caption: str) -> Table:
    rows: list[list[str | Cell]] = []
    for model, metrics in at.metrics.items():
        limits = at.intervals[model]["macro_avg"]
        cells = [interval_cell(metrics["macro_avg"][m], limits[m].low, limits[m].high) for m in MACRO_COLUMNS.values()]
        rows.append([model, *cells])
    return Table(f"{MACRO_FILE}{suffix}", ("Model", *MACRO_COLUMNS), rows, caption=caption, marked=result.best)


def _best_table(result: EvaluationResult) -> Table:
    metrics, limits = result.metrics[result.best], result.intervals[result.best]
    rows: list[list[str | Cell]] = []
    for name in (*result.provenance.class_names, *AVERAGES):
        cells: list[str | Cell] = [name]
        for metric in DETAIL_COLUMNS.values():
            limit = limits.get(name, {}).get(metric)
            cells.append(interval_cell(metrics[name][metric], limit.low, limit.high) if limit else number(metrics[name][metric]))
        rows.append(cells)
    caption = f"{result.best} at its F1 thresholds. Micro, weighted and samples averages come without intervals."
    return Table(BEST_FILE, ("Class", *DETAIL_COLUMNS), rows, caption=caption)


def _counts_table(result: EvaluationResult) -> Table:
    metrics = result.metrics[result.best]
    rows = [[name, *(count(metrics[name][key]) for key in COUNTS)] for name in result.provenance.class_names]
    columns = ("Class", "True positives", "False positives", "False negatives", "True negatives", "Support")
    return Table(f"{BEST_FILE}_counts", columns, rows, caption="Counts, means over seeds.")


def _class_cells(result: EvaluationResult, model: str, metric: str) -> list[Cell]:
    cells = []
    for name in result.provenance.class_names:
        limit = result.intervals[model][name][metric]
        cells.append(interval_cell(result.metrics[model][name][metric], limit.low, limit.high))
    return cells
