"""What the report and the model card must not be mistaken for: their warnings and limits, in the same words in both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.evaluation.provenance import ENOUGH_RESAMPLES, Provenance
from ecg_tune.data.prepared.ledger import gaps_text

SYNTHETIC = "SYNTHETIC DATA. The records are simulated: no number on these pages says anything about real ECGs or patients."
NOT_CLINICAL = "Research result on one data set. Not a medical device, not for use on patients."


def warnings(provenance: Provenance) -> list[str]:
    """Say what must stand above every number of these data; nothing for whole, real data."""
    external = f"EXTERNAL VALIDATION: {provenance.external}."
    limited = f"LIMITED DATA: only {provenance.limited} were prepared, for a quick try."
    return [
        *([SYNTHETIC] if provenance.synthetic else []),
        *([limited] if provenance.limited else []),
        *([external] if provenance.external else []),
    ]


def opened_text(provenance: Provenance) -> str:
    """Say how often the test records have been opened, as a clause."""
    n = len(provenance.openings)
    return f"this test split has been opened {n} time{'' if n == 1 else 's'}"


def from_ptbxl(manifest: Mapping[str, Any]) -> bool:
    """Tell whether the data came from a PTB-XL download: preparing one notes both of these, version 0.1 only the second."""
    return "labels" in manifest or "ptbxl_checksum" in manifest


def limits(provenance: Provenance, manifest: Mapping[str, Any]) -> list[str]:
    """List what the numbers do not show, one sentence each.

    Args:
        manifest: Of the prepared data.
    """
    real = from_ptbxl(manifest) and not provenance.synthetic
    ptbxl = "those of PTB-XL are cardiologists' statements on the ECG, not diagnoses confirmed otherwise"
    lines = [
        "One data set, one split: nothing here shows how a model does at other hospitals, on other devices or populations.",
        "Intervals cover which patients happened to be tested, not the randomness of training: for that see the sd over seeds.",
        f"The labels are taken as given: {ptbxl if real else 'how they were made is not checked here'}.",
        "Macro means weigh rare and frequent classes alike; precision, F1 and net benefit depend on how frequent a class is here.",
        "Subgroups, statements and pairs of models are many: some stand out by chance.",
    ]
    if provenance.external:
        lines[0] = "One external data set: nothing here shows how a model does at still other hospitals, on other devices or populations."
    if not provenance.patients_known:
        lines.append(
            "Patients are unknown, so each record counts as one: where a patient has several, they may be in two splits, which makes "
            "results too good, and intervals are too narrow."
        )
    if provenance.synthetic:
        lines.insert(0, "The records are simulated: nothing here says anything about patients.")
    if (n_openings := len(provenance.openings)) > 1:
        lines.append(
            f"The test split has been opened {n_openings} times: if an earlier opening guided a choice, these results are too good."
        )
    if provenance.ledger_gaps:
        lines.append(f"WARNING: {gaps_text(provenance.ledger_gaps)}.")
    if provenance.bootstrap and provenance.bootstrap.n_resamples < ENOUGH_RESAMPLES:
        lines.append(f"{provenance.bootstrap.n_resamples} resamples are too few for intervals to publish: use {ENOUGH_RESAMPLES} or more.")
    if provenance.absent_classes:
        lines.append(f"No positive test record of {', '.join(provenance.absent_classes)}: nothing is known about these classes.")
    return lines
