"""Section "How it was chosen": the rules that chose the best model, the thresholds and the intervals."""

from __future__ import annotations

import math

import numpy as np

from analysis.evaluation.ensemble_table import chosen_members, held_out_text, rules_text
from analysis.evaluation.metrics import number
from analysis.evaluation.provenance import interval_rule, thresholds_text, trained_on_text
from analysis.evaluation.report.elements import Bullets, Cell, Element, Facts, Paragraph, ReportSection, Table
from analysis.evaluation.result import MEMBERS, EvaluationResult
from analysis.retraining.candidates import Ranking
from ecg_tune.metrics import UNTUNED_RULE
from ecg_tune.study.race_result import Raced

CHOICES = (
    "Every choice was made on the validation split before the test split was opened: early stopping and the kept epoch, thresholds, "
    "Platt scaling, and the best model (the winner of a race over seeds, else the highest mean validation macro AUC over its seeds).",
    "Test results change none of these choices: if another model does better on test, the report says so and the choice stays.",
    "The search looks at validation again and again, so validation values are optimistic; the gap between a trial's value in the search "
    "and after retraining shows by how much.",
    "Each row is one retrained trial; each metric is computed for every seed and averaged over the seeds.",
)


def selection_section(result: EvaluationResult) -> ReportSection:
    """State how models, thresholds and intervals were chosen, and rank the models by validation."""
    provenance = result.provenance
    reached = f"per class, the highest that reaches sensitivity {result.sensitivity_target:g} on validation"
    rules = {
        "Models trained on": trained_on_text(provenance),
        "F1 thresholds": thresholds_text(provenance),
        "Sensitivity thresholds": f"{reached}; {UNTUNED_RULE}",
        "Intervals": interval_rule(provenance),
        "Undefined": "n/a: an AUC needs records with the class and records without it; a resample that lacks one of them is left out",
    }
    elements = (Bullets(CHOICES), Facts(rules), _rankings(result), *_race(result), *_scatter(result), *_ensemble_members(result))
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


def _race(result: EvaluationResult) -> tuple[Element, ...]:
    if not result.race:
        return ()
    over = result.race[0].over
    columns = ("Trial", "Family", over.capitalize(), f"Mean over {over}", "In the search", "Gap (search − race)")
    caption = (
        f"The race of the search's best trials over {over}, by {'macro AUC on them' if over == 'folds' else 'validation macro AUC'} "
        f"with the 95 % interval of the mean (Student's t): the better half of the racers got more {over}, twice. The search's values, "
        "which chose the racers, are not counted. "
        + (f"It was won by {result.race_winner}." if result.race_winner else "Its winner is not among the models of this report.")
    )
    return (Table("race", columns, [_race_row(racer) for racer in result.race], caption=caption),)


def _race_row(racer: Raced) -> list[str | Cell]:
    low, high = racer.interval or (math.nan, math.nan)
    mean = Cell("n/a" if racer.mean is None else number(racer.mean), f"[{number(low)}, {number(high)}]" if racer.interval else "")
    search = "" if racer.search_value is None else number(racer.search_value)
    return [str(racer.trial), racer.family, str(racer.seeds), mean, search, "" if racer.gap is None else f"{racer.gap:+.4f}"]


def _scatter(result: EvaluationResult) -> tuple[Element, ...]:
    known = [family for family in result.scatter if family.sd is not None or family.gap is not None]
    if not known:
        return ()
    columns = ("Family", "Trials", "Trainings", "sd over seeds", "Mean gap to the search")
    rows = [
        [
            family.family,
            str(family.trials),
            str(family.trainings),
            "" if family.sd is None else number(family.sd),
            "" if family.gap is None else f"{family.gap:+.4f}",
        ]
        for family in known
    ]
    caption = "What another seed changes, by family: the standard deviation of the validation macro AUC over seeds of one config, pooled."
    return (Table("scatter", columns, rows, caption=caption),)


def _ensemble_members(result: EvaluationResult) -> tuple[Element, ...]:
    if MEMBERS not in result.tables:
        return ()
    members, count = chosen_members(result.tables[MEMBERS])
    rows = [[row.Model, str(row.Seed), f"{row.Weight:.3f}", number(row.Validation_macro_AUC)] for row in members.itertuples()]
    columns = ("Model", "Seed", "Weight", "Its own validation macro AUC")
    held_out = held_out_text(result.tables[MEMBERS])
    table = Table(MEMBERS, columns, rows, caption=f"What the ensemble is made of: {count}.")
    return Paragraph(rules_text(result.tables[MEMBERS])), *([Paragraph(held_out)] if held_out else []), table
