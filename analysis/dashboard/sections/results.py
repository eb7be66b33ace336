"""What the search found: Pareto front, distribution, the race over seeds, best trials, classes."""

from __future__ import annotations

from analysis.dashboard.figures.best import best_data, best_table
from analysis.dashboard.figures.classes import classes_data, classes_figure
from analysis.dashboard.figures.edf import edf_data, edf_figure
from analysis.dashboard.figures.pareto import pareto_data, pareto_figure, pareto_table
from analysis.dashboard.figures.style import ABSENT
from analysis.dashboard.sections.section import Panel, Section, empty_section, plain_section
from analysis.dashboard.sections.study_data import StudyData
from analysis.templating import render
from ecg_tune.study.race_result import scatter_by_family

NONE_COMPLETE = "No trial is complete yet"


def pareto(study: StudyData) -> Section:
    objectives = study.summary.objectives
    if len(objectives) < 2:
        return empty_section(
            "pareto", "This study has one objective; --minimise parameters (or macs, latency_ms) would give it a second one."
        )
    data = pareto_data(study.trials, objectives=objectives)
    if not data.trials:
        return empty_section("pareto", f"{NONE_COMPLETE}, so nothing is on the front.")
    figures = [Panel(figure=pareto_figure(data, cost)) for cost in range(1, len(objectives))]
    note = f"{len(data.front)} of {len(data.trials)} complete trials are on the front."
    return plain_section("pareto", [*figures, Panel(note=note, table=pareto_table(data))], panel_width=520)


def edf(study: StudyData) -> Section:
    data = edf_data(study.trials, metric=study.summary.metric)
    if not data.families:
        return empty_section("edf", "No trial has a value or a forecast yet: there is nothing to distribute.")
    return plain_section("edf", (Panel(figure=edf_figure(data)),))


def race(study: StudyData) -> Section:
    racers = study.summary.race
    if not racers:
        lapsed = study.summary.lapsed
        none = "No race yet: ecg-tune retrain STUDY --race trains the best with several seeds and names a winner."
        return empty_section("race", f"{lapsed[0].upper()}{lapsed[1:]}." if lapsed else none)
    table = render("analysis.dashboard", "race.html", racers=racers, families=scatter_by_family(racers), absent=ABSENT)
    return plain_section("race", (Panel(table=table),))


def best(study: StudyData) -> Section:
    summary = study.summary
    data = best_data(study.trials, metric=summary.metric, class_names=summary.attributes.class_names, folder=summary.folder)
    if not data.trials:
        return empty_section("best", f"{NONE_COMPLETE}, so there is no best one.")
    return plain_section(
        "best", (Panel(table=best_table(data), note="" if data.n_complete > 1 else "One complete trial: there is nothing to rank yet."),)
    )


def classes(study: StudyData) -> Section:
    data = classes_data(study.trials, class_names=study.summary.attributes.class_names)
    if not data.best:
        return empty_section("classes", "No complete trial recorded the AUC of the classes yet.")
    return plain_section("classes", (Panel(figure=classes_figure(data)),))
