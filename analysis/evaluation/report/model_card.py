"""The model card (Mitchell et al., 2019) of an evaluation's best model. Its words are in `templates/model_card.md`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.evaluation.metrics import number
from analysis.evaluation.provenance import interval_rule, records_text, thresholds_text, trained_on_text
from analysis.evaluation.report.disclaimers import NOT_CLINICAL, from_ptbxl, limits, opened_text, warnings
from analysis.evaluation.result import CALIBRATION, COST, SUBGROUPS, EvaluationResult
from analysis.evaluation.statistics.subgroups import LEAST_LABELS
from analysis.evaluation.tables import MACRO_COLUMNS
from analysis.templating import render_text

CARD = "MODEL_CARD.md"


def model_card(result: EvaluationResult, manifest: Mapping[str, Any]) -> str:
    """Write the text of `MODEL_CARD.md`.

    Args:
        manifest: Of the prepared data.
    """
    provenance, counts = result.provenance, manifest["counts"]
    ranking = next(candidate for candidate in result.rankings if candidate.name == result.best)
    return render_text(
        "analysis.evaluation.report",
        "model_card.md",
        model=result.best,
        provenance=provenance,
        synthetic=provenance.synthetic,
        ptbxl=from_ptbxl(manifest),
        warnings=warnings(provenance),
        disclaimer=NOT_CLINICAL,
        duration=f"{manifest['n_samples'] / provenance.sampling_rate_hz:.4g} s" if provenance.leads else "",
        cost=_cost(result),
        choice=result.choice,
        trained_on=trained_on_text(provenance),
        search_value="" if ranking.search_value is None else number(ranking.search_value),
        validation_macro_auc=number(ranking.validation_macro_auc),
        n_seeds=ranking.n_seeds,
        splits=[
            f"{split} {records_text(n['records'], n['patients'], patients_known=provenance.patients_known)}" for split, n in counts.items()
        ],
        opened=opened_text(provenance),
        thresholds=thresholds_text(provenance),
        interval_rule=interval_rule(provenance),
        metric_names=list(MACRO_COLUMNS),
        performance=_performance(result),
        calibration=_calibration(result),
        subgroups=_subgroups(result),
        least_labels=LEAST_LABELS,
        limits=limits(provenance, manifest),
    )


def _cost(result: EvaluationResult) -> dict[str, str]:
    cost = result.tables[COST].set_index("Model").loc[result.best]
    return {
        "family": cost["Family"],
        "input": cost["Input"],
        "parameters": f"{int(cost['Parameters']):,}",
        "million_macs": f"{cost['MACs_per_record'] / 1e6:,.1f}",
    }


def _performance(result: EvaluationResult) -> list[list[str]]:
    """List the best model's metrics with intervals: a row for the means over classes, then one for each class."""
    metrics, intervals = result.metrics[result.best], result.intervals[result.best]
    rows = []
    for name in ("macro_avg", *result.provenance.class_names):
        cells = [_with_interval(metrics[name][m], intervals[name][m].low, intervals[name][m].high) for m in MACRO_COLUMNS.values()]
        rows.append([name, *cells, str(result.provenance.n_positives.get(name, ""))])
    return rows


def _calibration(result: EvaluationResult) -> list[str]:
    """Say how well calibrated the best model is before and after Platt scaling; empty when no class has both kinds of record."""
    table = result.tables[CALIBRATION]
    rows = table[(table["Model"] == result.best) & (table["Class"] == "macro_avg")]
    return [f"{r.Scaling}: ECE {_with_interval(r.ECE, r.ECE_lo, r.ECE_hi)}, Brier score {number(r.Brier)}" for r in rows.itertuples()]


def _subgroups(result: EvaluationResult) -> list[list[str]]:
    """List group, size, AUC, the AUC of all records and the classes of both, for every group that is large enough."""
    table = result.tables[SUBGROUPS]
    shown = table[(table["Class"] == "macro_avg") & (table["Suppressed"] == "")]
    return [
        [f"{r.Attribute}: {r.Group}", str(r.Records), _with_interval(r.AUC, r.AUC_lo, r.AUC_hi), number(r.AUC_of_all), r.Classes]
        for r in shown.itertuples()
    ]


def _with_interval(value: float, low: float, high: float) -> str:
    return f"{number(value)} [{number(low)}, {number(high)}]"
