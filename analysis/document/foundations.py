"""The report's beginning: what was found in one glance, what it rests on, how it was chosen."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.document.markup import Section, bullets, facts, paragraph, table
from analysis.ecg_metrics import number
from analysis.ensemble import RULES as ENSEMBLE_RULES
from analysis.evaluated import Evidence, Standing, interval_rule, trained_on_text
from analysis.evaluation_result import MEMBERS, EvaluationResult

SYNTHETIC = "SYNTHETIC DATA. The records are simulated: no number on these pages says anything about real ECGs or patients."
NOT_CLINICAL = "Research result on one public data set. Not a medical device, not for use on patients."
CHOICES = (
    "Every choice was made on the validation part before the test part was opened: early stopping and the kept epoch, thresholds, "
    "Platt scaling, and the best model (highest mean validation macro AUC over its seeds).",
    "Test results change none of these choices: where a model does better on test than the chosen one, it is said and the choice stays.",
    "The search looks at validation again and again, so validation values are optimistic; the gap between a trial's value in the search "
    "and after retraining shows by how much.",
    "A row is one retrained trial: each number is the mean over its seeds of each seed's number.",
)


def opened_text(evidence: Evidence) -> str:
    """Return how often the test part was opened, as a clause."""
    n = len(evidence.openings)
    return f"this test part has been opened {n} time{'' if n == 1 else 's'}"


def head(result: EvaluationResult) -> str:
    """Return the page's head as markup: title, warnings, the numbers to remember."""
    evidence, best = result.evidence, result.best
    banner = paragraph(SYNTHETIC, kind="banner") if evidence.synthetic else ""
    standing = next(one for one in result.standings if one.name == best)
    tiles = [("Best model", best, f"highest validation macro AUC, {number(standing.validation_macro_auc)}, of {_n_chosen_from(result)}")]
    for metric, name in (("auc_roc", "Test macro AUC-ROC"), ("f1_score", "Test macro F1-Score")):
        limits = result.intervals[best]["macro_avg"][metric]
        tiles.append((name, number(result.metrics[best]["macro_avg"][metric]), f"95 % [{number(limits.low)}, {number(limits.high)}]"))
    tiles.append(("Test records", str(evidence.n_records), f"of {evidence.n_patients} patients, split {evidence.split}"))
    tiles.append(("Test part opened", str(len(evidence.openings)), opened_text(evidence)))
    return (
        f'<h1>ECG classification: evaluation report</h1><p class="soft">{html.escape(evidence.study)}, {html.escape(evidence.date)}. '
        f"{html.escape(NOT_CLINICAL)}</p>{banner}" + f'<div class="tiles">{"".join(_tile(*tile) for tile in tiles)}</div>'
    )


def data_section(result: EvaluationResult, manifest: Mapping[str, Any]) -> Section:
    """Return what the numbers rest on: source, labels, exclusions, split, ledger."""
    evidence = result.evidence
    source = manifest.get("source", {})
    words = [str(source[key]) for key in ("name", "version") if key in source] if isinstance(source, Mapping) else [str(source)]
    scale = manifest["normalisation"]
    rows = {
        "Study": evidence.study,
        "Source": ", ".join(words) + (" (SYNTHETIC)" if evidence.synthetic else ""),
        "Split": f"{evidence.split}, patient-disjoint (checked when the data were prepared)",
        "Test part": f"{evidence.n_records} records of {evidence.n_patients} patients; {opened_text(evidence)}",
        "Input": f"leads {', '.join(evidence.leads)} at {evidence.sampling_rate_hz} Hz",
        "Classes": ", ".join(evidence.class_names),
        "Label rule": evidence.label_rule,
        "Normalisation": f"{scale['kind']}, standard deviation of the training part {scale['scale_mv']:.4g} mV",
        "Data fingerprint": evidence.fingerprint,
    }
    body = facts(rows) + _exclusions(manifest) + _parts(evidence, manifest) + _ledger(evidence)
    if evidence.absent_classes:
        names = ", ".join(evidence.absent_classes)
        body += paragraph(
            f"No positive test record: {names}. Such a class has no AUC (n/a), and means over classes leave it out.", kind="empty"
        )
    return Section("data", "Data, split and seal", body)


def choice_section(result: EvaluationResult) -> Section:
    """Return how models, thresholds and intervals came about."""
    evidence = result.evidence
    rules = {
        "Models trained on": trained_on_text(evidence),
        "F1 thresholds": evidence.threshold_rule,
        "Sensitivity thresholds": f"per class, the highest that reaches sensitivity {result.sensitivity_target:g} on validation",
        "Intervals": interval_rule(evidence.bootstrap),
        "Undefined": "n/a: a class with one kind of record has no AUC; a resample with one kind of record is left out of its interval",
    }
    rows = [_standing_row(standing) for standing in result.standings]
    columns = ("Model", "Seeds", "Validation macro AUC", "sd over seeds", "Value in the search", "Gap (search − retrained)")
    ranking = table("standings", columns, rows, caption="The models by validation, the only ground of the choice.", strong=result.best)
    return Section("choice", "How it was chosen", bullets(CHOICES) + facts(rules) + ranking + _members(result))


def _n_chosen_from(result: EvaluationResult) -> int:
    return sum(not standing.fitted_on_validation for standing in result.standings)


def _members(result: EvaluationResult) -> str:
    if MEMBERS not in result.tables:
        return ""
    rows = [[row.Model, f"{row.Weight:.3f}", number(row.Validation_macro_AUC)] for row in result.tables[MEMBERS].itertuples()]
    columns = ("Model", "Weight", "Its own validation macro AUC")
    return paragraph(ENSEMBLE_RULES) + table(MEMBERS, columns, rows, caption="What the ensemble is made of.")


def _standing_row(standing: Standing) -> list[str]:
    value = standing.search_value
    search = ["", ""] if value is None else [number(value), f"{value - standing.validation_macro_auc:+.4f}"]
    seen = number(standing.validation_macro_auc) + (" (fitted on these records)" if standing.fitted_on_validation else "")
    spread = "" if np.isnan(standing.validation_sd) else number(standing.validation_sd)
    return [standing.name, str(standing.n_seeds), seen, spread, *search]


def _tile(name: str, value: str, more: str) -> str:
    parts = zip(("name", "value", "more"), (name, value, more), strict=True)
    return '<div class="tile">' + "".join(f'<div class="{kind}">{html.escape(text)}</div>' for kind, text in parts) + "</div>"


def _exclusions(manifest: Mapping[str, Any]) -> str:
    steps = manifest.get("exclusions")
    if not steps:
        return paragraph("Exclusions: not recorded by whoever prepared these data.")
    rows = [(str(name), str(count)) for name, count in steps.items()]
    return table("exclusions", ("Step", "Records"), rows, caption="Records read, left out and kept; nothing else was dropped.")


def _parts(evidence: Evidence, manifest: Mapping[str, Any]) -> str:
    columns = ("Part", "Records", "Patients", *evidence.class_names)
    counts = manifest["counts"]
    rows = [[part, *(str(counts[part][key]) for key in ("records", "patients", *evidence.class_names))] for part in counts]
    return table("parts", columns, rows, caption="The parts of the split, with the positives of each class (a record may have several).")


def _ledger(evidence: Evidence) -> str:
    rows = [(str(i), line["time"][:19], line["purpose"], line.get("study", "")) for i, line in enumerate(evidence.openings, start=1)]
    caption = f"The ledger of the test part's fingerprint: {opened_text(evidence)}, this evaluation included. "
    caption += "Whoever looked before could have let it guide them: p values and intervals hold for a part that is opened once."
    return table("ledger", ("Opening", "Time (UTC)", "Purpose", "For"), rows, caption=caption)
