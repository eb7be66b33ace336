"""Section "Data, split and seal": which records the numbers come from, and how often the test records were opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.evaluation.provenance import Provenance
from analysis.evaluation.report.disclaimers import opened_text
from analysis.evaluation.report.elements import Element, Facts, Paragraph, ReportSection, Table
from analysis.evaluation.result import EvaluationResult
from ecg_tune.data.prepared.ledger import gaps_text


def data_section(result: EvaluationResult, manifest: Mapping[str, Any]) -> ReportSection:
    """Describe the data: source, labels, exclusions, the three splits, and every opening of the test split.

    Args:
        manifest: Of the prepared data.
    """
    provenance = result.provenance
    elements: list[Element] = [_facts(provenance, manifest), _exclusions(manifest), _splits(provenance, manifest), _openings(provenance)]
    if provenance.absent_classes:
        names = ", ".join(provenance.absent_classes)
        text = f"No positive test record: {names}. It has no AUC, sensitivity, precision and F1 (n/a), and means over classes leave it out."
        elements.append(Paragraph(text, "empty"))
    return ReportSection("data", "Data, split and seal", tuple(elements))


def _facts(provenance: Provenance, manifest: Mapping[str, Any]) -> Facts:
    source, scale = manifest.get("source", {}), manifest["normalisation"]
    words = [str(source[key]) for key in ("name", "version") if key in source] if isinstance(source, Mapping) else [str(source)]
    rows = {
        "Study": provenance.study,
        "Source": ", ".join(words)
        + (" (SYNTHETIC)" if provenance.synthetic else "")
        + (f"; LIMITED to {provenance.limited}" if provenance.limited else ""),
        "Split": provenance.split_text,
        "Test split": f"{provenance.records_text}; {opened_text(provenance)}",
        "Input": provenance.inputs,
        "Classes": ", ".join(provenance.class_names),
        "Label rule": provenance.label_rule,
        "Normalisation": f"{scale['kind']}, standard deviation of the training split {scale['scale_mv']:.4g} mV"
        if provenance.leads
        else "none: images are taken as they are stored",
        "Data fingerprint": provenance.fingerprint,
    }
    return Facts(rows)


def _exclusions(manifest: Mapping[str, Any]) -> Element:
    steps = manifest.get("exclusions")
    if not steps:
        return Paragraph("Exclusions: not recorded when these data were prepared.")
    rows = [(str(name), str(count)) for name, count in steps.items()]
    return Table("exclusions", ("Step", "Records"), rows, caption="Records read, left out and kept; nothing else was dropped.")


def _splits(provenance: Provenance, manifest: Mapping[str, Any]) -> Table:
    columns = ("Split", "Records", "Patients", *provenance.class_names)
    unknown = {} if provenance.patients_known else {"patients": "unknown"}
    counts = {split: {**numbers, **unknown} for split, numbers in manifest["counts"].items()}
    rows = [[split, *(str(counts[split][key]) for key in ("records", "patients", *provenance.class_names))] for split in counts]
    return Table("splits", columns, rows, caption="The three splits, with the positives of each class (a record may have several).")


def _openings(provenance: Provenance) -> Table:
    rows = [
        (str(i), line["time"][:19], line["purpose"], line["study"], line["settings"], str(line["shared"]))
        for i, line in enumerate(provenance.openings, start=1)
    ]
    caption = f"The ledger of these test records: {opened_text(provenance)}, this evaluation included, "
    caption += "whatever settings the data were prepared with. "
    caption += f"WARNING: {gaps_text(provenance.ledger_gaps)}. " if provenance.ledger_gaps else ""
    caption += "An earlier opening may have guided later choices: p values and intervals are valid for a test split that is opened once."
    return Table("ledger", ("Opening", "Time (UTC)", "Purpose", "For", "Prepared with", "Records"), rows, caption=caption)
