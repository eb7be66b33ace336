"""The report's last section: which file beside it holds what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from analysis.evaluation.report.elements import Paragraph, ReportSection, Table

CONTENT = {
    "01": "macro means of every model with 95 % intervals",
    "02": "F1-Score of every class",
    "03": "sensitivity of every class",
    "04": "AUC-ROC of every class",
    "05": "the chosen model in full",
    "06": "the macro means as bars",
    "07": "models by classes as heat maps",
    "08": "confusion matrices of the chosen model",
    "09": "ROC curves",
    "10": "precision-recall curves",
    "11": "every pair of models: difference, interval, p, p after Holm",
    "12": "thresholds and Platt scaling, fitted on validation",
    "13": "calibration before and after Platt scaling",
    "14": "net benefit of the chosen model",
    "15": "the chosen model by subgroup",
    "16": "parameters, MACs, latency, training time",
    "17": "mistakes in common",
    "18": "the chosen model by diagnostic statement",
    "19": "the worst records",
    "20": "the ensemble's members and weights",
    "21": "explanations, illustrative",
    "22": "external validation: the difference to the internal test",
    "EV": "the summary as text",
    "DE": "every metric of every model as text",
    "pr": "labels and probabilities of every test record and model file",
    "MO": "the model card",
    "TR": "the TRIPOD+AI checklist with pointers into this report",
}
"""What a file holds, by the first two characters of its name."""


def files_section(files: Sequence[Path]) -> ReportSection:
    """List the other files of the report's folder and what each of them holds.

    Args:
        files: Relative to the folder.
    """
    rows = [(file.as_posix(), CONTENT.get(file.name[:2], "")) for file in files]
    text = "All numbers of this page are in these files. predictions.parquet is predictions.csv with types and metadata."
    table = Table("files", ("File", "Content"), rows, caption="In the folder of this report.")
    return ReportSection("files", "Files", (Paragraph(text), table))
