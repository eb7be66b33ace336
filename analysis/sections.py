"""The dashboard's sections: a title, a sentence how to read it, and the figures, or why there are none yet.

A new figure is one function here and its name in `SECTIONS`.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from analysis.figures.best import best_data, best_table
from analysis.figures.failures import failures_data, failures_figure, failures_table
from analysis.figures.families import Families, families_data, families_figure
from analysis.figures.history import History, history_data, history_figure
from analysis.figures.importances import importances_data, importances_figure
from analysis.figures.learning_curves import learning_curves_data, learning_curves_figure
from analysis.figures.parallel import parallel_data, parallel_figure
from analysis.figures.rung_survival import rung_survival_data, rung_survival_figure
from analysis.figures.slices import slice_data, slice_figure
from analysis.figures.style import ABSENT
from analysis.figures.timeline import timeline_data, timeline_figure
from analysis.frames import TrialRow, completed, families_of, parameters_of
from analysis.page import Panel, Section, Tab
from analysis.summary import StudySummary

NOTHING_REPORTED = "No trial has reported an epoch yet."

TEXTS = {
    "history": (
        "History",
        "A point is a trial: filled when trained to its end, open when not (then at its best epoch). "
        "The stepped line is the best so far; a dotted line is what a family's default config reached.",
    ),
    "best": (
        "Best trials",
        "The best complete trials on validation records, with the AUC of every class at the best epoch; the button copies the full "
        "settings as YAML. The highest of many is flattered by chance: retrain before believing it.",
    ),
    "families": (
        "Families",
        "How good a family's best complete trial was after so much had been spent on the family, stopped and failed trials counted; "
        "left of the dotted line every family had the same budget.",
    ),
    "curves": (
        "Learning curves",
        "One line a trial, the metric after every epoch; dotted verticals are the rungs at which early stopping compares a family's "
        "trials. All families share the vertical scale.",
    ),
    "rungs": (
        "Rung survival",
        "A bar counts the trials that stood at a rung, its parts what became of them there; a trial that is complete stands at every rung "
        "with its best value.",
    ),
    "importances": (
        "Importances",
        "Which parameters decided whether a trial came among the best tenth (PED-ANOVA over complete trials); shares sum to 100 %. "
        "They say what mattered in this search space, not which value is best: see the slices.",
    ),
    "parallel": (
        "Parallel coordinates",
        "A line is a complete trial, from grey (worst) over blue and violet to orange (best); drag along an axis to keep "
        "only the trials that pass there, click the axis to let go.",
    ),
    "slices": (
        "Slices",
        "The metric against one parameter at a time: filled points are complete trials, open grey ones were stopped or failed and show "
        "their best epoch. A cloud that rises to one side says where to search next.",
    ),
    "timeline": ("Timeline", "One lane a worker, one bar a trial from start to end; a gap is time in which a worker had nothing to do."),
    "failures": (
        "Failures",
        "Failed trials by reason; a reason that gathers in one family or at one kind of setting is worth a look before searching on.",
    ),
}


class View(NamedTuple):
    """What the sections are made of; `now` is None when no search is running (unfinished bars then end at the last known time)."""

    rows: Sequence[TrialRow]
    summary: StudySummary
    now: datetime | None


def sections_of(view: View) -> list[Section]:
    """Return all sections in their order on the page."""
    return [make(view) for make in SECTIONS]


def _history(view: View) -> Section:
    data = history_data(view.rows, metric=view.summary.metric)
    note = ""
    if data.without_value:
        note = f"Not drawn, for they ended before their first epoch: trials {', '.join(map(str, data.without_value))}."
    panel = (
        Panel(figure=history_figure(data), note=note, html=_gains(data))
        if data.points
        else Panel(empty=f"{NOTHING_REPORTED} {note}".strip())
    )
    return _section("history", (panel,))


def _gains(data: History) -> str:
    def cell(value: float | None, trial: int | None) -> str:
        shown = ABSENT if value is None else f'{value:.4f} <span class="soft">trial {trial}</span>'
        return f'<td class="n">{shown}</td>'

    lines = "".join(
        f"<tr><td>{html.escape(g.family)}</td>{cell(g.default, g.default_trial)}{cell(g.best, g.best_trial)}"
        f'<td class="n">{ABSENT if g.gained is None else format(g.gained, "+.4f")}</td></tr>'
        for g in data.gains
    )
    head = '<tr><th>Family</th><th class="n">Default config</th><th class="n">Best trial</th><th class="n">Gained by searching</th></tr>'
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{lines}</tbody></table></div>'


def _best(view: View) -> Section:
    data = best_data(view.rows, metric=view.summary.metric, class_names=view.summary.class_names)
    if data.trials:
        panel = Panel(html=best_table(data), note="" if data.n_complete > 1 else "One complete trial: there is nothing to rank yet.")
    else:
        panel = Panel(empty="No trial is complete yet, so there is no best one.")
    return _section("best", (panel,))


def _families(view: View) -> Section:
    if not completed(view.rows):
        return _explained("families", "No trial is complete yet, so families can't be compared.")
    panels = []
    for budget, unit in (("epochs", "epochs"), ("hours", "training hours")):
        data = families_data(view.rows, metric=view.summary.metric, budget=budget)
        if any(course.spent for course in data.courses):
            panels.append(Panel(title=f"Equal {unit}", figure=families_figure(data), note=_common(data, unit)))
    return _section("families", tuple(panels), panel_width=520)


def _common(data: Families, unit: str) -> str:
    if len(data.courses) < 2:
        return "This study holds one family: nothing to compare it with."
    values = ", ".join(f"{c.family} {ABSENT if c.best_at_common is None else format(c.best_at_common, '.4f')}" for c in data.courses)
    return f"Best value within the first {data.common:.3g} {unit}, which every family with a complete trial had: {values}."


def _learning_curves(view: View) -> Section:
    families = [family for family in families_of(view.rows) if any(row.intermediate for row in view.rows if row.family == family)]
    if not families:
        return _explained("curves", NOTHING_REPORTED)
    curves = [learning_curves_data(view.rows, family=family, metric=view.summary.metric, rungs=view.summary.rungs) for family in families]
    panels = tuple(Panel(title=data.family, figure=learning_curves_figure(data)) for data in curves)
    return _section("curves", panels, panel_width=420)


def _rungs(view: View) -> Section:
    started = [family for family in families_of(view.rows) if any(row.family == family and row.state != "WAITING" for row in view.rows)]
    if not view.summary.rungs:
        return _explained("rungs", "This study recorded no rungs: its trials are not stopped early.")
    if not started:
        return _explained("rungs", "No trial has started yet.")
    data = [rung_survival_data(view.rows, family=family, rungs=view.summary.rungs) for family in started]
    panels = tuple(Panel(title=one.family, figure=rung_survival_figure(one)) for one in data)
    return _section("rungs", panels, panel_width=340)


def _importances(view: View) -> Section:
    families = families_of(view.rows)
    scopes: list[str | None] = [None, *families] if len(families) > 1 else [*families] or [None]
    panels = []
    for family in scopes:
        data = importances_data(view.rows, family=family)
        title = f"{family or 'All families'}, {data.n_trials} complete trials"
        figure = None if data.missing else importances_figure(data)
        panels.append(Panel(title=title, figure=figure, warning=data.warning, empty=data.missing))
    return _section("importances", tuple(panels), panel_width=440)


def _parallel(view: View) -> Section:
    def panels(family: str) -> tuple[Panel, ...]:
        data = parallel_data(view.rows, metric=view.summary.metric, family=family)
        if not data.axes:
            return (Panel(empty=f"{family}: no complete trial with a searched parameter yet."),)
        return (Panel(figure=parallel_figure(data), least_width=min(110 * (len(data.axes) + 2), 1200)),)

    return _by_family("parallel", view.rows, panels)


def _slices(view: View) -> Section:
    def panels(family: str) -> tuple[Panel, ...]:
        own = [row for row in view.rows if row.family == family and row.reached is not None]
        data = [slice_data(view.rows, name, metric=view.summary.metric, family=family) for name in parameters_of(own, family)]
        if not data:
            return (Panel(empty=f"{family}: no trial with a searched parameter has reported an epoch yet."),)
        return tuple(Panel(figure=slice_figure(one)) for one in data)

    return _by_family("slices", view.rows, panels, panel_width=330)


def _timeline(view: View) -> Section:
    data = timeline_data(view.rows, now=view.now)
    if not data.bars:
        return _explained("timeline", "No trial has started yet.")
    return _section("timeline", (Panel(figure=timeline_figure(data)),))


def _failures(view: View) -> Section:
    data = failures_data(view.rows)
    if not data.failures:
        return _explained("failures", "No trial has failed.")
    return _section("failures", (Panel(figure=failures_figure(data)), Panel(html=failures_table(data))), panel_width=520)


def _by_family(key: str, rows: Sequence[TrialRow], panels: Callable[[str], tuple[Panel, ...]], *, panel_width: int = 0) -> Section:
    families = families_of(rows)
    if not families:
        return _explained(key, "No trial yet.")
    title, how = TEXTS[key]
    return Section(key, title, how, tuple(Tab(family, panels(family)) for family in families), panel_width)


def _section(key: str, panels: Sequence[Panel], *, panel_width: int = 0) -> Section:
    title, how = TEXTS[key]
    return Section(key, title, how, (Tab("", tuple(panels)),), panel_width)


def _explained(key: str, why: str) -> Section:
    return _section(key, (Panel(empty=why),))


SECTIONS = (_history, _best, _families, _learning_curves, _rungs, _importances, _parallel, _slices, _timeline, _failures)
