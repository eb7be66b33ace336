"""Section "How it was chosen": the rules that chose the best model, the thresholds and the intervals."""

from __future__ import annotations

import numpy as np

from analysis.evaluation.metrics import number
from analysis.evaluation.provenance import interval_rule, trained_on_text
from analysis.evaluation.report.elements import Bullets, Element, Facts, Paragraph, ReportSection, Table
from analysis.evaluation.result import MEMBERS, EvaluationResult
from analysis.retraining.candidates import Ranking
from analysis.retraining.ensemble import RULES as ENSEMBLE_RULES

CHOICES = (
    "Every choice was made on the validation split before the test split was opened: early stopping and the kept epoch, thresholds, "
    "Platt scaling, and the best model (highest mean validation macro AUC over its seeds).",
    "Test results change none of these choices: if another model does better on test, the report says so and the choice stays.",
    "The search looks at validation again and again, so validation values are optimistic; the gap between a trial's value in the search "
    "and after retraining shows by how much.",
    "Each row is one retrained trial; each metric is computed for every seed and averaged over the seeds.",
)


def selection_section(result: EvaluationResult) -> ReportSection:
    """State how models, thresholds and intervals were chosen, and rank the models by validation."""
    provenance = result.provenance
    rules = {
        "Models trained on": trained_on_text(provenance),
        "F1 thresholds": provenance.threshold_rule,
        "Sensitivity thresholds": f"per class, the highest that reaches sensitivity {result.sensitivity_target:g} on validation",
        "Intervals": interval_rule(provenance.bootstrap),
        "Undefined": "n/a: an AUC needs records with the class and records without it; a resample that lacks one of them is left out",
    }
    elements = (Bullets(CHOICES), Facts(rules), _rankings(result), *_ensemble_members(result))
    return ReportSection("choice", "How it was chosen", elements)


def _rankings(result: EvaluationResult) -> Table:
    columns = ("Model", "Seeds", "Validation macro AUC", "sd over seeds", "Value in the search", "Gap (search − retrained)")
    rows = [_ranking_row(ranking) for ranking in result.rankings]
    return Table("standings", columns, rows, caption="The models ranked by validation, which alone decides the choice.", marked=result.best)


def _ranking_row(ranking: Ranking) -> list[str]:
    value = ranking.search_value
    search = ["", ""] if value is None else [number(value), f"{value - ranking.validation_macro_auc:+.4f}"]
    validation = number(ranking.validation_macro_auc) + (" (fitted on these records)" if ranking.fitted_on_validation else "")
    deviation = "" if np.isnan(ranking.validation_sd) else number(ranking.validation_sd)
    return [ranking.name, str(ranking.n_seeds), validation, deviation, *search]


def _ensemble_members(result: EvaluationResult) -> tuple[Element, ...]:
    if MEMBERS not in result.tables:
        return ()
    rows = [[row.Model, f"{row.Weight:.3f}", number(row.Validation_macro_AUC)] for row in result.tables[MEMBERS].itertuples()]
    columns = ("Model", "Weight", "Its own validation macro AUC")
    return Paragraph(ENSEMBLE_RULES), Table(MEMBERS, columns, rows, caption="What the ensemble is made of.")
