"""The model card (Mitchell et al., 2019) of an evaluation's best model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.evaluation.metrics import number
from analysis.evaluation.provenance import interval_rule
from analysis.evaluation.report.closing import limits
from analysis.evaluation.report.foundations import NOT_CLINICAL, SYNTHETIC, opened_text
from analysis.evaluation.result import CALIBRATION, COST, SUBGROUPS, EvaluationResult
from analysis.evaluation.tables import MACRO_COLUMNS

CARD = "MODEL_CARD.md"
PTBXL = (
    "PTB-XL (Wagner et al., Scientific Data 7, 154, 2020, doi 10.1038/s41597-020-0495-6; PhysioNet, doi 10.13026/kfzx-aw45), "
    "Creative Commons Attribution 4.0 International: name the source and say what was changed"
)
SIMULATED = "records simulated by ecg-tune in the layout of PTB-XL; no patient is behind them"


def model_card(result: EvaluationResult, manifest: Mapping[str, Any]) -> str:
    """Return `MODEL_CARD.md`.

    Args:
        manifest: Of the prepared data.
    """
    provenance, best = result.provenance, result.best
    cost = result.tables[COST].set_index("Model").loc[best]
    ranking = next(one for one in result.rankings if one.name == best)
    counts = manifest["counts"]
    parts = ", ".join(f"{part} {counts[part]['records']} records of {counts[part]['patients']} patients" for part in counts)
    lines = [f"# Model card: {best}", ""]
    lines += [f"**{SYNTHETIC}**", ""] if provenance.synthetic else []
    lines += [f"**{NOT_CLINICAL}** Written by `ecg-tune evaluate`, {provenance.date}, for {provenance.study}.", "", "## Model"]
    lines += [
        f"- Family {cost['Family']}, {int(cost['Parameters']):,} parameters, {cost['MACs_per_record'] / 1e6:,.1f} million MACs a record"
    ]
    lines += [f"- Input: 10 s ECG, leads {', '.join(provenance.leads)} at {provenance.sampling_rate_hz} Hz in millivolts ({cost['Input']})"]
    lines += [f"- Output: one probability for each of {', '.join(provenance.class_names)}; a record may have several or none"]
    lines += [
        f"- Chosen by validation macro AUC, {number(ranking.validation_macro_auc)} over {ranking.n_seeds} seed(s), never by a test result"
    ]
    lines += ["", "## Intended use", "- Research: comparing classifiers and methods on this data set and split"]
    lines += ["- Not for diagnosis, triage, screening or any other use on patients; not evaluated outside this data set"]
    lines += ["- Not for other leads, rates, recording lengths or children; not for classes that are not in the list"]
    lines += ["", "## Data", f"- {SIMULATED if provenance.synthetic else PTBXL}", f"- Labels: {provenance.label_rule}"]
    lines += [f"- Split {provenance.split}, patient-disjoint: {parts}", f"- Fingerprint `{provenance.fingerprint}`"]
    lines += [f"- The seal: {opened_text(provenance)}", "", "## Performance on the test part"]
    lines += [f"{provenance.n_records} records of {provenance.n_patients} patients. Thresholds: {provenance.threshold_rule}.", ""]
    lines += [f"Intervals: {interval_rule(provenance.bootstrap)}.", "", *_performance(result), "", "## Calibration", _calibration(result)]
    lines += ["", "## Subgroups", *_subgroups(result), "", "## Limits", *(f"- {line}" for line in limits(provenance))]
    lines += ["", "## Licence", f"- Data: {'none needed, they are simulated' if provenance.synthetic else 'CC BY 4.0'}"]
    lines += ["- Code and weights: all rights reserved until the owner chooses a licence (LICENSE)", ""]
    return "\n".join(lines)


def _performance(result: EvaluationResult) -> list[str]:
    """Return the best model's metrics as a table in Markdown, with intervals."""
    metrics, intervals = result.metrics[result.best], result.intervals[result.best]
    lines = ["| | " + " | ".join(MACRO_COLUMNS) + " | n+ |", "|---|" + "---|" * (len(MACRO_COLUMNS) + 1)]
    for name in ("macro_avg", *result.provenance.class_names):
        cells = []
        for metric in MACRO_COLUMNS.values():
            limit = intervals[name][metric]
            cells.append(f"{number(metrics[name][metric])} [{number(limit.low)}, {number(limit.high)}]")
        positives = str(result.provenance.n_positives[name]) if name in result.provenance.n_positives else ""
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {positives} |")
    return lines


def _calibration(result: EvaluationResult) -> str:
    table = result.tables[CALIBRATION]
    rows = table[(table["Model"] == result.best) & (table["Class"] == "macro_avg")]
    if rows.empty:
        return "n/a: no class with both kinds of record."
    words = [
        f"{r.Scaling}: ECE {number(r.ECE)} [{number(r.ECE_lo)}, {number(r.ECE_hi)}], Brier score {number(r.Brier)}"
        for r in rows.itertuples()
    ]
    return "; ".join(words) + " (means over classes; Platt scaling fitted on validation)."


def _subgroups(result: EvaluationResult) -> list[str]:
    table = result.tables[SUBGROUPS]
    shown = table[(table["Class"] == "macro_avg") & (table["Suppressed"] == "")]
    lines = ["| group | records | macro AUC | same classes, all records |", "|---|---|---|---|"]
    for r in shown.itertuples():
        auc = f"{number(r.AUC)} [{number(r.AUC_lo)}, {number(r.AUC_hi)}]"
        lines.append(f"| {r.Attribute}: {r.Group} | {r.Records} | {auc} | {number(r.AUC_of_all)} |")
    return [*lines, "", "Groups too small for a number are in `15_subgroups.csv`. Among so many groups some stand out by chance."]
