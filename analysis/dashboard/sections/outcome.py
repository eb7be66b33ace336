"""What came of the search: Pareto front, distribution, best trials, classes."""

from __future__ import annotations

from analysis.dashboard.figures.best import best_data, best_table
from analysis.dashboard.figures.classes import classes_data, classes_figure
from analysis.dashboard.figures.edf import edf_data, edf_figure
from analysis.dashboard.figures.pareto import pareto_data, pareto_figure, pareto_table
from analysis.dashboard.page import Panel, Section
from analysis.dashboard.sections.view import View, explained, section

NONE_COMPLETE = "No trial is complete yet"


def pareto(view: View) -> Section:
    objectives = view.summary.objectives
    if len(objectives) < 2:
        return explained("pareto", "This study has one objective; --minimise parameters (or macs, latency_ms) would give it a second one.")
    data = pareto_data(view.trials, objectives=objectives)
    if not data.trials:
        return explained("pareto", f"{NONE_COMPLETE}, so nothing is on the front.")
    figures = [Panel(figure=pareto_figure(data, cost)) for cost in range(1, len(objectives))]
    note = f"{len(data.front)} of {len(data.trials)} complete trials are on the front."
    return section("pareto", [*figures, Panel(note=note, html=pareto_table(data))], panel_width=520)


def edf(view: View) -> Section:
    data = edf_data(view.trials, metric=view.summary.metric)
    if not data.families:
        return explained("edf", f"{NONE_COMPLETE}: there is nothing to distribute.")
    return section("edf", (Panel(figure=edf_figure(data)),))


def best(view: View) -> Section:
    summary = view.summary
    data = best_data(view.trials, metric=summary.metric, class_names=summary.class_names, folder=summary.folder)
    if not data.trials:
        return explained("best", f"{NONE_COMPLETE}, so there is no best one.")
    return section(
        "best", (Panel(html=best_table(data), note="" if data.n_complete > 1 else "One complete trial: there is nothing to rank yet."),)
    )


def classes(view: View) -> Section:
    data = classes_data(view.trials, class_names=view.summary.class_names)
    if not data.best:
        return explained("classes", "No complete trial recorded the AUC of the classes yet.")
    return section("classes", (Panel(figure=classes_figure(data)),))
