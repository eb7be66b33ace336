"""The report's statistics of the chosen model: calibration, decision curves, subgroups, cost."""

from __future__ import annotations

import pandas as pd

from analysis.evaluation.metrics import count, number
from analysis.evaluation.report.captions import picture
from analysis.evaluation.report.markup import Cell, Section, paragraph, table
from analysis.evaluation.report.performance import interval_cell
from analysis.evaluation.report.subgroup_text import RULES as SUBGROUP_RULES
from analysis.evaluation.result import CALIBRATION, COST, DECISION, FITTED, SUBGROUPS, EvaluationResult
from analysis.evaluation.statistics.calibration import MEASURES, PERFECT
from analysis.evaluation.statistics.calibration_table import RULES as CALIBRATION_RULES
from analysis.evaluation.statistics.cost_table import BATCHES
from analysis.evaluation.statistics.cost_table import RULES as COST_RULES
from analysis.evaluation.statistics.decision import RULES as DECISION_RULES
from analysis.evaluation.statistics.decision import SHOWN


def calibration_section(result: EvaluationResult) -> Section:
    """Return what was fitted on validation and how well probabilities keep their promise."""
    found, fitted = result.tables[CALIBRATION], result.tables[FITTED]
    mine = fitted[fitted["Model"] == result.best]
    rows = [
        [str(r.Seed), r.Class, number(r.F1_threshold), number(r.Sensitivity_threshold), number(r.Platt_slope), number(r.Platt_intercept)]
        for r in mine.itertuples()
    ]
    columns = ("Seed", "Class", "F1 threshold", "Sensitivity threshold", "Platt slope", "Platt intercept")
    body = table(FITTED, columns, rows, caption=f"Fitted on validation: {result.best}. The CSV has every model.")
    body += paragraph(CALIBRATION_RULES)
    macro = found[found["Class"] == "macro_avg"]
    body += _calibration(f"{CALIBRATION}_macro", macro, "Model", "Means over classes of every model.", result.best)
    own = found[(found["Model"] == result.best) & (found["Class"] != "macro_avg")]
    body += _calibration(CALIBRATION, own, "Class", f"Classes of {result.best}.", "")
    body += picture(result, "13_reliability_curves.png")
    return Section("calibration", "Thresholds and calibration", body)


def decision_section(result: EvaluationResult) -> Section:
    """Return the net benefit of acting on the chosen model."""
    found = result.tables[DECISION]
    rows: list[list[str | Cell]] = []
    for r in found[found["Threshold"].round(2).isin(SHOWN)].itertuples():
        cell = interval_cell(r.Net_Benefit, r.Net_Benefit_lo, r.Net_Benefit_hi)
        rows.append([r.Class, f"{r.Threshold:.2f}", cell, number(r.Net_Benefit_of_all), number(r.Net_Benefit_as_trained)])
    body = paragraph(DECISION_RULES)
    body += picture(result, "14_decision_curves.png")
    columns = ("Class", "t", "Net benefit", "of acting on all", "as trained")
    body += table(DECISION, columns, rows, caption=f"Net benefit of {result.best} at a few thresholds; the CSV has 99.")
    return Section("decision", "Decision curves", body)


def subgroup_section(result: EvaluationResult) -> Section:
    """Return the chosen model's AUC by group of records."""
    found = result.tables[SUBGROUPS]
    macro, rows = found[found["Class"] == "macro_avg"], []
    for r in macro.itertuples():
        auc = Cell("", r.Suppressed) if r.Suppressed else interval_cell(r.AUC, r.AUC_lo, r.AUC_hi)
        cells = [r.Attribute, r.Group, str(r.Records), str(r.Patients), auc]
        rows.append([*cells, "" if r.Suppressed else number(r.AUC_of_all), r.Classes])
    body = paragraph(SUBGROUP_RULES)
    body += picture(result, "15_subgroups.png")
    columns = ("Attribute", "Group", "Records", "Patients", "Macro AUC", "All records, same classes", "Classes")
    body += table(SUBGROUPS, columns, rows, caption=f"Macro AUC of {result.best} by group; the CSV has every class.")
    return Section("subgroups", "Subgroups", body)


def cost_section(result: EvaluationResult) -> Section:
    """Return size, arithmetic, waiting and training time of every model."""
    rows = []
    for r in result.tables[COST].to_dict("records"):
        waits = [Cell(f"{r[f'Latency_ms_batch_{n}']:.4g}", _quartiles(r, n)) for n in BATCHES]
        cells = [r["Model"], r["Input"], f"{r['Parameters']:,}", f"{r['MACs_per_record'] / 1e6:,.1f}", *waits]
        rows.append([*cells, f"{r['Training_s']:.0f}", str(r["Seeds"]), count(r["Epochs_mean"])])
    columns = ("Model", "Input", "Parameters", "Million MACs", *(f"ms, batch {n}" for n in BATCHES), "Training s", "Seeds", "Epochs")
    first = result.tables[COST].iloc[0]
    where = f"Latency on {first['Latency_Device']} with {first['Latency_Threads']} thread(s) of PyTorch."
    body = paragraph(f"{COST_RULES} {where}") + table(COST, columns, rows, caption="What each model costs.", strong=result.best)
    return Section("cost", "Cost", body)


def _calibration(name: str, rows: pd.DataFrame, column: str, caption: str, strong: str) -> str:
    columns = (column, "Scaling", "ECE", "ECE if perfect", *(m.replace("_", " ") for m in MEASURES[1:]))
    cells = []
    for row in rows.to_dict("records"):
        ece, *others = (interval_cell(row[m], row[f"{m}_lo"], row[f"{m}_hi"]) for m in MEASURES)
        cells.append([row[column], row["Scaling"], ece, number(row[PERFECT]), *others])
    return table(name, columns, cells, caption=caption, strong=strong)


def _quartiles(row: dict[str, float], batch: int) -> str:
    return f"[{row[f'Latency_ms_batch_{batch}_q25']:.4g}, {row[f'Latency_ms_batch_{batch}_q75']:.4g}]"
