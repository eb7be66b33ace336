"""`ecg-tune preview`: what a search will cost, before anything is paid."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from ecg_tune.cli.families import say_refused_families
from ecg_tune.cli.flags import takes_settings
from ecg_tune.cli.options import StudyFolder, headline
from ecg_tune.cli.search_options import CostsFrom, SearchData, SettingsFile, Simulations
from ecg_tune.cli.settings import make_space, read_settings
from ecg_tune.config import SearchSettings
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared
from ecg_tune.errors import UsageError
from ecg_tune.models import trial_config
from ecg_tune.search.attributes import study_attributes
from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.preview.curves import ASSUMED, Curves, assumed_curves, courses_of, resampled_curves
from ecg_tune.search.preview.virtual_time import Clock, Silent, Timeline, simulate
from ecg_tune.search.progress.stats import duration
from ecg_tune.search.resources import plan
from ecg_tune.search.resume import extend
from ecg_tune.search.space import SearchSpace
from ecg_tune.search.stopping.budget import Budget
from ecg_tune.search.stopping.pauses import MOST_WAITING
from ecg_tune.search.stopping.schedulers import SCHEDULERS
from ecg_tune.study.create import misfits
from ecg_tune.study.retention import TOP
from ecg_tune.study.study import Study
from ecg_tune.training.costs import epoch_cost_s
from ecg_tune.training.learner import learning_data
from search_spaces import SPACES, SpaceContext, resolve
from search_spaces.memory import BYTES_A_PARAMETER, state_gb

EXAMPLE = "Example: ecg-tune preview STUDY --data DATA --families rnn,resnet --profile small --trials 200 --slots 4"

CHECKPOINT_BYTES = 2 * 16
"""Of a parameter, in a trial's two checkpoints: the weight, Adam's two moments and the best epoch's weight, in single precision."""


@takes_settings
def preview(
    study: StudyFolder,
    data: SearchData,
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
    settings, prepared = dataclasses.replace(read_settings(config, flags), minimise=()), open_prepared(data)
    say_refused_families()
    space = make_space(settings, prepared, study)
    slots, gpus = _slots(settings)
    source, curves, costs = _curves(settings, prepared, costs_from)
    courses = [_simulate(study, prepared, settings, space, curves(n), n, slots=slots, gpus=gpus) for n in range(simulations)]
    facts = _facts([line for line, _ in courses], settings, slots, gpus)
    facts["disk_gb"] = _spread([disk for _, disk in courses])
    facts |= {"epoch_s": costs, **source}
    print(json.dumps(facts, indent=1) if as_json else f"{headline(prepared)}\n{_text(facts, settings)}")


def _slots(settings: SearchSettings) -> tuple[int, float]:
    """Count the trials that run at once and the GPUs of each: as set, else as many as fit on this machine."""
    if settings.measures_gpus:
        raise UsageError("--gpus-per-trial auto is measured when the search starts: give a number and --slots to preview it")
    machine = {"CPU": float(os.cpu_count() or 1), "GPU": float(torch.cuda.device_count())}
    gpus = float(machine["GPU"] > 0) if settings.gpus is None else settings.gpus
    return settings.slots or plan(settings, [machine]).fits([machine]), gpus


def _curves(
    settings: SearchSettings, prepared: PreparedData, costs_from: Path | None
) -> tuple[dict[str, str], Callable[[int], Curves], dict[str, float]]:
    """Choose costs and learning curves: measured and assumed, or taken from an earlier study.

    Returns:
        The sources in words; a function that makes the curves of the n-th simulation; seconds an epoch by family.
    """
    if costs_from is None:
        costs = _probe_costs(settings, prepared)
        source = {"costs": "a short probe of each family's classic config on this machine, one at a time", "curves": f"assumed: {ASSUMED}"}
        return source, lambda n: assumed_curves(costs, epochs=settings.epochs, seed=n), costs
    courses = courses_of(Study.open(costs_from).trials())
    missing = [family for family in settings.families if family not in courses]
    if missing:
        raise UsageError(f"{costs_from} has no ended trial of {', '.join(missing)}: leave --costs-from out, or these families")
    costs = {family: statistics.median(course.epoch_s for course in courses[family]) for family in settings.families}
    counts = ", ".join(f"{len(courses[family])} {family}" for family in settings.families)
    source = {"costs": f"trials of {costs_from} (medians are shown)", "curves": f"resampled from {counts} trials of {costs_from}"}
    return source, lambda n: resampled_curves(courses, epochs=settings.epochs, seed=n), costs


def _probe_costs(settings: SearchSettings, prepared: PreparedData) -> dict[str, float]:

    torch.set_num_threads(settings.cpus_per_trial)
    on_gpu = torch.cuda.is_available() and settings.gpus != 0
    loaded, context = learning_data(prepared, torch.device("cuda" if on_gpu else "cpu")), SpaceContext(settings.profile, settings.epochs)
    classic = {family: resolve(family, SPACES[family].defaults[settings.profile], context) for family in settings.families}
    return {family: epoch_cost_s(config, loaded) for family, config in classic.items()}


def _simulate(
    folder: Path, prepared: PreparedData, settings: SearchSettings, space: SearchSpace, curves: Curves, n: int, *, slots: int, gpus: float
) -> tuple[Timeline, float]:
    """Simulate the search once; return its timeline and the gigabytes that its checkpoints take."""
    clock, study = Clock(), _copy_study(folder, prepared, settings)
    seeded = dataclasses.replace(settings, seed=settings.seed + n)
    extend(study, space, seeded)
    budget = Budget(seeded, study.all_trials(), gpus=lambda family: gpus, clock=clock)
    timeline = simulate(SearchEngine(study, space, seeded, Silent(), budget=budget), curves, slots=slots, clock=clock)
    waiting = MOST_WAITING if SCHEDULERS[seeded.scheduler](seeded).pauses else 0
    return timeline, _disk_gb(study, len(prepared.leads), slots + waiting)


def _copy_study(folder: Path, prepared: PreparedData, settings: SearchSettings) -> Study:
    """Copy the study into memory; start with an empty one where none exists.

    Raises:
        UsageError: The existing study was searched with other data or settings.
    """
    source = Study.open(folder) if Study.exists(folder) else None
    if source is not None and source.all_trials():
        others = [name for name, _, _ in misfits(source.attributes, study_attributes(prepared, settings))]
        if others or len(source.directions) > 1:
            raise UsageError(f"{folder} was searched with other {', '.join(others) or 'objectives'}: give another STUDY to preview it anew")
    return Study.in_memory(source)


def _disk_gb(study: Study, n_leads: int, n_open: int) -> float:
    """Estimate the most disk space of checkpoints: the largest trials that run or wait at once, and the best of each family."""
    sizes: dict[str, list[float]] = {}
    for trial in study.all_trials():
        if trial.config:
            config = trial_config(dict(trial.config))
            gigabytes = state_gb(config.model, config.family, n_leads) / BYTES_A_PARAMETER * CHECKPOINT_BYTES
            sizes.setdefault(config.family, []).append(gigabytes)
    kept = [size for family in sizes.values() for size in sorted(family)[-TOP:]]
    return sum(kept) + sum(sorted(size for family in sizes.values() for size in family)[-n_open:])


def _facts(courses: list[Timeline], settings: SearchSettings, slots: int, gpus: float) -> dict[str, Any]:
    """Summarise the simulations as plain data: [mean, lowest, highest] of each number."""
    marks = [*SCHEDULERS[settings.scheduler](settings).marks, settings.epochs]
    families = {
        family: {
            "trials": _spread([line.reached.get(family, {}).get(1, 0) for line in courses]),
            "reached": {str(epoch): _spread([line.reached.get(family, {}).get(epoch, 0) for line in courses]) for epoch in marks},
            "epochs": _spread([line.epochs_by_family.get(family, 0) for line in courses]),
        }
        for family in settings.families
    }
    return {
        "simulations": len(courses),
        "slots": slots,
        "families": families,
        "states": {state: _spread([line.states.get(state, 0) for line in courses]) for state in ("COMPLETE", "PRUNED", "FAIL")},
        "epochs": _spread([line.epochs for line in courses]),
        "hours": _spread([line.elapsed_s / 3600 for line in courses]),
        "gpu_hours": _spread([line.busy_s / 3600 * gpus for line in courses]),
    }


def _spread(values: list[float] | list[int]) -> list[float]:
    return [round(float(value), 6) for value in (statistics.mean(values), min(values), max(values))]


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

    def shown(name: str, unit: Callable[[float], str]) -> str:
        mean, low, high = facts[name]
        return unit(mean) + (f" ({unit(low)} to {unit(high)})" if low < high else "")

    states = ", ".join(f"{spread[0]:.0f} {state}" for state, spread in facts["states"].items() if spread[0])
    totals = [
        f"epochs     {shown('epochs', lambda n: f'{n:.0f}')}; trials: {states}",
        f"time       {shown('hours', lambda hours: duration(hours * 3600))}",
        f"GPU-hours  {shown('gpu_hours', lambda hours: f'{hours:.2g}') if facts['gpu_hours'][2] else 'none, no GPU is used'}",
        f"disk       {shown('disk_gb', lambda gb: f'{gb:.2g} GB')} of checkpoints at most",
    ]
    return "\n".join([*head, *rows, *totals, f"costs: {facts['costs']}", f"curves: {facts['curves']}"])
