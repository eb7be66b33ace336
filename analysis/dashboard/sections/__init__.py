"""The dashboard's sections: a title, a sentence how to read it, and the figures, or why there are none yet.

A new figure is one function in one of the files here, its name in `SECTIONS`, and its caption in `CAPTIONS`.
"""

from __future__ import annotations

from analysis.dashboard.sections import parameters, results, search_progress
from analysis.dashboard.sections.captions import CAPTIONS
from analysis.dashboard.sections.section import Section
from analysis.dashboard.sections.study_data import StudyData

__all__ = ["CAPTIONS", "SECTIONS", "StudyData", "sections_of"]

SECTIONS = (
    search_progress.history,
    search_progress.learning_curves,
    search_progress.rungs,
    search_progress.forecasts,
    search_progress.families,
    parameters.importances,
    parameters.parallel,
    parameters.slices,
    parameters.contour,
    parameters.rank,
    search_progress.timeline,
    search_progress.time_use,
    search_progress.failures,
    results.pareto,
    results.edf,
    results.race,
    results.best,
    results.classes,
)


def sections_of(study: StudyData) -> list[Section]:
    """Build all sections of the page, in their order."""
    return [make(study) for make in SECTIONS]
