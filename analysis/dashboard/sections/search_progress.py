"""How the search went: history, learning curves, rungs, families, timeline, time, failures."""

from __future__ import annotations

from analysis.dashboard.figures.failures import failures_data, failures_figure, failures_table
from analysis.dashboard.figures.families import Families, families_data, families_figure
from analysis.dashboard.figures.forecast_fan import ForecastFan, forecast_fan_data, forecast_fan_figure
from analysis.dashboard.figures.history import gains_table, history_data, history_figure
from analysis.dashboard.figures.learning_curves import learning_curves_data, learning_curves_figure
from analysis.dashboard.figures.rung_survival import rung_survival_data, rung_survival_figure
from analysis.dashboard.figures.style import ABSENT, duration
from analysis.dashboard.figures.time_use import time_sentence, time_use_data, time_use_figure
from analysis.dashboard.figures.timeline import idle_sentence, timeline_data, timeline_figure
from analysis.dashboard.sections.section import NOTHING_REPORTED, Panel, Section, empty_section, plain_section
from analysis.dashboard.sections.study_data import StudyData
from analysis.dashboard.trials import completed, families_of
from ecg_tune.search.stopping.choice import QUOTA

MOST_NAMED = 20


def history(study: StudyData) -> Section:
    data = history_data(study.trials, metric=study.summary.metric)
    notes = []
    if data.break_at is not None:
        notes.append(f"The vertical axis is broken at {data.break_at:g}: its upper part shows the best trials on a larger scale.")
    if data.without_value:
        named = ", ".join(map(str, data.without_value[:MOST_NAMED]))
        more = f" and {len(data.without_value) - MOST_NAMED} more" if len(data.without_value) > MOST_NAMED else ""
        notes.append(f"Not drawn because they ended before their first epoch: trials {named}{more}.")
    if not data.points:
        return empty_section("history", " ".join([NOTHING_REPORTED, *notes]))
    return plain_section("history", (Panel(figure=history_figure(data), note=" ".join(notes), table=gains_table(data)),))


def learning_curves(study: StudyData) -> Section:
    families = families_of(trial for trial in study.trials if trial.intermediate)
    if not families:
        return empty_section("curves", NOTHING_REPORTED)
    summary = study.summary
    rungs = summary.attributes.rungs
    curves = [learning_curves_data(study.trials, family=family, metric=summary.metric, rungs=rungs) for family in families]
    return plain_section(
        "curves", [Panel(title=data.family, figure=learning_curves_figure(data), note=data.message) for data in curves], panel_width=420
    )


def rungs(study: StudyData) -> Section:
    started = families_of(trial for trial in study.trials if trial.state != "WAITING")
    if not study.summary.attributes.rungs:
        return empty_section("rungs", "This study recorded no rungs: its trials are not stopped early.")
    if not started:
        return empty_section("rungs", "No trial has started yet.")
    data = [rung_survival_data(study.trials, family=family, rungs=study.summary.attributes.rungs) for family in started]
    return plain_section("rungs", [Panel(title=one.family, figure=rung_survival_figure(one)) for one in data], panel_width=340)


def forecasts(study: StudyData) -> Section:
    attributes = study.summary.attributes
    if attributes.scheduler != "forecast" or not attributes.max_epochs:
        return empty_section("forecasts", "This study's trials do not wait for forecasts: it was searched with another scheduler.")
    data = forecast_fan_data(study.trials, metric=study.summary.metric, last_epoch=attributes.max_epochs)
    if not data.fans:
        return empty_section("forecasts", "No trial waits at a rung.")
    return plain_section("forecasts", (Panel(figure=forecast_fan_figure(data), note=_forecast_note(data, study)),))


def _forecast_note(data: ForecastFan, study: StudyData) -> str:
    """Say how many trials wait, and from which rungs fewer have gone on than the scheduler wants."""
    shown = (
        f"{len(data.fans)} of {data.n_waiting} waiting trials are drawn, the most promising. " if data.n_waiting > len(data.fans) else ""
    )
    behind = []
    for rung in study.summary.attributes.rungs:
        reached = [trial for trial in study.trials if rung in trial.rungs and trial.state != "FAIL"]
        beyond = sum(trial.state == "COMPLETE" or trial.last_epoch > rung or not (trial.finished or trial.paused) for trial in reached)
        if any(trial.paused and trial.last_epoch == rung for trial in reached) and beyond < int(QUOTA * len(reached)):
            behind.append(f"epoch {rung}: {beyond} of {len(reached)}")
    return shown + (f"Fewer than half have gone on from {'; '.join(behind)}." if behind else "")


def families(study: StudyData) -> Section:
    if not completed(study.trials):
        return empty_section("comparison", "No trial is complete yet, so families can't be compared.")
    panels = []
    for budget, unit in (("epochs", "epochs"), ("hours", "training hours")):
        data = families_data(study.trials, metric=study.summary.metric, budget=budget)
        if any(family.budget_used for family in data.families):
            panels.append(Panel(title=f"Equal {unit}", figure=families_figure(data), note=_comparison(data, unit)))
        else:
            panels.append(Panel(title=f"Equal {unit}", empty=f"No trial recorded its {unit}."))
    return plain_section("comparison", panels, panel_width=520)


def _comparison(data: Families, unit: str) -> str:
    """Compare the families where all had the same budget, in a sentence."""
    if len(data.families) < 2:
        return "This study holds one family: nothing to compare it with."
    values = ", ".join(f"{one.family} {ABSENT if one.best_at_common is None else f'{one.best_at_common:.4f}'}" for one in data.families)
    common = f"{data.common_budget:,.0f} epochs" if unit == "epochs" else f"{duration(data.common_budget * 3600)} of training"
    return f"Best value within the first {common}, which every family with a complete trial had: {values}."


def timeline(study: StudyData) -> Section:
    data = timeline_data(study.trials, now=study.now)
    if not data.bars:
        return empty_section("timeline", "No trial has started yet.")
    if all(bar.start == bar.end for bar in data.bars):
        return empty_section("timeline", "No trial recorded how long it took.")
    return plain_section("timeline", (Panel(figure=timeline_figure(data), note=idle_sentence(data)),))


def time_use(study: StudyData) -> Section:
    data = time_use_data(study.trials)
    if not data.families:
        return empty_section("time", "This search did not measure it: ecg-tune search STUDY --timing does.")
    return plain_section("time", (Panel(figure=time_use_figure(data), note=time_sentence(data)),))


def failures(study: StudyData) -> Section:
    data = failures_data(study.trials)
    if not data.failures:
        return empty_section("failures", "No trial has failed.")
    return plain_section("failures", (Panel(figure=failures_figure(data), table=failures_table(data)),))
