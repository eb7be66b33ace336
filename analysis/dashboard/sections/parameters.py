"""What the parameters do: importances, parallel coordinates, slices, contour, rank."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from analysis.dashboard.figures.contour import contour_data, contour_figure
from analysis.dashboard.figures.importances import importances_figure
from analysis.dashboard.figures.parallel import parallel_data, parallel_figure
from analysis.dashboard.figures.point_limit import limit_trials
from analysis.dashboard.figures.rank import rank_data, rank_figure
from analysis.dashboard.figures.slices import slice_data, slice_figure
from analysis.dashboard.figures.style import metric_name, short_name
from analysis.dashboard.sections.section import Panel, Section, family_section, plain_section
from analysis.dashboard.sections.study_data import StudyData
from analysis.dashboard.trials import RankedTrial, compared, parameters_of

FEWEST_TRIALS = 5
"""A parameter has a slice when at least so many trials have it, or all of a family with fewer trials."""
MOST_NAMED = 8


def importances(study: StudyData) -> Section:
    panels = []
    for family, data in study.importances.items():
        title = f"{family or 'All families'}, {data.n_trials} trial" + "s" * (data.n_trials != 1)
        figure = None if data.missing else importances_figure(data)
        panels.append(Panel(title=title, figure=figure, warning=data.warning, empty=data.missing))
    return plain_section("importances", panels, panel_width=440)


def parallel(study: StudyData) -> Section:
    def panels(family: str) -> tuple[Panel, ...]:
        data = parallel_data(study.trials, metric=study.summary.metric, family=family)
        if not data.axes:
            return (Panel(empty=f"{family}: no trial with a searched parameter has a value or a forecast yet."),)
        note = (
            f"Shown are the {len(data.axes)} parameters that most trials have; {data.n_hidden} more have no axis." if data.n_hidden else ""
        )
        return (Panel(figure=parallel_figure(data), note=note, least_width=min(95 * (len(data.axes) + 2), 1200)),)

    return family_section("parallel", study, panels)


def slices(study: StudyData) -> Section:
    def panels(family: str) -> tuple[Panel, ...]:
        own = [trial for trial in study.trials if trial.family == family and trial.best_value is not None]
        drawn = limit_trials(own)
        names, rare = _common_parameters(own, family)
        data = [slice_data(drawn.trials, name, metric=study.summary.metric, family=family) for name in names]
        if not data:
            return (Panel(empty=f"{family}: no trial with a searched parameter has reported an epoch yet."),)
        named = ", ".join(rare[:MOST_NAMED]) + (f" and {len(rare) - MOST_NAMED} more" if len(rare) > MOST_NAMED else "")
        left_out = f"Without a slice, because fewer than {FEWEST_TRIALS} trials have them: {named}." if rare else ""
        message = " ".join(note for note in (drawn.message, left_out) if note)
        return (*([Panel(note=message)] if message else []), *(Panel(figure=slice_figure(one)) for one in data))

    return family_section("slices", study, panels, panel_width=330)


def contour(study: StudyData) -> Section:
    def panels(family: str, names: list[str]) -> tuple[Panel, ...]:
        drawn = limit_trials(compared(study.trials, family))
        data = contour_data(drawn.trials, metric=study.summary.metric, family=family, parameters=(names[0], names[1]))
        if len(data.pair.numbers) < 2:
            return (Panel(empty=f"{family}: only {len(data.pair.numbers)} trials have both {names[0]} and {names[1]}."),)
        alt = f"{metric_name(study.summary.metric)} over {' and '.join(short_name(name, family) for name in names[:2])}, smoothed."
        return (Panel(figure=contour_figure(data), note=drawn.message, warning=study.importances[family].warning, alt=alt),)

    return family_section("contour", study, lambda family: _of_most_important(study, family, panels))


def rank(study: StudyData) -> Section:
    def panels(family: str, names: list[str]) -> tuple[Panel, ...]:
        drawn = limit_trials(compared(study.trials, family))
        data = rank_data(drawn.trials, metric=study.summary.metric, family=family, parameters=names)
        return (*([Panel(note=drawn.message)] if drawn.message else []), *(Panel(figure=rank_figure(one)) for one in data if one.ranks))

    return family_section("rank", study, lambda family: _of_most_important(study, family, panels), panel_width=400)


def _common_parameters(own: Sequence[RankedTrial], family: str) -> tuple[list[str], list[str]]:
    """Split a family's parameters into those that enough trials have for a slice, and the short names of the others.

    A fusion has dozens of parameters that few trials have.
    """
    counts = {name: sum(name in trial.params for trial in own) for name in parameters_of(own, family)}
    fewest = min(FEWEST_TRIALS, len(own))
    return [n for n, count in counts.items() if count >= fewest], [short_name(n, family) for n, count in counts.items() if count < fewest]


def _of_most_important(study: StudyData, family: str, panels: Callable[[str, list[str]], tuple[Panel, ...]]) -> tuple[Panel, ...]:
    """Make panels of a family's most important parameters, or one that says why there are none.

    Args:
        panels: Gets the family and its parameters, the most important first.
    """
    data = study.importances[family]
    if data.missing:
        return (Panel(empty=f"{family}: parameters are chosen by importance. {data.missing}"),)
    return panels(family, [name for name, _ in data.importances])
