"""The top of a dashboard: what was searched, on which data, how far it got."""

from __future__ import annotations

import html
from collections.abc import Iterable
from datetime import datetime

from analysis.dashboard.figures.style import ABSENT, STATE_NAMES, duration, metric_name, number, short_name
from analysis.dashboard.summary import Spent, StudySummary

UNKNOWN = "not recorded"
BUDGET_NAMES = {
    "trials": "trials",
    "total_epochs": "epochs",
    "gpu_hours": "GPU-hours",
    "max_hours": "wall time at most",
    "target": "target",
}


def header_html(summary: StudySummary, *, now: datetime, search_running: bool, live: bool = False) -> str:
    """Return the header as HTML, everything escaped.

    Args:
        summary: The study's facts.
        now: When the page is written.
        search_running: Whether a search is adding trials at this moment.
        live: Whether the page follows it.
    """
    more = "this page follows it" if live else "write this page again to see more"
    banners = [_banner(text) for text in _warnings(summary, now=now, more=more if search_running else "")]
    tiles = "".join(_tile(*tile) for tile in _tiles(summary))
    facts = "".join(f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>" for name, value in _facts(summary))
    return f'<h1>Study {html.escape(summary.name)}</h1><p class="soft">As of {now:%Y-%m-%d %H:%M}</p>{"".join(banners)}' + (
        f'<div class="tiles">{tiles}</div>{_best_config(summary)}<dl class="facts">{facts}</dl>'
    )


def _warnings(summary: StudySummary, *, now: datetime, more: str) -> Iterable[tuple[str, str]]:
    if summary.synthetic:
        yield "SYNTHETIC", "The records are simulated. No number on this page says anything about real patients."
    running = summary.counts.get("RUNNING", 0)
    if more:
        yield "Search running", f"{_trials(running)} {'was' if running == 1 else 'were'} in progress at {now:%H:%M}; {more}."
    elif running:
        yield "Unfinished", f"{_trials(running)} never ended and no search is running: the same search command goes on with what is left."
    if not summary.counts:
        yield "No trial yet", "The study exists but holds no trial; figures appear here as trials report."
    elif set(summary.counts) == {"FAIL"}:
        yield "Every trial has failed", "Failures, below, says what happened; figures that need complete trials are empty."
    elif summary.best is None:
        yield "No complete trial yet", "There is no best value, and figures that need complete trials say so."


def _tiles(summary: StudySummary) -> Iterable[tuple[str, str, str]]:
    best = summary.best
    if best is None:
        yield f"Best {metric_name(summary.metric)}", ABSENT, "no complete trial"
    else:
        default = ", its default config" if best.is_default else ""
        yield f"Best {metric_name(summary.metric)}", f"{best.value:.4f}", f"trial {best.number}, {best.family}{default}"
    states = ", ".join(f"{count:,} {STATE_NAMES[state]}" for state, count in summary.counts.items())
    imported = f"; {summary.imported:,} of them imported" if summary.imported else ""
    yield "Trials", f"{sum(summary.counts.values()):,}", (states or "none") + imported
    yield (
        "Epochs spent",
        f"{summary.epochs:,}",
        f"{duration(summary.seconds)} of training" if summary.seconds else "training time not recorded",
    )
    if summary.budgets:
        shares = [budget.used / budget.limit for budget in summary.budgets if budget.used is not None and budget.name != "target"]
        used = f"{min(max(shares), 1):.0%} used" if shares else "see below"
        yield "Budget", used, "; ".join(_budget(budget) for budget in summary.budgets)
    counts = [UNKNOWN if n is None else f"{n:,}" for n in (summary.n_train, summary.n_validation)]
    known = summary.n_train is not None and summary.n_validation is not None
    yield "Records, train / validation", " / ".join(counts) if known else UNKNOWN, "the test part is not used here"


def _trials(count: int) -> str:
    return f"{count:,} trial" + "s" * (count != 1)


def _best_config(summary: StudySummary) -> str:
    best = summary.best
    if best is None or not best.params:
        return ""
    own = {short_name(name, best.family): number(value) for name, value in best.params.items() if name != "family"}
    pairs = (f"{html.escape(name)} <strong>{html.escape(value)}</strong>" for name, value in own.items())
    listed = " · ".join(f'<span class="one">{pair}</span>' for pair in pairs)
    return f'<p class="soft">Config of trial {best.number} ({html.escape(best.family)}): {listed}</p>'


def _budget(budget: Spent) -> str:
    """Return what of a limit is used and left, e.g. "trials 40 of 64, 24 left"."""
    name, limit = BUDGET_NAMES[budget.name], budget.limit
    if budget.name == "max_hours":
        return f"{name} {limit:g} h a run"
    if budget.used is None:
        return f"{name} at most {limit:g}, used not recorded"
    if budget.name == "target":
        return f"{name} {limit:g}, {'reached' if budget.used >= limit else 'not reached'}"
    used, left = (
        f"{value:,.1f}" if budget.name == "gpu_hours" else f"{value:,.0f}" for value in (budget.used, max(limit - budget.used, 0))
    )
    return f"{name} {used} of {limit:,g}, {left} left"


def _facts(summary: StudySummary) -> Iterable[tuple[str, str]]:
    yield "Data fingerprint", (summary.fingerprint or UNKNOWN)[:12]
    yield "Split", summary.split or UNKNOWN
    yield "Leads", ", ".join(summary.leads) or UNKNOWN
    yield "Classes", ", ".join(summary.class_names) or UNKNOWN
    yield "Metric", summary.metric + (f"; minimised: {', '.join(summary.objectives[1:])}" if len(summary.objectives) > 1 else "")
    yield "Profile", summary.profile or UNKNOWN
    yield "Sampler", summary.sampler or UNKNOWN
    yield "Scheduler", summary.scheduler or UNKNOWN
    rungs = ", ".join(map(str, summary.rungs))
    yield (
        "Epochs a trial",
        UNKNOWN if summary.max_epochs is None else f"at most {summary.max_epochs}" + (f", rungs {rungs}" if rungs else ""),
    )
    yield "Seed", UNKNOWN if summary.seed is None else str(summary.seed)


def _banner(banner: tuple[str, str]) -> str:
    strong, rest = banner
    return f'<p class="banner"><strong>{html.escape(strong)}.</strong> {html.escape(rest)}</p>'


def _tile(name: str, value: str, more: str) -> str:
    parts = zip(("name", "value", "more"), (name, value, more), strict=True)
    return '<div class="tile">' + "".join(f'<div class="{kind}">{html.escape(text)}</div>' for kind, text in parts) + "</div>"
