"""Several studies on one page: their best values by epochs and by hours, their importances, their facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from analysis.dashboard.figures.families import Families
from analysis.dashboard.figures.importances import importances_data, importances_figure
from analysis.dashboard.figures.study_progress import study_progress_data, study_progress_figure
from analysis.dashboard.figures.style import ABSENT, duration, metric_name
from analysis.dashboard.header import UNKNOWN, states_text
from analysis.dashboard.page import Page, make_page
from analysis.dashboard.sections.section import Panel, Section, plain_section
from analysis.dashboard.trials import RankedTrial, families_of
from analysis.templating import render
from ecg_tune.errors import StudyError
from ecg_tune.study.summary import StudySummary


@dataclass(frozen=True)
class ComparedStudy:
    """A study beside others.

    Attributes:
        search_running: Whether a search is adding trials at this moment.
    """

    trials: Sequence[RankedTrial]
    summary: StudySummary
    search_running: bool = False


class _Facts(NamedTuple):
    """A line of the table of facts."""

    name: str
    trials: str
    epochs: str
    time: str
    raced: str
    raced_trial: str
    best: str
    best_trial: str
    fingerprint: str
    split: str
    records: str


def comparison_sections(studies: Sequence[ComparedStudy]) -> list[Section]:
    """Build the sections of the page.

    Raises:
        StudyError: The studies have different metrics.
    """
    named = _named(studies)
    metrics = {name: study.summary.metric for name, study in named.items()}
    if len(set(metrics.values())) > 1:
        listed = ", ".join(f"{name}: {metric}" for name, metric in metrics.items())
        raise StudyError(f"these studies have different metrics ({listed}), whose values can't be compared: give studies of one metric")
    metric = studies[0].summary.metric
    progress = [_progress(named, metric, budget, unit) for budget, unit in (("epochs", "epochs"), ("hours", "training hours"))]
    importances = [_importances(name, study.trials) for name, study in named.items()]
    facts = render("analysis.dashboard", "study_facts.html", studies=_facts(named), metric=metric_name(metric))
    return [
        plain_section("studies", progress, panel_width=520),
        plain_section("study-facts", (Panel(table=facts),)),
        plain_section("importances", importances, panel_width=440),
    ]


def comparison_page(studies: Sequence[ComparedStudy], sections: Sequence[Section], *, now: datetime) -> Page:
    """Make the page of several studies.

    Args:
        sections: Of `comparison_sections`.
    """
    names = list(_named(studies))
    synthetic = any(study.summary.attributes.synthetic for study in studies)
    title = " · ".join(names)
    return make_page(
        title=f"{title} · ecg-tune studies" + (" (SYNTHETIC)" if synthetic else ""),
        head=render("analysis.dashboard", "comparison_header.html", name=title, now=f"{now:%Y-%m-%d %H:%M}", warnings=_warnings(studies)),
        sections=sections,
        foot=render("analysis.dashboard", "foot.html", study=title, now=f"{now:%Y-%m-%d at %H:%M}", synthetic=synthetic),
        cards={},
        facts={"study": "studies", "metric": studies[0].summary.metric, "classes": (), "rungs": (), "states": {}},
    )


def _named(studies: Sequence[ComparedStudy]) -> dict[str, ComparedStudy]:
    """Name the studies, by their folders where two have the same name."""
    counts = Counter(study.summary.name for study in studies)
    return {study.summary.name if counts[study.summary.name] == 1 else study.summary.folder: study for study in studies}


def _warnings(studies: Sequence[ComparedStudy]) -> list[tuple[str, str]]:
    warnings = []
    named = _named(studies)
    if any(study.summary.attributes.synthetic for study in studies):
        which = ", ".join(name for name, study in named.items() if study.summary.attributes.synthetic)
        warnings.append(("SYNTHETIC", f"Simulated records in {which}: those numbers say nothing about real patients."))
    limited = [f"{name} to {only}" for name, study in named.items() if (only := study.summary.attributes.limited)]
    if limited:
        warnings.append(("LIMITED", f"Data prepared for a quick try: {', '.join(limited)}."))
    fingerprints = {name: study.summary.attributes.data_fingerprint for name, study in named.items()}
    if len(set(fingerprints.values())) > 1:
        listed = ", ".join(f"{name} {(fingerprint or UNKNOWN)[:12]}" for name, fingerprint in fingerprints.items())
        warnings.append(("Data differ", f"{listed}. The best values are of different validation records."))
    return warnings


def _progress(named: Mapping[str, ComparedStudy], metric: str, budget: str, unit: str) -> Panel:
    data = study_progress_data({name: study.trials for name, study in named.items()}, metric=metric, budget=budget)
    if not any(study.improvements for study in data.families):
        return Panel(title=f"By {unit}", empty="No study has a complete trial yet.")
    if not data.common_budget:
        return Panel(title=f"By {unit}", empty=f"Not every study recorded its {unit}.")
    return Panel(title=f"By {unit}", figure=study_progress_figure(data), note=_common(data))


def _common(data: Families) -> str:
    values = ", ".join(f"{one.family} {ABSENT if one.best_at_common is None else f'{one.best_at_common:.4f}'}" for one in data.families)
    epochs = f"{data.common_budget:,.0f} epoch{'s' * (data.common_budget != 1)}"
    return f"Best value within the first {epochs if data.budget == 'epochs' else duration(data.common_budget * 3600)}: {values}."


def _importances(name: str, trials: Sequence[RankedTrial]) -> Panel:
    families = families_of(trials)
    data = importances_data(trials, family=families[0] if len(families) == 1 else None)
    figure = None if data.missing else importances_figure(data)
    return Panel(title=name, figure=figure, warning=data.warning, empty=data.missing)


def _facts(named: Mapping[str, ComparedStudy]) -> list[_Facts]:
    lines = []
    for name, study in named.items():
        summary, attributes = study.summary, study.summary.attributes
        best, winner = summary.best, summary.winner
        train, validation = (attributes.n_records.get(part) for part in ("train", "validation"))
        lines.append(
            _Facts(
                name,
                trials=f"{summary.n_trials:,}: {states_text(summary, search_running=study.search_running) or 'none'}",
                epochs=f"{summary.epochs:,}",
                time=duration(summary.seconds) if summary.seconds else ABSENT,
                raced=ABSENT if winner is None else summary.race[0].mean_text,
                raced_trial="no longer holds" if summary.lapsed else "" if winner is None else f"trial {winner.number}, {winner.family}",
                best=ABSENT if best is None else f"{best.value:.4f}",
                best_trial="" if best is None else f"trial {best.number}, {best.family}",
                fingerprint=(attributes.data_fingerprint or UNKNOWN)[:12],
                split=attributes.split or UNKNOWN,
                records=UNKNOWN if train is None or validation is None else f"{train:,} / {validation:,}",
            )
        )
    return lines
