"""The dashboard of a study: one HTML file with every figure, readable without a network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from analysis.dashboard.cards import trial_cards
from analysis.dashboard.figures.style import STATE_COLORS, STATE_NAMES
from analysis.dashboard.header import header_html
from analysis.dashboard.page import Page, make_page, page_html
from analysis.dashboard.sections import StudyData, sections_of
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
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.name}.{os.getpid()}.part")
    part.write_text(page, encoding="utf-8")
    return part.replace(out)


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
            "metric": summary.metric,
            "classes": summary.attributes.class_names,
            "rungs": summary.attributes.rungs,
            "states": {state: (name, STATE_COLORS[state]) for state, name in STATE_NAMES.items()},
        },
    )
