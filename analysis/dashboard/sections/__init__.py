"""The dashboard's sections: a title, a sentence how to read it, and the figures, or why there are none yet.

A new figure is one function in one of the files here, its name in `SECTIONS`, and its texts in `TEXTS`.
"""

from __future__ import annotations

from analysis.dashboard.page import Section
from analysis.dashboard.sections import course, outcome, parameters
from analysis.dashboard.sections.texts import TEXTS
from analysis.dashboard.sections.view import View

__all__ = ["SECTIONS", "TEXTS", "View", "sections_of"]

SECTIONS = (
    course.history,
    course.learning_curves,
    course.rungs,
    course.families,
    parameters.importances,
    parameters.parallel,
    parameters.slices,
    parameters.contour,
    parameters.rank,
    course.timeline,
    course.failures,
    outcome.pareto,
    outcome.edf,
    outcome.best,
    outcome.classes,
)


def sections_of(view: View) -> list[Section]:
    """Return all sections in their order on the page."""
    return [make(view) for make in SECTIONS]
