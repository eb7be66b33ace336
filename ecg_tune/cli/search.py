"""`ecg-tune search`: make a study, or go on with it."""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecg_tune.cli.options import DataFolder, StudyFolder, given, headline, read_yaml, words
from ecg_tune.errors import ConfigError, WorkFailedError

if TYPE_CHECKING:
    import optuna

    from ecg_tune.config import SearchSettings
    from ecg_tune.data.prepared import PreparedData
    from ecg_tune.search.space import SearchSpace

EXAMPLE = "Example: ecg-tune search STUDY --data DATA --families rnn,resnet,fusion --profile small --trials 12 --max-epochs 4"


def search(
    study: StudyFolder,
    data: DataFolder,
    families: Annotated[str | None, typer.Option(help="Comma-separated, or all; several make the family a searched choice.")] = None,
    profile: Annotated[str | None, typer.Option(help="full, or small: minutes on a laptop.")] = None,
    trials: Annotated[int | None, typer.Option(help="Trials the study shall have in the end, earlier ones counted.")] = None,
    max_epochs: Annotated[int | None, typer.Option(help="Epochs a trial may run; default 50 full, 10 small.")] = None,
    metric: Annotated[str | None, typer.Option(help="Validation metric: macro_auc, macro_auc_pr, macro_f1.")] = None,
    sampler: Annotated[str | None, typer.Option(help="tpe or random.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="asha or none.")] = None,
    grace_epochs: Annotated[int | None, typer.Option(help="First rung of ASHA; default 3 full, 1 small.")] = None,
    reduction_factor: Annotated[int | None, typer.Option(help="ASHA keeps one in so many.")] = None,
    min_results: Annotated[int | None, typer.Option(help="Results of a family at a rung before anything is cut there.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; with one slot, equal seeds give equal trials.")] = None,
    slots: Annotated[int | None, typer.Option(help="Trials at once; default what fits.")] = None,
    retries: Annotated[int | None, typer.Option(help="How often a trial goes on after its worker or node was lost.")] = None,
    memory_gb: Annotated[float | None, typer.Option(help="GB that a draw's parameters may take in training; default 2.")] = None,
    cpus_per_trial: Annotated[int | None, typer.Option(help="CPU threads of a trial.")] = None,
    gpus_per_trial: Annotated[float | None, typer.Option(help="GPU share of a trial, e.g. 0.25; default 1 if there is a GPU.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="YAML with these settings; flags win.")] = None,
) -> None:
    """Search hyper-parameters. The same command again goes on where the study stands, however it ended."""
    from ecg_tune.cli.status import summary
    from ecg_tune.data.prepared import open_prepared
    from ecg_tune.search.study import best_trials, hold_study, last_failure, study_exists
    from search_spaces import SpaceContext, search_space

    settings = _settings(config, given(
        families=None if families is None else words(families), profile=profile, trials=trials, max_epochs=max_epochs,
        metric=metric, sampler=sampler, scheduler=scheduler, grace_epochs=grace_epochs, reduction_factor=reduction_factor,
        min_results=min_results, seed=seed, slots=slots, retries=retries, memory_gb=memory_gb,
        cpus_per_trial=cpus_per_trial, gpus_per_trial=gpus_per_trial,
    ))  # fmt: skip
    prepared = open_prepared(data)
    space = search_space(
        settings.families, SpaceContext(settings.profile, settings.epochs, settings.space, len(prepared.leads), settings.memory_gb)
    )
    print(headline(prepared), flush=True)
    if settings.profile == "full" and not study_exists(study):
        _say_cost(prepared, settings)
    with hold_study(study):
        opened, done = _run(study, prepared, settings, space)
    print(summary(opened, study))
    if not done:
        print(f"ecg-tune: interrupted; go on with: {command(study, data, settings, config)}", file=sys.stderr)
        raise typer.Exit(130)
    if not best_trials(opened, 1):
        raise WorkFailedError(f"no trial was completed; {last_failure(opened)}")
    print(f"more trials: the same command with a larger --trials\nnext: ecg-tune dashboard {study}; ecg-tune retrain {study} --top 2")


def _settings(config: Path | None, flags: dict[str, Any]) -> SearchSettings:
    """Return a file's settings with the flags over them."""
    from ecg_tune.config import SearchSettings, check_choice, from_dict
    from ecg_tune.metrics import METRICS
    from ecg_tune.search.samplers import SAMPLERS
    from ecg_tune.search.schedulers import SCHEDULERS
    from search_spaces import in_order

    merged = {**(read_yaml(config) if config else {}), **flags}
    named = merged.get("families", SearchSettings().families)
    if not isinstance(named, (str, list, tuple)) or not all(isinstance(name, str) for name in named):
        raise ConfigError(f"{config}: families: expected names, but got {named!r}")
    merged["families"] = in_order(words(named) if isinstance(named, str) else named)
    settings = from_dict(SearchSettings, merged, where=str(config or ""))
    check_choice("metric", settings.metric, METRICS)
    check_choice("sampler", settings.sampler, SAMPLERS)
    check_choice("scheduler", settings.scheduler, SCHEDULERS)
    return settings


def _run(folder: Path, prepared: PreparedData, settings: SearchSettings, space: SearchSpace) -> tuple[optuna.Study, bool]:
    """Open or make the study, search, and return it with whether it is done."""
    from rich.console import Console

    from ecg_tune.search.progress import LiveProgress, PlainProgress
    from ecg_tune.search.runner import run_search
    from ecg_tune.search.study import create_study, study_attributes
    from trainables import TRAINABLES, Shared

    console = Console()
    opened = create_study(folder, study_attributes(prepared, settings))
    shared = Shared(data=prepared.in_memory(), folder=folder.resolve(), metric=settings.metric, threads=settings.cpus_per_trial)
    view = LiveProgress if console.is_terminal else PlainProgress
    done = run_search(
        TRAINABLES[settings.families[0]], space, {"shared": shared}, settings,
        study=opened, folder=folder, view=lambda tally: view(tally, console),
    )  # fmt: skip
    return opened, done


def _say_cost(prepared: PreparedData, settings: SearchSettings) -> None:
    """Where there is no GPU, say what an epoch of each classic config will cost."""
    import torch

    from ecg_tune.search.progress import duration
    from ecg_tune.training.learner import learning_data
    from ecg_tune.training.probe import epoch_cost_s
    from search_spaces import SPACES, SpaceContext, resolve

    if torch.cuda.is_available() or "RAY_ADDRESS" in os.environ:
        return
    torch.set_num_threads(settings.cpus_per_trial)
    data = learning_data(prepared, torch.device("cpu"))
    for family in settings.families:
        classic = resolve(family, SPACES[family].defaults["full"], SpaceContext("full", settings.epochs))
        print(f"without a GPU one epoch of the classic {family} takes about {duration(epoch_cost_s(classic, data))}")
    print("`--profile small` searches narrower nets on short crops: minutes on two cores", flush=True)


def command(folder: Path, data: Path, settings: SearchSettings, config: Path | None = None) -> str:
    """Return the command line that goes on with a search: every setting that is not its default.

    A space changed by hand has no flag: it needs its file again.
    """
    flags = []
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.name == "space":
            flags += ["--config", str(config)] if value else []
        elif value != field.default:
            flags += ["--" + field.name.replace("_", "-"), ",".join(value) if field.name == "families" else str(value)]
    return shlex.join(["ecg-tune", "search", str(folder), "--data", str(data), *flags])
