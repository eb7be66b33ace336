"""The dashboard of a study: one HTML file with every figure, readable without a network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import optuna

from analysis.dashboard.cards import trial_cards
from analysis.dashboard.figures.style import STATE_COLORS, STATE_NAMES
from analysis.dashboard.frames import TrialRow, trial_rows
from analysis.dashboard.header import header_html
from analysis.dashboard.page import Page, make_page, page_html
from analysis.dashboard.sections import StudyData, sections_of
from analysis.dashboard.summary import StudySummary, summarise
from analysis.templating import render


def write_dashboard(study: optuna.Study, out: Path, *, search_running: bool = False, folder: Path | None = None) -> Path:
    """Write the study's dashboard and return its path.

    The file is written beside `out` and then renamed, so that nobody opens half a page.

    Args:
        study: Any Optuna study whose first objective is maximised; what it didn't record is shown as not recorded.
        out: The HTML file; its folder is made when missing.
        search_running: Whether a search is adding trials; the header says so.
        folder: Of the study, for the commands that the page shows; None takes its name.

    Raises:
        StudyError: The study's first objective is minimised.
    """
    now = datetime.now()
    trials = trial_rows(study)
    page = dashboard_html(trials, summarise(study, trials, folder), now=now, search_running=search_running)
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.name}.{os.getpid()}.part")
    part.write_text(page, encoding="utf-8")
    return part.replace(out)


def dashboard_html(trials: Sequence[TrialRow], summary: StudySummary, *, now: datetime, search_running: bool = False) -> str:
    """Render the dashboard as one HTML text."""
    return page_html(dashboard_page(trials, summary, now=now, search_running=search_running))


def dashboard_page(
    trials: Sequence[TrialRow], summary: StudySummary, *, now: datetime, search_running: bool = False, live: bool = False
) -> Page:
    """Make the dashboard in pieces.

    Args:
        live: Whether the page follows the search by itself.
    """
    return make_page(
        title=f"{summary.name} · ecg-tune study" + (" (SYNTHETIC)" if summary.synthetic else ""),
        head=header_html(summary, now=now, search_running=search_running, live=live),
        sections=sections_of(StudyData(trials, summary, now if search_running else None)),
        foot=render("analysis.dashboard", "foot.html", study=summary.name, now=f"{now:%Y-%m-%d at %H:%M}", synthetic=summary.synthetic),
        cards=trial_cards(trials),
        facts={
            "metric": summary.metric,
            "classes": summary.class_names,
            "rungs": summary.rungs,
            "states": {state: (name, STATE_COLORS[state]) for state, name in STATE_NAMES.items()},
        },
    )
