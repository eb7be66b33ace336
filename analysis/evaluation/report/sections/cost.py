"""Section "Cost": how large each model is, how long it takes for a record, how long it took to train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.evaluation.metrics import count
from analysis.evaluation.report.elements import Cell, Paragraph, ReportSection, Table
from analysis.evaluation.result import COST, EvaluationResult
from analysis.evaluation.statistics.cost_table import BATCHES, RULES


def cost_section(result: EvaluationResult) -> ReportSection:
    """List parameters, multiply-accumulate operations, latency and training time of every model."""
    costs = result.tables[COST]
    rows = []
    for r in costs.to_dict("records"):
        latencies = [_latency_cell(r, batch) for batch in BATCHES]
        cells = [r["Model"], r["Input"], f"{r['Parameters']:,}", f"{r['MACs_per_record'] / 1e6:,.1f}", *latencies]
        rows.append([*cells, f"{r['Training_s']:.0f}", str(r["Seeds"]), count(r["Epochs_mean"])])
    columns = ("Model", "Input", "Parameters", "Million MACs", *(f"ms, batch {n}" for n in BATCHES), "Training s", "Seeds", "Epochs")
    first = costs.iloc[0]
    device = f"Latency on {first['Latency_Device']} with {first['Latency_Threads']} thread(s) of PyTorch."
    table = Table(COST, columns, rows, caption="What each model costs.", marked=result.best)
    return ReportSection("cost", "Cost", (Paragraph(f"{RULES} {device}"), table))


def _latency_cell(row: Mapping[str, Any], batch: int) -> Cell:
    """Write the median latency in ms over its quartiles."""
    low, median, high = (row[f"Latency_ms_batch_{batch}{end}"] for end in ("_q25", "", "_q75"))
    return Cell(f"{median:.4g}", f"[{low:.4g}, {high:.4g}]")
