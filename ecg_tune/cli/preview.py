"""`ecg-tune preview`: what a search will cost, before anything is paid."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ecg_tune.api.cost_estimate import estimate, shown
from ecg_tune.api.families import say_refused_families
from ecg_tune.api.settings import make_space, read_request
from ecg_tune.api.study_data import headline
from ecg_tune.cli.flags import takes_settings
from ecg_tune.cli.options import StudyFolder
from ecg_tune.cli.search_options import CostsFrom, SearchData, SettingsFile, Simulations
from ecg_tune.config import SearchSettings
from ecg_tune.search.learnt_priors import with_priors
from ecg_tune.search.progress.stats import duration

EXAMPLE = "Example: ecg-tune preview STUDY --data DATA --families rnn,resnet --profile small --trials 200 --slots 4"


@takes_settings
def preview(
    study: StudyFolder,
    data: SearchData = None,
    config: SettingsFile = None,
    costs_from: CostsFrom = None,
    simulations: Simulations = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    *,
    flags: dict[str, Any],
) -> None:
    """Estimate what a search will cost before you start it.

    Simulates the search in virtual time and prints trials per rung, epochs, hours, GPU-hours and disk space. STUDY is not changed; if it
    exists, only the rest of it is estimated.
    """
    request = read_request(study, config, flags, data)
    say_refused_families()
    families = request.settings.families
    space = with_priors(make_space(request.settings, request.data, study), request.learnt_priors, families)
    facts = estimate(study, request.data, request.settings, space, simulations=simulations, costs_from=costs_from)
    if as_json:
        print(json.dumps(facts, indent=1))
        return
    notes = [*([request.note] if request.note else []), *facts.get("space_change", ())]
    print("\n".join([headline(request.data), *notes, _text(facts, request.settings)]))


def _saved(facts: Mapping[str, Any]) -> str:
    epochs = shown(facts, "epochs", lambda n: f"{n:.0f}")
    return f"{epochs} epochs, {shown(facts, 'hours', lambda hours: duration(hours * 3600))}"


def _text(facts: Mapping[str, Any], settings: SearchSettings) -> str:
    """Format the facts as lines for people."""
    plan_text = f"{facts['slots']} at once, {settings.sampler} + {settings.scheduler}"
    head = [
        f"{settings.trials} trials of at most {settings.epochs} epochs, {plan_text}",
        f"{facts['simulations']} simulated searches: mean (lowest to highest)",
    ]
    epochs = list(next(iter(facts["families"].values()))["reached"])
    table = [["family", "s/epoch", "trials", *(f"to epoch {epoch}" for epoch in epochs), "epochs"]]
    for family, numbers in facts["families"].items():
        reached = [f"{numbers['reached'][epoch][0]:.0f}" for epoch in epochs]
        table.append([family, f"{facts['epoch_s'][family]:.1f}", f"{numbers['trials'][0]:.0f}", *reached, f"{numbers['epochs'][0]:.0f}"])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    rows = ["  ".join([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]) for line in table]

    states = ", ".join(f"{spread[0]:.0f} {state}" for state, spread in facts["states"].items() if spread[0])
    totals = [
        f"epochs     {shown(facts, 'epochs', lambda n: f'{n:.0f}')}; trials: {states}",
        f"time       {shown(facts, 'hours', lambda hours: duration(hours * 3600))}",
        f"GPU-hours  {shown(facts, 'gpu_hours', lambda hours: f'{hours:.2g}') if facts['gpu_hours'][2] else 'none, no GPU is used'}",
        *([f"saved      {_saved(facts['saved'])} by --patience-trials or --min-gain"] if "saved" in facts else []),
        f"disk       {shown(facts, 'disk_gb', lambda gb: f'{gb:.2g} GB')} of checkpoints at most",
    ]
    return "\n".join([*head, *rows, *totals, f"costs: {facts['costs']}", f"curves: {facts['curves']}"])
