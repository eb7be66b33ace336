"""The two text reports of an evaluation: the summary, and every metric of every model."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from analysis.evaluation.metrics import Metrics, metrics_text, number
from analysis.evaluation.provenance import WIDTH, Provenance, provenance_lines
from analysis.evaluation.tables import MACRO_COLUMNS, Intervals, Results
from analysis.retraining.candidates import Ranking
from ecg_tune.metrics import UNTUNED, Array
from ecg_tune.study.race_result import Raced, SeedScatter

TITLE = "ECG CLASSIFICATION - MODEL EVALUATION REPORT"
SUMMARY_FILE, DETAILED_FILE = "EVALUATION_SUMMARY.txt", "DETAILED_METRICS_REPORT.txt"
RULE, THIN = "=" * WIDTH, "-" * WIDTH


def summary_text(
    results: Results,
    rankings: Sequence[Ranking],
    provenance: Provenance,
    *,
    best: str,
    intervals: Intervals | None = None,
    choice: str = "highest validation macro AUC",
    race: Sequence[Raced] = (),
    scatter: Sequence[SeedScatter] = (),
) -> str:
    """Write the text of `EVALUATION_SUMMARY.txt`: the data, the best model and its metrics, the ranking of all models.

    Args:
        results: {model: metrics at its F1 thresholds}.
        rankings: The models with their validation results.
        best: The model chosen on validation.
        intervals: Of the results.
        choice: By what it was chosen.
        race: How the last race over seeds ended, the winner first.
        scatter: How far seeds scatter, by family.
    """
    chosen = next(ranking for ranking in rankings if ranking.name == best)
    lines = [RULE, TITLE, RULE, f"{'Evaluation Date:':<28}{provenance.date}"]
    of = "them" if len(results) > 2 else "its seeds"
    ensemble = f" (and an ensemble of {of})" if any(ranking.fitted_on_validation for ranking in rankings) else ""
    lines += [
        f"{'Number of Models Evaluated:':<28}{len(results) - bool(ensemble)}{ensemble}",
        f"{'Class Names:':<28}{', '.join(provenance.class_names)}",
        "",
    ]
    lines += [*provenance_lines(provenance), "", THIN]
    lines += [f"BEST MODEL: {best}", *textwrap.wrap(f"chosen by the {choice}, never by a test result", WIDTH), THIN]
    lines += [f"{'validation macro AUC':<26}{_validation(chosen)}"]
    for column, metric in MACRO_COLUMNS.items():
        lines.append(f"{'test ' + column + ' (macro)':<26}{_with_limits(results, best, metric, intervals)}")
    lines += ["", "Per class:", *_per_class(results[best], provenance.class_names)]
    lines += ["", THIN, "ALL MODELS, by validation macro AUC; means over classes and seeds", THIN, *_ranking(results, rankings, intervals)]
    lines += ["", *_remarks(results, rankings, best), *_race_lines(race, scatter)]
    return "\n".join(lines).rstrip() + "\n"


def detailed_text(
    results: Results,
    others: Mapping[str, Results],
    provenance: Provenance,
    *,
    best: str,
    thresholds: Mapping[str, Mapping[str, Array]],
    rule: str = "the thresholds as used",
    intervals: Intervals | None = None,
    sections: Sequence[Sequence[str]] = (),
) -> str:
    """Write the text of `DETAILED_METRICS_REPORT.txt`: every metric of every model, at the thresholds of each rule.

    Args:
        others: Metrics at other thresholds, {"At 0.5": {model: metrics}} and so on.
        thresholds: {model: {"thresholds, seed 0": (n_classes,)}} that `results` and `others` were computed with.
        rule: What the thresholds of `results` are called.
        sections: What comes after the models, each a title and its lines: comparisons, calibration and so on.
    """
    lines = [RULE, f"{TITLE}: ALL METRICS", RULE, *provenance_lines(provenance), f"{'Best model:':<20}{best} (by validation macro AUC)"]
    for name, metrics in results.items():
        lines += ["", RULE, name, RULE]
        for rule_and_seed, values in thresholds.get(name, {}).items():
            by_class = ", ".join(
                f"{c} {value:.10g}{' (not tuned)' if value == UNTUNED else ''}"
                for c, value in zip(provenance.class_names, values, strict=True)
            )
            lines.append(f"{rule_and_seed}: {by_class}")
        lines += ["", f"At {rule}, mean over seeds:", metrics_text(metrics, class_names=provenance.class_names)]
        if intervals is not None:
            lines += ["", *_interval_lines(intervals[name])]
        for other_rule, other in others.items():
            lines += ["", f"{other_rule}, mean over seeds:", metrics_text(other[name], class_names=provenance.class_names)]
    for section in sections:
        lines += ["", RULE, section[0], RULE, *section[1:]]
    return "\n".join(lines) + "\n"


def write_text(text: str, path: Path) -> Path:
    """Write a report as UTF-8; create its folder when it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _with_limits(results: Results, model: str, metric: str, intervals: Intervals | None) -> str:
    value = number(results[model]["macro_avg"][metric])
    if intervals is None:
        return value
    limits = intervals[model]["macro_avg"][metric]
    return f"{value} [{number(limits.low)}, {number(limits.high)}]"


def _validation(ranking: Ranking) -> str:
    deviation = "" if np.isnan(ranking.validation_sd) else f" ± {number(ranking.validation_sd)}"
    mark = " *" if ranking.fitted_on_validation else ""
    return f"{number(ranking.validation_macro_auc)}{deviation}{mark} ({ranking.n_seeds} seed{'s' if ranking.n_seeds > 1 else ''})"


def _per_class(metrics: Metrics, class_names: Sequence[str]) -> list[str]:
    head = f"{'':<8}" + "".join(f"{column:>13}" for column in MACRO_COLUMNS)
    rows = [f"{name:<8}" + "".join(f"{number(metrics[name][metric]):>13}" for metric in MACRO_COLUMNS.values()) for name in class_names]
    return [head, *rows]


def _ranking(results: Results, rankings: Sequence[Ranking], intervals: Intervals | None) -> list[str]:
    width = max(12, *(len(ranking.name) + 2 for ranking in rankings))
    lines = [f"{'':<{width}}{'validation AUC':<28}{'test AUC-ROC':<26}{'test F1-Score':<26}"]
    for ranking in rankings:
        cells = [_with_limits(results, ranking.name, metric, intervals) for metric in ("auc_roc", "f1_score")]
        lines.append(f"{ranking.name:<{width}}{_validation(ranking):<28}" + "".join(f"{cell:<26}" for cell in cells))
    return [line.rstrip() for line in lines]


def _remarks(results: Results, rankings: Sequence[Ranking], best: str) -> list[str]:
    lines = []
    aucs = {name: metrics["macro_avg"]["auc_roc"] for name, metrics in results.items()}
    ahead = [name for name, auc in aucs.items() if auc > aucs[best]]
    if ahead:
        lines.append(f"On the test split {', '.join(ahead)} had a higher macro AUC than {best}.")
        lines.append("The choice stays: it was made on validation.")
    if len(results) > 1:
        lines.append("Overlapping intervals don't show two models to be equal, and the models share their records:")
        lines.append("only a paired comparison tells them apart (end of DETAILED_METRICS_REPORT.txt).")
    for ranking in rankings:
        if ranking.fitted_on_validation:
            lines.append(f"* {ranking.name}: its members were chosen on these validation records, so the value flatters it, and it is")
            lines.append("never the best model. Members and weights: end of DETAILED_METRICS_REPORT.txt.")
    for ranking in rankings:
        if ranking.search_value is not None:
            gap = ranking.search_value - ranking.validation_macro_auc
            retrained = f"retrained {number(ranking.validation_macro_auc)} (gap {gap:+.4f})"
            lines.append(f"{ranking.name}: validation value in the search {number(ranking.search_value)}, {retrained}.")
    if any(ranking.search_value is not None for ranking in rankings):
        lines.append("A search's best values are picked from many, so they flatter; the gap shows by how much.")
    return lines


def _race_lines(race: Sequence[Raced], scatter: Sequence[SeedScatter]) -> list[str]:
    lines = ["", f"Race of {len(race)} trials over {race[0].over}:"] if race else []
    lines += [f"{place}. trial {racer.trial} {racer.family}: {racer.text()}" for place, racer in enumerate(race, 1)]
    return [*lines, *(f"{family.family}: {family.text()}" for family in scatter if family.sd is not None)]


def _interval_lines(rows: Mapping[str, Mapping[str, object]]) -> list[str]:
    lines = ["95 % intervals [low, high] of the mean over seeds; resamples without a value in brackets:"]
    for row, limits in rows.items():
        cells = []
        for column, metric in MACRO_COLUMNS.items():
            limit = limits[metric]
            low, high, n_undefined = (getattr(limit, name) for name in ("low", "high", "n_undefined"))
            cells.append(f"{column} [{number(low)}, {number(high)}]" + (f" ({n_undefined})" if n_undefined else ""))
        lines.append(f"{row + ':':<11}" + "; ".join(cells[:4]))
        lines.append(" " * 11 + "; ".join(cells[4:]))
    return lines
