"""The files of an evaluation: tables, predictions, reports, figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from analysis.evaluation.ensemble_table import ensemble_lines
from analysis.evaluation.errors.error_analysis import DRAWN, WORST, draw_errors, error_sections
from analysis.evaluation.explanations.figures import EXPLANATION_FIGURE, explanation_figure
from analysis.evaluation.explanations.model_explanations import EXPLANATIONS
from analysis.evaluation.explanations.text_section import explained_lines
from analysis.evaluation.external_difference import DIFFERENCE, difference_figure, difference_lines
from analysis.evaluation.plots.figures import FOLDER, draw_predictions, generate_visualizations
from analysis.evaluation.predictions import ModelPredictions
from analysis.evaluation.provenance import figure_note, untuned_text
from analysis.evaluation.report.model_card import CARD, model_card
from analysis.evaluation.report.page import REPORT, report_page
from analysis.evaluation.report.paired_text import paired_lines
from analysis.evaluation.report.subgroup_text import subgroup_figure, subgroup_lines
from analysis.evaluation.report.text_reports import DETAILED_FILE, SUMMARY_FILE, detailed_text, summary_text, write_text
from analysis.evaluation.report.tripod import TRIPOD, TRIPOD_CSV, tripod_table, tripod_text
from analysis.evaluation.result import CALIBRATION, COST, DECISION, FITTED, MEMBERS, PAIRED, SUBGROUPS, EvaluationResult
from analysis.evaluation.result_folder import whole_results
from analysis.evaluation.statistics.calibration_table import AFTER, BEFORE, calibration_lines
from analysis.evaluation.statistics.cost_table import cost_lines
from analysis.evaluation.statistics.decision import decision_figure, decision_lines
from analysis.evaluation.statistics.reliability import reliability_data, reliability_figure
from analysis.evaluation.tables import (
    THRESHOLDED,
    generate_best_model_table,
    generate_macro_table,
    generate_per_class_tables,
    predictions_table,
    with_provenance,
    write_predictions,
    write_table,
)
from analysis.plots import saved
from ecg_tune.data.prepared.dataset import PreparedData, Split
from ecg_tune.metrics import Array

HALF, SENSITIVITY = "_at_0.5", "_at_sensitivity_target"


def write_evaluation(
    result: EvaluationResult, data: PreparedData, test: Split, predictions: Mapping[str, ModelPredictions], weights: Array
) -> None:
    """Write everything into `result.out`, in the place of the last evaluation there.

    Args:
        weights: (n_records, n_resamples) of `analysis.evaluation.statistics.bootstrap.patient_weights`.
    """
    with whole_results(result.out) as scratch:
        _write(dataclasses.replace(result, out=scratch), data, test, predictions, weights)


def _write(result: EvaluationResult, data: PreparedData, test: Split, predictions: Mapping[str, ModelPredictions], weights: Array) -> None:
    _draw(result, test, predictions, weights)
    _draw_statistics(result, test, predictions[result.best], weights)
    drawn = draw_errors(result.tables, data, test, predictions, result.out / FOLDER, best=result.best, provenance=result.provenance)
    shown = result.tables[WORST].assign(**{DRAWN: [*drawn, *[""] * (len(result.tables[WORST]) - len(drawn))]})
    result = dataclasses.replace(result, tables=result.tables | {WORST: shown})
    _draw_explanations(result, test)
    _write_tables(result, test, predictions)
    _write_reports(result, predictions)
    write_text(model_card(result, data.manifest), result.out / CARD)
    write_text(tripod_text(result.provenance), result.out / TRIPOD)
    write_table(tripod_table(), result.out, TRIPOD_CSV)
    write_text(report_page(result, data.manifest), result.out / REPORT)


def _write_tables(result: EvaluationResult, test: Split, predictions: Mapping[str, ModelPredictions]) -> None:
    out, names = result.out, result.provenance.class_names
    generate_macro_table(result.metrics, out, intervals=result.intervals)
    generate_per_class_tables(result.metrics, out, class_names=names)
    for suffix, models in ((HALF, result.at_half), (SENSITIVITY, result.at_sensitivity)):
        generate_macro_table(models.metrics, out, intervals=models.intervals, suffix=suffix)
        generate_per_class_tables(models.metrics, out, class_names=names, metrics=THRESHOLDED, suffix=suffix)
    generate_best_model_table(result.metrics, result.best, out, class_names=names, intervals=result.intervals)
    for name, table in result.tables.items():
        facts = table if name == COST else with_provenance(table, result.provenance)  # the cost rests on no test record
        write_table(facts, out, name, number_format=None if name == FITTED else "%.6g")  # a rounded threshold could move a record
    probabilities = {f"{model.name}_seed{seed.seed}": seed.test for model in predictions.values() for seed in model.seeds}
    table = predictions_table(test.labels, test.records, probabilities, class_names=names)
    best_seeds = {model.name: model.seeds[model.chosen].seed for model in predictions.values()}
    write_predictions(table, result.provenance, out, best=result.best, choice=result.choice, best_seeds=best_seeds)


def _write_reports(result: EvaluationResult, predictions: Mapping[str, ModelPredictions]) -> None:
    best, limits, provenance = result.best, result.intervals, result.provenance
    summary = summary_text(
        result.metrics, result.rankings, provenance, best=best, intervals=limits, choice=result.choice, race=result.race,
        scatter=result.scatter,
    )  # fmt: skip
    if result.difference_note:
        summary += "\n".join(["", *difference_lines(result, [best])]) + "\n"
    write_text(summary, result.out / SUMMARY_FILE)
    wanted = f"sensitivity >= {result.sensitivity_target:g} on validation"
    thresholds = {
        name: {f"F1 thresholds, seed {seed.seed}": seed.f1_thresholds for seed in model.seeds}
        | {f"thresholds for {wanted}, seed {seed.seed}": seed.sensitivity_thresholds for seed in model.seeds}
        for name, model in predictions.items()
    }
    untuned = f" ({text})" if (text := untuned_text(provenance)) else ""
    others = {"At 0.5": result.at_half.metrics, f"At the thresholds for {wanted}{untuned}": result.at_sensitivity.metrics}
    sections = [paired_lines(result.tables[PAIRED], best=best), calibration_lines(result.tables[CALIBRATION], best=best)]
    sections += [decision_lines(result.tables[DECISION]), subgroup_lines(result.tables[SUBGROUPS], model=best)]
    sections += [*error_sections(result.tables, best=best), explained_lines(result.tables[EXPLANATIONS]), cost_lines(result.tables[COST])]
    if result.difference_note:
        sections.append(difference_lines(result, list(result.metrics)))
    if MEMBERS in result.tables:
        sections.append(ensemble_lines(result.tables[MEMBERS], result.rankings[-1]))
    text = detailed_text(
        result.metrics, others, provenance, best=best, thresholds=thresholds, rule="the F1 thresholds", intervals=limits, sections=sections
    )
    write_text(text, result.out / DETAILED_FILE)


def _draw(result: EvaluationResult, test: Split, predictions: Mapping[str, ModelPredictions], weights: Array) -> None:
    out, names, best, note = result.out, result.provenance.class_names, result.best, figure_note(result.provenance)
    probabilities = {name: [seed.test for seed in model.seeds] for name, model in predictions.items()}
    generate_visualizations(result.metrics, out, class_names=names, best=best, intervals=result.intervals, note=note)
    limits = result.intervals[best]
    draw_predictions(
        test.labels, probabilities, result.metrics[best], out, class_names=names, best=best, limits=limits, weights=weights, note=note
    )


def _draw_statistics(result: EvaluationResult, test: Split, model: ModelPredictions, weights: Array) -> None:
    folder, names, seed = result.out / FOLDER, result.provenance.class_names, model.seeds[model.chosen]
    note = f"Model: {model.name}. {figure_note(result.provenance)}"
    one = f" Seed {seed.seed} of {len(model.seeds)}, the best on validation." if len(model.seeds) > 1 else ""
    truth = test.labels.astype(bool)
    curves = {
        scaling: [reliability_data(truth[:, k], probabilities[:, k], weights) for k in range(len(names))]
        for scaling, probabilities in ((BEFORE, seed.test), (AFTER, seed.calibrated))
    }
    n_positives = result.provenance.n_positives
    figure = reliability_figure(curves, class_names=names, n_positives=[n_positives[name] for name in names], note=note + one)
    saved(figure, folder / "13_reliability_curves.png")
    saved(decision_figure(result.tables[DECISION], n_positives=n_positives, note=note), folder / "14_decision_curves.png")
    figure = subgroup_figure(result.tables[SUBGROUPS], model=model.name, note=figure_note(result.provenance))
    saved(figure, folder / "15_subgroups.png")
    if DIFFERENCE in result.tables:
        figure = difference_figure(result.tables[DIFFERENCE], model=model.name, note=figure_note(result.provenance))
        saved(figure, folder / f"{DIFFERENCE}.png")


def _draw_explanations(result: EvaluationResult, test: Split) -> None:
    for model in result.explanations:
        ids = [int(test.records["ecg_id"][case.row]) for case in model.cases]
        figure = explanation_figure(model, class_names=result.provenance.class_names, ids=ids, note=figure_note(result.provenance))
        saved(figure, result.out / FOLDER / EXPLANATION_FIGURE.format(model.kind))
