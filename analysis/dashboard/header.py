"""The top of a dashboard: what was searched, on which data, how far it got."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from analysis.dashboard.figures.style import ABSENT, STATE_NAMES, duration, metric_name, number, short_name
from analysis.templating import Markup, render
from ecg_tune.study.summary import BudgetUse, StudySummary, space_text

UNKNOWN = "not recorded"
BUDGET_NAMES = {
    "trials": "trials",
    "total_epochs": "epochs",
    "gpu_hours": "GPU-hours",
    "max_hours": "wall time at most",
    "target": "target",
}


class Tile(NamedTuple):
    """One of the large numbers at the top: its name, the number, and a line below it."""

    name: str
    value: str
    more: str


def header_html(summary: StudySummary, *, now: datetime, search_running: bool, live: bool = False) -> Markup:
    """Render the header.

    Args:
        summary: The study's facts.
        now: When the page is written.
        search_running: Whether a search is adding trials at this moment.
        live: Whether the page follows it.
    """
    more = "this page follows it" if live else "write this page again to see more"
    return render(
        "analysis.dashboard",
        "header.html",
        name=summary.name,
        now=f"{now:%Y-%m-%d %H:%M}",
        warnings=_warnings(summary, now=now, more=more if search_running else ""),
        tiles=_tiles(summary, search_running=search_running),
        best=summary.winner or summary.best,
        best_config=_best_config(summary),
        facts=_facts(summary),
    )


def _warnings(summary: StudySummary, *, now: datetime, more: str) -> Iterable[tuple[str, str]]:
    if summary.attributes.synthetic:
        yield "SYNTHETIC", "The records are simulated. No number on this page says anything about real patients."
    if summary.attributes.limited:
        yield "LIMITED", f"Only {summary.attributes.limited} were prepared, for a quick try."
    running = summary.counts.get("RUNNING", 0)
    if more:
        busy = running - summary.waiting
        waiting = f", {summary.waiting:,} waited at a rung" if summary.waiting else ""
        yield "Search running", f"{_trials(busy)} {'was' if busy == 1 else 'were'} in progress{waiting} at {now:%H:%M}; {more}."
    elif running:
        yield "Unfinished", f"{_trials(running)} never ended and no search is running: run the same search command again to resume."
    if not summary.counts:
        yield "No trial yet", "The study exists but holds no trial; figures appear here as trials report."
    elif set(summary.counts) == {"FAIL"}:
        yield "Every trial has failed", "Failures, below, says what happened; figures that need complete trials are empty."
    elif summary.best is None:
        yield "No complete trial yet", "There is no best value, and figures that need complete trials say so."


def _tiles(summary: StudySummary, *, search_running: bool) -> Iterable[Tile]:
    yield from _best_tiles(summary)
    states = states_text(summary, search_running=search_running)
    extending = f"; {summary.extending:,} counted once and shown twice, while a longer training goes on" if summary.extending else ""
    imported = f"; {summary.imported:,} of them imported" if summary.imported else ""
    yield Tile("Trial" if summary.n_trials == 1 else "Trials", f"{summary.n_trials:,}", (states or "none") + extending + imported)
    time = f"{duration(summary.seconds)} of training" if summary.seconds else "training time not recorded"
    yield Tile("Epoch trained" if summary.epochs == 1 else "Epochs trained", f"{summary.epochs:,}", time)
    if summary.budgets:
        shares = [budget.used / budget.limit for budget in summary.budgets if budget.used is not None and budget.name != "target"]
        used = f"{min(max(shares), 1):.0%} used" if shares else "see below"
        yield Tile("Budget", used, "; ".join(_budget(budget) for budget in summary.budgets))
    train, validation = (summary.attributes.n_records.get(name) for name in ("train", "validation"))
    records = UNKNOWN if train is None or validation is None else f"{train:,} / {validation:,}"
    yield Tile("Records, train / validation", records, "the test split is not used here")


def _best_tiles(summary: StudySummary) -> Iterable[Tile]:
    """Show the race's winner, where there was a race, and the best of the search: one run's best epoch, the best of many."""
    best, name = summary.best, f"Best {metric_name(summary.metric)}"
    if summary.winner is not None:
        won = summary.race[0]
        interval = "" if won.interval is None else "95 % [{:.4f}, {:.4f}], ".format(*won.interval)
        value = f"{won.mean:.4f}"
        seeds = f"{interval}mean over {won.seeds} {won.over}; winner of a race of {len(summary.race)} trials"
        yield Tile(
            f"Best {'macro AUC over folds of train' if won.folds else 'validation macro AUC'}",
            value,
            f"trial {won.trial}, {summary.winner.family}: {seeds}",
        )
        name += " in the search"
    if best is None:
        yield Tile(name, ABSENT, "no complete trial")
    else:
        default = ", its default config" if best.is_default else ""
        yield Tile(name, f"{best.value:.4f}", f"trial {best.number}, {best.family}{default}")


def states_text(summary: StudySummary, *, search_running: bool) -> str:
    """Count the trials by state, e.g. "2 complete, 1 interrupted, 3 waiting at a rung"; "" without a trial."""
    names = STATE_NAMES if search_running else {**STATE_NAMES, "RUNNING": STATE_NAMES["INTERRUPTED"]}
    counts = {names[state]: count - (summary.waiting if state == "RUNNING" else 0) for state, count in summary.counts.items()}
    return ", ".join(f"{count:,} {name}" for name, count in [*counts.items(), ("waiting at a rung", summary.waiting)] if count)


def _trials(count: int) -> str:
    return f"{count:,} trial" + "s" * (count != 1)


def _best_config(summary: StudySummary) -> dict[str, str]:
    """List the searched parameters of the best trial as text; empty without a best trial."""
    best = summary.winner or summary.best
    if best is None:
        return {}
    return {short_name(name, best.family): number(value) for name, value in best.params.items() if name != "family"}


def _budget(budget: BudgetUse) -> str:
    """Say how much of a limit is used and left, e.g. "trials 40 of 64, 24 left"."""
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
    attributes = summary.attributes
    rungs = f", rungs {', '.join(map(str, attributes.rungs))}" if attributes.rungs else ""
    minimised = f"; minimised: {', '.join(summary.objectives[1:])}" if len(summary.objectives) > 1 else ""
    if attributes.note or attributes.tags:
        yield "Note", " ".join([*([attributes.note] if attributes.note else []), *(f"[{tag}]" for tag in attributes.tags or ())])
    yield "Data fingerprint", (attributes.data_fingerprint or UNKNOWN)[:12]
    yield "Split", attributes.split or UNKNOWN
    if attributes.leads or not attributes.images:
        yield "Leads", ", ".join(attributes.leads) or UNKNOWN
    if attributes.images:
        n_channels, size = attributes.images
        yield "Stored images", f"{n_channels} x {size} x {size}"
    yield "Classes", ", ".join(attributes.class_names) or UNKNOWN
    yield "Metric", summary.metric + minimised
    yield "Profile", attributes.profile or UNKNOWN
    if attributes.earlier_spaces:
        yield "Space", space_text(attributes.earlier_spaces, summary.n_set_aside)
    yield "Sampler", attributes.sampler or UNKNOWN
    yield "Scheduler", attributes.scheduler or UNKNOWN
    yield "Epochs a trial", UNKNOWN if attributes.max_epochs is None else f"at most {attributes.max_epochs}{rungs}"
    yield "Seed", UNKNOWN if attributes.seed is None else str(attributes.seed)
