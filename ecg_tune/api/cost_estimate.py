"""Estimate what a search will cost by simulating it: for `ecg-tune preview`, and the line that a new search begins with."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ecg_tune.api.settings import space_context, take_up_space
from ecg_tune.cluster.limits import usable_cpus
from ecg_tune.config import SearchSettings
from ecg_tune.data.prepared.dataset import PreparedData
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
from ecg_tune.search.space_change import end_set_aside, set_aside
from ecg_tune.search.stopping.budget import Budget
from ecg_tune.search.stopping.pauses import MOST_WAITING
from ecg_tune.search.stopping.schedulers import SCHEDULERS
from ecg_tune.study.create import misfits, with_earlier_spaces
from ecg_tune.study.retention import TOP
from ecg_tune.study.schema import write_study
from ecg_tune.study.study import Study
from ecg_tune.training.costs import epoch_cost_s
from ecg_tune.training.learner import learning_data
from search_spaces import SPACES, resolve
from search_spaces.memory import BYTES_A_PARAMETER, state_gb

CHECKPOINT_BYTES = 2 * 16
"""Of a parameter, in a trial's two checkpoints: the weight, Adam's two moments and the best epoch's weight, in single precision."""


def estimate(
    study: Path,
    prepared: PreparedData,
    settings: SearchSettings,
    space: SearchSpace,
    *,
    simulations: int,
    costs_from: Path | None = None,
) -> dict[str, Any]:
    """Simulate a search, or the rest of one, in virtual time.

    Args:
        study: Folder of the study. It is not changed, and need not be there.
        simulations: Searches to simulate, each with another seed.
        costs_from: Study to take epoch times and learning curves from; None measures an epoch's cost here and assumes curves.

    Returns:
        [mean, lowest, highest] of trials, epochs, hours, GPU-hours and gigabytes of checkpoints, and where they come from.

    Raises:
        UsageError: The study was searched with other data or settings, or `costs_from` lacks a family.
    """
    settings = dataclasses.replace(settings, minimise=())
    slots, gpus = slots_of(settings)
    source, curves, costs = _curves(settings, prepared, costs_from)

    def courses(wanted: SearchSettings) -> list[tuple[Timeline, float]]:
        return [_simulate(study, prepared, wanted, space, curves(n), n, slots=slots, gpus=gpus) for n in range(simulations)]

    change: list[str] = []
    take_up_space(_copy_study(study, prepared, settings), study, settings, prepared, space, change.append)
    simulated = courses(settings)
    facts = _facts([line for line, _ in simulated], settings, slots, gpus)
    facts["disk_gb"] = _spread([disk for _, disk in simulated])
    if settings.patience_trials is not None or settings.min_gain is not None:
        whole = [line for line, _ in courses(dataclasses.replace(settings, patience_trials=None, min_gain=None))]
        pairs = list(zip(whole, [line for line, _ in simulated], strict=True))
        facts["saved"] = {
            "epochs": _spread([without.epochs - with_it.epochs for without, with_it in pairs]),
            "hours": _spread([(without.elapsed_s - with_it.elapsed_s) / 3600 for without, with_it in pairs]),
        }
    return facts | {"epoch_s": costs, **source} | ({"space_change": change} if change else {})


def shown(facts: Mapping[str, Any], name: str, unit: Callable[[float], str]) -> str:
    """Write one of the facts: its mean and, where the simulations differ, its range."""
    mean, low, high = facts[name]
    return unit(mean) + (f" ({unit(low)} to {unit(high)})" if unit(low) != unit(high) else "")


def cost_line(facts: Mapping[str, Any], settings: SearchSettings) -> str:
    """Say in one line what a search will cost."""
    hours = shown(facts, "hours", lambda value: duration(value * 3600))
    epochs = shown(facts, "epochs", lambda n: f"{n:.0f}")
    return (
        f"about {hours} for {settings.trials} trials of at most {settings.epochs} epochs, {facts['slots']} at once: {epochs} epochs, "
        f"{facts['disk_gb'][0]:.2g} GB of checkpoints (simulated; `ecg-tune preview` says more)"
    )


def slots_of(settings: SearchSettings) -> tuple[int, float]:
    """Count the trials that run at once and the GPUs of each: as set, else as many as fit on this machine."""
    if settings.measures_gpus:
        raise UsageError("--gpus-per-trial auto is measured when the search starts: give a number and --slots to preview it")
    machine = {"CPU": float(usable_cpus()), "GPU": float(torch.cuda.device_count())}
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
    loaded = learning_data(prepared, torch.device("cuda" if on_gpu else "cpu"))
    context = space_context(prepared, settings.profile, settings.epochs)
    classic = {family: resolve(family, SPACES[family].defaults[settings.profile], context) for family in settings.families}
    return {family: epoch_cost_s(config, loaded) for family, config in classic.items()}


def _simulate(
    folder: Path, prepared: PreparedData, settings: SearchSettings, space: SearchSpace, curves: Curves, n: int, *, slots: int, gpus: float
) -> tuple[Timeline, float]:
    """Simulate the search once; return its timeline and the gigabytes that its checkpoints take."""
    clock, study = Clock(), _copy_study(folder, prepared, settings)
    seeded = dataclasses.replace(settings, seed=settings.seed + n)
    set_aside(study, space, seeded.epochs)
    end_set_aside(study)
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
    copy = Study.in_memory(source)
    if source is not None and source.all_trials():
        attributes = study_attributes(prepared, settings)
        others = [name for name, _, _ in misfits(source.attributes, attributes)]
        if others or len(source.directions) > 1:
            raise UsageError(f"{folder} was searched with other {', '.join(others) or 'objectives'}: give another STUDY to preview it anew")
        write_study(copy.optuna, with_earlier_spaces(source.attributes, attributes, len(source.all_trials())))
    return copy


def _disk_gb(study: Study, n_leads: int, n_open: int) -> float:
    """Estimate the most disk space of checkpoints: the largest trials that run or wait at once, and the best of each family."""
    sizes: dict[str, list[float]] = {}
    for trial in study.all_trials():
        if trial.n_parameters is not None:
            sizes.setdefault(trial.family, []).append(trial.n_parameters * CHECKPOINT_BYTES / 1e9)
        elif trial.config:  # never began: its network is made, which takes milliseconds
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
