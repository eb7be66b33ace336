"""The report's end: limits, and which file holds what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from analysis.evaluation.provenance import ENOUGH_RESAMPLES, Provenance
from analysis.evaluation.report.markup import Section, bullets, paragraph, table
from analysis.evaluation.result import EvaluationResult

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
    "EV": "the summary as text",
    "DE": "every metric of every model as text",
    "pr": "labels and probabilities of every test record and model file",
    "MO": "the model card",
    "TR": "the TRIPOD+AI checklist with pointers into this report",
}


def limits(provenance: Provenance) -> list[str]:
    """Return what the numbers don't show, as sentences."""
    found = [
        "One data set, one split: nothing here shows how a model does at other hospitals, on other devices or populations.",
        "Intervals hold the sampling of patients, not the randomness of training; the sd over seeds is in the table of models.",
        "The labels are cardiologists' statements on the ECG, not diagnoses confirmed by other means, and some are wrong.",
        "Macro means weigh rare and frequent classes alike; precision, F1 and net benefit depend on how frequent a class is here.",
        "Subgroups, statements and pairs of models are many: some stand out by chance.",
    ]
    if provenance.synthetic:
        found.insert(0, "The records are simulated: nothing here says anything about patients.")
    if len(provenance.openings) > 1:
        found.append(f"The test part has been opened {len(provenance.openings)} times: what is learnt from it wears out.")
    if provenance.bootstrap and provenance.bootstrap.n_resamples < ENOUGH_RESAMPLES:
        found.append(f"{provenance.bootstrap.n_resamples} resamples are too few for intervals to publish: use {ENOUGH_RESAMPLES} or more.")
    if provenance.absent_classes:
        found.append(f"No positive test record of {', '.join(provenance.absent_classes)}: nothing is known about these classes.")
    return found


def limits_section(result: EvaluationResult) -> Section:
    """Return the limits."""
    return Section("limits", "Limits", bullets(limits(result.provenance)))


def files_section(result: EvaluationResult, files: Sequence[Path]) -> Section:
    """Return the other files of the folder, each with what it holds."""
    rows = [(file.as_posix(), CONTENT.get(file.name[:2], "")) for file in files]
    text = "All numbers of this page are in these files. predictions.parquet is predictions.csv with types and metadata."
    return Section("files", "Files", paragraph(text) + table("files", ("File", "Content"), rows, caption="In the folder of this report."))
