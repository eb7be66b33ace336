"""The report's beginning: what was found in one glance, what it rests on, how it was chosen."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.evaluation.metrics import number
from analysis.evaluation.provenance import Provenance, Ranking, interval_rule, trained_on_text
from analysis.evaluation.report.markup import Section, bullets, facts, paragraph, table
from analysis.evaluation.result import MEMBERS, EvaluationResult
from analysis.retraining.ensemble import RULES as ENSEMBLE_RULES

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


def opened_text(provenance: Provenance) -> str:
    """Return how often the test part was opened, as a clause."""
    n = len(provenance.openings)
    return f"this test part has been opened {n} time{'' if n == 1 else 's'}"


def head(result: EvaluationResult) -> str:
    """Return the page's head as markup: title, warnings, the numbers to remember."""
    provenance, best = result.provenance, result.best
    banner = paragraph(SYNTHETIC, kind="banner") if provenance.synthetic else ""
    ranking = next(one for one in result.rankings if one.name == best)
    tiles = [("Best model", best, f"highest validation macro AUC, {number(ranking.validation_macro_auc)}, of {_n_chosen_from(result)}")]
    for metric, name in (("auc_roc", "Test macro AUC-ROC"), ("f1_score", "Test macro F1-Score")):
        limits = result.intervals[best]["macro_avg"][metric]
        tiles.append((name, number(result.metrics[best]["macro_avg"][metric]), f"95 % [{number(limits.low)}, {number(limits.high)}]"))
    tiles.append(("Test records", str(provenance.n_records), f"of {provenance.n_patients} patients, split {provenance.split}"))
    tiles.append(("Test part opened", str(len(provenance.openings)), opened_text(provenance)))
    return (
        f'<h1>ECG classification: evaluation report</h1><p class="soft">{html.escape(provenance.study)}, {html.escape(provenance.date)}. '
        f"{html.escape(NOT_CLINICAL)}</p>{banner}" + f'<div class="tiles">{"".join(_tile(*tile) for tile in tiles)}</div>'
    )


def data_section(result: EvaluationResult, manifest: Mapping[str, Any]) -> Section:
    """Return what the numbers rest on: source, labels, exclusions, split, ledger."""
    provenance = result.provenance
    source = manifest.get("source", {})
    words = [str(source[key]) for key in ("name", "version") if key in source] if isinstance(source, Mapping) else [str(source)]
    scale = manifest["normalisation"]
    rows = {
        "Study": provenance.study,
        "Source": ", ".join(words) + (" (SYNTHETIC)" if provenance.synthetic else ""),
        "Split": f"{provenance.split}, patient-disjoint (checked when the data were prepared)",
        "Test part": f"{provenance.n_records} records of {provenance.n_patients} patients; {opened_text(provenance)}",
        "Input": f"leads {', '.join(provenance.leads)} at {provenance.sampling_rate_hz} Hz",
        "Classes": ", ".join(provenance.class_names),
        "Label rule": provenance.label_rule,
        "Normalisation": f"{scale['kind']}, standard deviation of the training part {scale['scale_mv']:.4g} mV",
        "Data fingerprint": provenance.fingerprint,
    }
    body = facts(rows) + _exclusions(manifest) + _parts(provenance, manifest) + _ledger(provenance)
    if provenance.absent_classes:
        names = ", ".join(provenance.absent_classes)
        body += paragraph(
            f"No positive test record: {names}. Such a class has no AUC (n/a), and means over classes leave it out.", kind="empty"
        )
    return Section("data", "Data, split and seal", body)


def choice_section(result: EvaluationResult) -> Section:
    """Return how models, thresholds and intervals came about."""
    provenance = result.provenance
    rules = {
        "Models trained on": trained_on_text(provenance),
        "F1 thresholds": provenance.threshold_rule,
        "Sensitivity thresholds": f"per class, the highest that reaches sensitivity {result.sensitivity_target:g} on validation",
        "Intervals": interval_rule(provenance.bootstrap),
        "Undefined": "n/a: a class with one kind of record has no AUC; a resample with one kind of record is left out of its interval",
    }
    rows = [_ranking_row(ranking) for ranking in result.rankings]
    columns = ("Model", "Seeds", "Validation macro AUC", "sd over seeds", "Value in the search", "Gap (search − retrained)")
    ranking = table("standings", columns, rows, caption="The models by validation, the only ground of the choice.", strong=result.best)
    return Section("choice", "How it was chosen", bullets(CHOICES) + facts(rules) + ranking + _members(result))


def _n_chosen_from(result: EvaluationResult) -> int:
    return sum(not ranking.fitted_on_validation for ranking in result.rankings)


def _members(result: EvaluationResult) -> str:
    if MEMBERS not in result.tables:
        return ""
    rows = [[row.Model, f"{row.Weight:.3f}", number(row.Validation_macro_AUC)] for row in result.tables[MEMBERS].itertuples()]
    columns = ("Model", "Weight", "Its own validation macro AUC")
    return paragraph(ENSEMBLE_RULES) + table(MEMBERS, columns, rows, caption="What the ensemble is made of.")


def _ranking_row(ranking: Ranking) -> list[str]:
    value = ranking.search_value
    search = ["", ""] if value is None else [number(value), f"{value - ranking.validation_macro_auc:+.4f}"]
    seen = number(ranking.validation_macro_auc) + (" (fitted on these records)" if ranking.fitted_on_validation else "")
    spread = "" if np.isnan(ranking.validation_sd) else number(ranking.validation_sd)
    return [ranking.name, str(ranking.n_seeds), seen, spread, *search]


def _tile(name: str, value: str, more: str) -> str:
    parts = zip(("name", "value", "more"), (name, value, more), strict=True)
    return '<div class="tile">' + "".join(f'<div class="{kind}">{html.escape(text)}</div>' for kind, text in parts) + "</div>"


def _exclusions(manifest: Mapping[str, Any]) -> str:
    steps = manifest.get("exclusions")
    if not steps:
        return paragraph("Exclusions: not recorded by whoever prepared these data.")
    rows = [(str(name), str(count)) for name, count in steps.items()]
    return table("exclusions", ("Step", "Records"), rows, caption="Records read, left out and kept; nothing else was dropped.")


def _parts(provenance: Provenance, manifest: Mapping[str, Any]) -> str:
    columns = ("Part", "Records", "Patients", *provenance.class_names)
    counts = manifest["counts"]
    rows = [[part, *(str(counts[part][key]) for key in ("records", "patients", *provenance.class_names))] for part in counts]
    return table("parts", columns, rows, caption="The parts of the split, with the positives of each class (a record may have several).")


def _ledger(provenance: Provenance) -> str:
    rows = [(str(i), line["time"][:19], line["purpose"], line.get("study", "")) for i, line in enumerate(provenance.openings, start=1)]
    caption = f"The ledger of the test part's fingerprint: {opened_text(provenance)}, this evaluation included. "
    caption += "Whoever looked before could have let it guide them: p values and intervals hold for a part that is opened once."
    return table("ledger", ("Opening", "Time (UTC)", "Purpose", "For"), rows, caption=caption)
