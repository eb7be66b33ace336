"""The dashboard of a study: one HTML file with every figure, readable without a network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from analysis.dashboard.cards import trial_cards
from analysis.dashboard.comparison import ComparedStudy, comparison_page, comparison_sections
from analysis.dashboard.figure_files import FigureFiles, write_figures
from analysis.dashboard.figures.style import STATE_COLORS, STATE_NAMES
from analysis.dashboard.header import header_html
from analysis.dashboard.page import Page, make_page, page_html
from analysis.dashboard.section_html import file_name
from analysis.dashboard.sections import StudyData, sections_of
from analysis.dashboard.sections.section import Section
from analysis.dashboard.trials import RankedTrial, ranked_trials
from analysis.templating import render
from ecg_tune.study.study import Study
from ecg_tune.study.summary import StudySummary, summarise


def write_dashboard(study: Study, out: Path) -> Path:
    """Write the study's dashboard and return its path.

    The file is written beside `out` and then renamed, so that nobody opens half a page.

    Args:
        study: Any Optuna study whose first objective is maximised; what it didn't record is shown as not recorded.
        out: The HTML file; its folder is made when missing.

    Raises:
        StudyError: The study's first objective is minimised.
    """
    now = datetime.now()
    trials = ranked_trials(study)
    page = dashboard_html(trials, summarise(study, trials), now=now, search_running=study.search_running)
    return _write_page(page, Path(out))


def _write_page(page: str, out: Path) -> Path:
    """Write beside the file and rename, so that nobody opens half a page."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        part.write_text(page, encoding="utf-8")
        return part.replace(out)
    except OSError as error:  # a full disk names no file
        raise OSError(error.errno, error.strerror, str(out)) from error
    finally:
        part.unlink(missing_ok=True)


def write_comparison(studies: Sequence[Study], out: Path) -> Path:
    """Write one page of several studies and return its path.

    Raises:
        StudyError: The studies have different metrics, or one minimises its first objective.
    """
    return _write_page(page_html(_comparison(studies)[0]), Path(out))


def write_comparison_figures(studies: Sequence[Study], out: Path) -> FigureFiles:
    """Write every figure of the page of several studies as files: see `write_figures`.

    Raises:
        StudyError: As `write_comparison`.
    """
    return write_figures(*_comparison(studies), Path(out))


def _comparison(studies: Sequence[Study]) -> tuple[Page, list[Section]]:
    compared = []
    for study in studies:
        trials = ranked_trials(study)
        compared.append(ComparedStudy(trials, summarise(study, trials), study.search_running))
    sections = comparison_sections(compared)
    return comparison_page(compared, sections, now=datetime.now()), sections


def write_dashboard_figures(study: Study, out: Path) -> FigureFiles:
    """Write every figure of the study's dashboard as files: see `write_figures`.

    Raises:
        StudyError: The study's first objective is minimised.
    """
    now = datetime.now()
    trials = ranked_trials(study)
    summary = summarise(study, trials)
    sections = sections_of(StudyData(trials, summary, now if study.search_running else None))
    page = dashboard_page(trials, summary, now=now, search_running=study.search_running)
    return write_figures(page, sections, Path(out))


def dashboard_html(trials: Sequence[RankedTrial], summary: StudySummary, *, now: datetime, search_running: bool = False) -> str:
    """Render the dashboard as one HTML text."""
    return page_html(dashboard_page(trials, summary, now=now, search_running=search_running))


def dashboard_page(
    trials: Sequence[RankedTrial], summary: StudySummary, *, now: datetime, search_running: bool = False, live: bool = False
) -> Page:
    """Make the dashboard in pieces.

    Args:
        live: Whether the page follows the search by itself.
    """
    synthetic = summary.attributes.synthetic
    return make_page(
        title=f"{summary.name} · ecg-tune study" + (" (SYNTHETIC)" if synthetic else ""),
        head=header_html(summary, now=now, search_running=search_running, live=live),
        sections=sections_of(StudyData(trials, summary, now if search_running else None)),
        foot=render("analysis.dashboard", "foot.html", study=summary.name, now=f"{now:%Y-%m-%d at %H:%M}", synthetic=synthetic),
        cards=trial_cards(trials),
        facts={
            "study": file_name(summary.name),
            "metric": summary.metric,
            "classes": summary.attributes.class_names,
            "rungs": summary.attributes.rungs,
            "states": {state: (name, STATE_COLORS[state]) for state, name in STATE_NAMES.items()},
        },
    )
